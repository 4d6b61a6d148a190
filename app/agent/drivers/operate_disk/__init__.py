"""Devices behind a vendor's shared library with `OperateDisk` (docs/protocols.md, section 5)."""
