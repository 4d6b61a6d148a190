"""Tax-control devices, the agents that reach them, and what was last read."""
