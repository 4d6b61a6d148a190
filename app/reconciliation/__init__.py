"""Compares ledger, device statistics, clearing records and the bureau's view (核对), and keeps what came of differences."""
