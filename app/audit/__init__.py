"""The append-only trail: `record` writes, `verification` proves, `checkpoint` signs."""
