"""Says whether anything was altered: chain, rows, triggers and outside checkpoints compared; hands out the daily checkpoint."""
