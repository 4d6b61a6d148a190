"""Breaks things and counts the promises kept: `make chaos`."""
