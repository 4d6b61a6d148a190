"""The canonical bytes of an audit record, and the hash that chains it to the one before.

Version 1 is JSON with sorted keys, no spaces, UTF-8, no floats and times with microseconds and Z:

    {"action":…,"actor_id":…,"actor_kind":…,"actor_name":…,"algorithm":"sha-256","at":…,
     "details":{…},"ip":…,"object_id":…,"object_type":…,"seq":…,"version":1}

`details` is stored in canonical form, so its text stands in the record as it is. Every other text is
escaped as JSON; the form therefore has one reading only, and no text can be moved between columns
without the bytes changing. hash = SHA-256(previous hash, 32 raw bytes ‖ canonical bytes).
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from json.encoder import encode_basestring as quoted
from typing import TypeAlias
from uuid import UUID

VERSION = 1
ALGORITHM = "sha-256"
GENESIS = "0" * 64
"""What stands in place of a previous hash at the first record."""

JSON: TypeAlias = (
    "bool | int | str | Decimal | UUID | date | Sequence[JSON] | Mapping[str, JSON] | None"
)
"""What details may hold. Decimals, UUIDs, dates and times become text; floats are refused."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SECRET_MARKS = ("password", "secret", "token", "authorization", "cookie")
_HIDDEN = "***"


def plain(text: str, limit: int) -> str:
    """`text` without control characters and lone surrogates, cut to `limit` characters."""
    return _CONTROL.sub("\ufffd", text)[:limit]


def moment(at: datetime) -> str:
    """UTC with microseconds and Z, always 27 characters, so that text order is time order."""
    if at.tzinfo is None:
        raise ValueError("an audit record's time needs a time zone")
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def details_text(details: Mapping[str, JSON]) -> str:
    """The canonical JSON of `details`. Text under a name that tells of a secret is hidden."""
    return json.dumps(_mapping(details), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _mapping(values: Mapping[str, JSON]) -> dict[str, object]:
    return {_whole(str(name)): _hide(str(name), value) for name, value in values.items()}


def _hide(name: str, value: JSON) -> object:
    if isinstance(value, str) and any(mark in name.lower() for mark in _SECRET_MARKS):
        return _HIDDEN
    return _value(value)


def _value(value: JSON) -> object:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str):
        return _whole(value)
    return _structure(value)


def _structure(value: JSON) -> object:
    if isinstance(value, Mapping):
        return _mapping(value)
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, date | UUID):
        return str(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [_value(item) for item in value]
    raise ValueError(f"audit details cannot hold a {type(value).__name__}")


def _whole(text: str) -> str:
    """Lone surrogates have no UTF-8; everything else JSON escapes by itself."""
    return text.encode("utf-8", "replace").decode("utf-8")


def record_bytes(
    *,
    seq: int,
    at: str,
    actor_kind: str,
    actor_id: str,
    actor_name: str,
    action: str,
    object_type: str,
    object_id: str,
    ip: str,
    details: str,
    version: int = VERSION,
    algorithm: str = ALGORITHM,
) -> bytes:
    """The canonical bytes, from the values of the columns. `verification` inlines this form."""
    return (
        f'{{"action":{quoted(action)},"actor_id":{quoted(actor_id)}'
        f',"actor_kind":{quoted(actor_kind)},"actor_name":{quoted(actor_name)}'
        f',"algorithm":{quoted(algorithm)},"at":{quoted(at)},"details":{details}'
        f',"ip":{quoted(ip)},"object_id":{quoted(object_id)},"object_type":{quoted(object_type)}'
        f',"seq":{seq},"version":{version}}}'
    ).encode()


def chain_hash(previous: str, canonical: bytes) -> str:
    """The hash of a record, in hex, given the hash of the record before it."""
    return hashlib.sha256(bytes.fromhex(previous) + canonical).hexdigest()
