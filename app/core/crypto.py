"""Authenticated encryption of short secrets at rest (AES-256-GCM). No algorithm of our own.

A sealed text names its algorithm, so that another can follow: `aes-256-gcm$<nonce><ciphertext>` with the
second part in URL-safe base64. `context` binds the text to its place: what was sealed for one row
cannot be opened as another's.
"""

import base64
import binascii
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ALGORITHM = "aes-256-gcm"
_NONCE_BYTES = 12


class NotOpened(Exception):
    """The text was not sealed with this key and context, or was altered."""


def seal(key: bytes, secret: str, *, context: str) -> str:
    """Encrypt `secret` with a 32-byte key of `security.derive_key`."""
    nonce = os.urandom(_NONCE_BYTES)
    ciphertext = AESGCM(key).encrypt(nonce, secret.encode(), context.encode())
    return f"{ALGORITHM}${base64.urlsafe_b64encode(nonce + ciphertext).decode()}"


def unseal(key: bytes, sealed: str, *, context: str) -> str:
    """The secret again. Raises NotOpened."""
    algorithm, _, encoded = sealed.partition("$")
    if algorithm != ALGORITHM:
        raise NotOpened(f"unknown algorithm {algorithm!r}")
    try:
        raw = base64.urlsafe_b64decode(encoded)
        plain = AESGCM(key).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], context.encode())
    except (InvalidTag, ValueError, binascii.Error) as error:
        raise NotOpened("wrong key, wrong context, or altered text") from error
    return plain.decode()
