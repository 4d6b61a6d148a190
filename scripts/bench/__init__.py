"""Measures the product against bare programs: `make bench`."""
