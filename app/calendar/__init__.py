"""申报期限: the last day to file and clear of each month, published, by rule, or overridden."""
