"""Registers the taxpayers (企业)."""
