"""The agent's own page at /, for whoever sits at the computer with the hardware."""
