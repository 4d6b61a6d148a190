"""Keeps the ledger of invoices (发票台账): as devices give them, by import, or by hand."""
