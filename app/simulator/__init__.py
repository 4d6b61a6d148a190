"""Plays the device's and the bureau's side of every wire, for the demo and for tests, as a program of its own.

`python -m app.simulator serve` meets the real drivers over real HTTP. It shares no parsing, building or rule
with the drivers: both follow docs/protocols.md.
"""
