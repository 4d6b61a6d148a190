"""定期检查: the monthly, quarterly and on-demand look at everything, with a report."""
