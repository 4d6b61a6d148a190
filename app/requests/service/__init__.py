"""Use cases of clearing: submit, control (execute, retry, cancel, confirm), progress, outcome."""
