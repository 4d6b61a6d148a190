"""The XML messages of docs/protocols.md, section 3, shared by every family whose transport carries them."""
