"""Holds what knows no business word: database, clock, ids, money, pagination, forms, pages, security."""
