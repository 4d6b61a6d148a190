"""Devices behind a vendor's shared library with `OperateDisk` (protocol.md section 3, transport 1)."""
