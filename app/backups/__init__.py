"""Writes archives, reads them back, restores them, and deletes old ones."""
