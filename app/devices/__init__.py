"""Registers tax-control devices and their agents, reads devices through them, and keeps what was read last."""
