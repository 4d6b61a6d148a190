"""Looks at everything once a month, once a quarter or on demand (定期检查), and keeps the report."""
