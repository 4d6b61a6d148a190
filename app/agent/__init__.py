"""Runs next to the hardware, alone or inside the server: its API, one worker a port, the journal of operations, the drivers."""
