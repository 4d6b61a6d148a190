"""Recurring work: which jobs are due, run by one process at a time through leases."""
