"""Messages between the server and the device agent, and the words both use.

Everything here is data: Pydantic models, enums and the catalogue of fault codes.
"""

CONTRACT_VERSION = 1
"""Version of the messages below. The server refuses an agent with another major contract."""
