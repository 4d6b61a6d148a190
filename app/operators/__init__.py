"""操作员: who issues invoices, their state, and the search for them."""
