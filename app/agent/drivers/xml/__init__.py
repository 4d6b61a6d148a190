"""The XML messages of protocol.md section 2, shared by every family whose transport carries them."""
