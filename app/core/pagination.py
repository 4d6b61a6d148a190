"""Cursors: a page costs the same at any depth.

A cursor holds the sort key of the last row of the page before, never an offset. It is opaque text; a
tampered one is a clear error.
"""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy.orm import Mapped
from sqlmodel import Session, col
from sqlmodel.sql.expression import SelectOfScalar

from app.errors import Invalid

T = TypeVar("T")

DEFAULT_LIMIT = 50
MAX_LIMIT = 200


class InvalidCursor(Invalid):
    """The cursor was not made by us, or for another list."""

    status = 400
    code = "cursor.invalid"
    title = "分页游标无效"
    remedy = "请回到第一页重新查询。"


class Page(BaseModel, Generic[T]):
    """One page of a list."""

    items: list[T]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page is wanted."""

    limit: int = DEFAULT_LIMIT
    cursor: str | None = None

    def key(self, *types: type) -> tuple[Any, ...] | None:
        """The decoded sort key, checked for its shape, or None for the first page."""
        return None if self.cursor is None else decode_cursor(self.cursor, *types)


def encode_cursor(*key: Any) -> str:
    """Opaque text for a sort key of strings and numbers."""
    raw = json.dumps(key, ensure_ascii=False, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decode_cursor(text: str, *types: type) -> tuple[Any, ...]:
    """The sort key again. Raises InvalidCursor unless it has exactly these types."""
    try:
        raw = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        key = json.loads(raw.decode("utf-8"))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise InvalidCursor from error
    if not isinstance(key, list) or len(key) != len(types):
        raise InvalidCursor
    for value, wanted in zip(key, types, strict=True):
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise InvalidCursor
        if isinstance(value, int) and abs(value) >= 1 << 63:
            raise InvalidCursor
        if isinstance(value, str) and "\x00" in value:
            raise InvalidCursor
    return tuple(key)


def newest_first(
    session: Session, statement: SelectOfScalar[T], id_column: Any, request: PageRequest
) -> tuple[list[T], str | None]:
    """One page of rows whose id is a UUID version 7, newest first, and the next page's cursor."""
    column: Mapped[UUID] = col(id_column)
    key = request.key(str)
    if key is not None:
        statement = statement.where(column < _uuid(key[0]))
    rows = list(session.exec(statement.order_by(column.desc()).limit(request.limit + 1)))
    if len(rows) <= request.limit:
        return rows, None
    rows = rows[: request.limit]
    last: Any = rows[-1]
    return rows, encode_cursor(str(last.id))


def _uuid(text: Any) -> UUID:
    try:
        return UUID(text)
    except (TypeError, ValueError, AttributeError) as error:
        raise InvalidCursor from error
