"""Sealed totals (发票汇总, 320 bytes) and clearing ciphertexts (清卡信息, 128 bytes) of the simulation.

Real ones are encrypted by the device's and the bureau's own algorithms. Here they are authenticated:
JSON padded with NUL, then a HMAC-SHA256 with a key that device and bureau derive from the device number.
Nothing in them is secret; what matters is that neither can be made up, altered or used elsewhere.
"""

import base64
import binascii
import hashlib
import hmac
import json

TOTALS_BYTES = 320
CIPHERTEXT_BYTES = 128
_MAC_BYTES = 32


class BadSeal(Exception):
    """Not something sealed for this device and purpose."""


def seal(purpose: str, number: str, content: dict[str, str], size: int) -> str:
    """`content` in exactly `size` bytes, as base64. Raises ValueError when it does not fit."""
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=True).encode()
    if len(text) > size - _MAC_BYTES:
        raise ValueError(f"{len(text)} bytes do not fit into {size}")
    padded = text.ljust(size - _MAC_BYTES, b"\0")
    return base64.b64encode(padded + _mac(purpose, number, padded)).decode()


def unseal(purpose: str, number: str, sealed: str, size: int) -> dict[str, str]:
    """What `seal` put in. Raises BadSeal when it was altered, or made for another device or purpose."""
    try:
        raw = base64.b64decode(sealed, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadSeal("not base64") from error
    padded, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
    if len(raw) != size or not hmac.compare_digest(mac, _mac(purpose, number, padded)):
        raise BadSeal("wrong length or checksum")
    content: dict[str, str] = json.loads(padded.rstrip(b"\0"))
    return content


def peek_number(sealed: str, size: int) -> str | None:
    """The device number a ciphertext names, unchecked; None when it cannot be read at all."""
    try:
        raw = base64.b64decode(sealed, validate=True)
        content = json.loads(raw[: size - _MAC_BYTES].rstrip(b"\0"))
    except ValueError:
        return None
    return str(content.get("n", "")) if isinstance(content, dict) else None


def _mac(purpose: str, number: str, padded: bytes) -> bytes:
    key = hashlib.sha256(f"qingka-virtual/{purpose}/{number}".encode()).digest()
    return hmac.digest(key, padded, "sha256")
