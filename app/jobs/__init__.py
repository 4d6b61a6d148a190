"""Runs recurring work: tells which job is due, and lets one process at a time do it."""
