"""Tells the last day to file and to clear of each month (申报期限): published, by rule, or moved by a notice."""
