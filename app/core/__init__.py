"""What knows no business word: database, clock, ids, money, pages, security."""
