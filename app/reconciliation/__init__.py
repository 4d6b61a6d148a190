"""核对: ledger, device statistics and clearing records compared, and what came of the differences."""
