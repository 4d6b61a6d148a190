"""The device agent: the local service next to the hardware, a program of its own or mounted in the server."""
