"""Holds the messages between server and agent, and the words both use: invoice types, periods, tax numbers, fault codes.

Everything here is data: Pydantic models, enums and the catalogue of fault codes.
"""

CONTRACT_VERSION = 1
"""Version of the messages below. The server refuses an agent with another major contract."""
