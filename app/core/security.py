"""Passwords, token hashes and derived keys. No algorithm of our own."""

import hashlib
import hmac
from functools import cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pwdlib import PasswordHash


@cache
def _passwords() -> PasswordHash:
    return PasswordHash.recommended()


def hash_password(password: str) -> str:
    """Argon2id in the PHC string form."""
    return _passwords().hash(password)


def verify_password(password: str, hashed: str) -> bool:
    """Whether `password` made `hashed`."""
    return _passwords().verify(password, hashed)


@cache
def _nobodys_hash() -> str:
    return _passwords().hash("nobody")


def waste_time_like_a_check(password: str) -> None:
    """Spend what a real check costs, so that timing does not tell which names exist."""
    _passwords().verify(password, _nobodys_hash())


def hash_token(token: str) -> str:
    """SHA-256 in hex; tokens are long and random, so a fast hash is right."""
    return hashlib.sha256(token.encode()).hexdigest()


def same(a: str, b: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(a.encode(), b.encode())


def derive_key(root: bytes, purpose: str, length: int = 32) -> bytes:
    """A key for one purpose from the root secret (HKDF-SHA256)."""
    return HKDF(hashes.SHA256(), length, salt=None, info=purpose.encode()).derive(root)
