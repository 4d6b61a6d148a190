"""Identifiers and random tokens."""

import os
import secrets
import time
from uuid import UUID


def new_id() -> UUID:
    """A UUID version 7 (RFC 9562): sorts by the millisecond it was made, else random."""
    value = int.from_bytes(os.urandom(16), "big")
    value = (value & ((1 << 80) - 1)) | (time.time_ns() // 1_000_000 << 80)
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return UUID(int=value)


def new_token(bits: int = 256) -> str:
    """A random token, safe in URLs and headers, of at least `bits` bits."""
    return secrets.token_urlsafe((bits + 7) // 8)


def uuid_or_none(text: str) -> UUID | None:
    """The id that a text is, or None for one that is none."""
    try:
        return UUID(text)
    except ValueError:
        return None
