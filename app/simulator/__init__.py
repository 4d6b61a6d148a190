"""A simulated tax server and tax bureau: the device's side of the wire, for demonstrations and tests.

It runs as its own process (`python -m app.simulator serve`), so that the real drivers meet it over
real HTTP. It shares no parsing, building or rule with the drivers: both follow the protocol description.
"""
