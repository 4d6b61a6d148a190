"""Drivers by family: how bytes and XML reach a device and what its answers mean."""
