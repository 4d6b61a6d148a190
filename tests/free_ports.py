"""Free ports that must be known before a program listens on them."""

import random
import socket

_PORTS = range(20000, 32000)
"""Below the system's range for outgoing connections: nothing else takes one before the program does."""


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    for port in random.sample(_PORTS, 50):
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")
