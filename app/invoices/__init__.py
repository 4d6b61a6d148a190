"""The ledger of invoices."""
