"""Standard Webhooks 1.0 (standardwebhooks.com): the secret, the signed headers, the body."""

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

PREFIX = "whsec_"
_SECRET_BYTES = 32


def new_secret() -> str:
    """A secret of 256 random bits as receivers get it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def body_of(kind: str, at: datetime, data: Mapping[str, Any]) -> bytes:
    """The payload: type, when it happened, the facts."""
    moment = at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    document = {"type": kind, "timestamp": moment, "data": dict(data)}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def headers_of(secret: str, message_id: str, sent_at: datetime, body: bytes) -> dict[str, str]:
    """The three headers. `sent_at` is the moment of this attempt: receivers refuse old ones."""
    timestamp = str(int(sent_at.timestamp()))
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{signature(secret, message_id, timestamp, body)}",
    }


def signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """HMAC-SHA256 over `id.timestamp.body`, in base64. Raises ValueError for a malformed secret."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("a webhook secret is whsec_ and base64") from error
    signed = f"{message_id}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
