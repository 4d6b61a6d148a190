"""定期检查: the scheduled check."""
