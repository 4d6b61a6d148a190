"""Backups around clearings: written, read back, verified."""
