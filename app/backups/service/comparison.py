"""A backup's invoices against the ledger: what would come back, change, stay; and writing them.

An invoice is the same when its id is, or when device, type, code and number are: read from a device
again after a loss it has another id. A draft that was issued since is left alone; an issued invoice is
never made a draft again.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col

from app.backups.rows import Row, encoded, values_of
from app.core.db import Session, dialect_name
from app.invoices.models import Invoice

INVOICES = cast(sa.Table, Invoice.__table__)  # type: ignore[attr-defined]
BATCH = 500
"""Rows at a time: below the number of values a statement may have."""


class Verdict(StrEnum):
    """What a restore does with one row."""

    RETURNS = "returns"
    CHANGES = "changes"
    UNCHANGED = "unchanged"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class Item:
    """One row of the backup. `fields` differ from the ledger's; `replaces` is the id it has there."""

    row: Row
    verdict: Verdict
    fields: tuple[str, ...] = ()
    replaces: UUID | None = None
    reason: str = ""


def batches(rows: Iterable[Row], size: int = BATCH) -> Iterator[list[Row]]:
    """The rows in lists of at most `size`."""
    rows = iter(rows)
    while batch := list(islice(rows, size)):
        yield batch


def compare(session: Session, rows: Sequence[Row], *, lock: bool = False) -> list[Item]:
    """The verdict on each row; with `lock` the ledger's rows stay as they are until the commit."""
    by_id = _by_id(session, rows, lock=lock)
    others = [row for row in rows if not row["draft"] and _moved(row, by_id.get(row["id"]))]
    by_key = _by_key(session, others, lock=lock)
    return [_judge(row, by_id.get(row["id"]), by_key.get(_key(row))) for row in rows]


def write(session: Session, items: Iterable[Item]) -> None:
    """Bring the rows that return or change to what the backup holds."""
    changed = [item for item in items if item.verdict in (Verdict.RETURNS, Verdict.CHANGES)]
    if not changed:
        return
    replaced = [item.replaces for item in changed if item.replaces is not None]
    if replaced:
        session.execute(sa.delete(INVOICES).where(INVOICES.c.id.in_(replaced)))
    session.execute(_upsert(session, [values_of(INVOICES, item.row) for item in changed]))


def rows_by_id(session: Session, ids: Sequence[UUID], *, lock: bool = False) -> dict[str, Row]:
    """The ledger's rows of these ids as a backup would hold them, by id."""
    statement = sa.select(INVOICES).where(INVOICES.c.id.in_(ids))
    return {row["id"]: row for row in _fetch(session, statement, lock=lock)}


def _by_id(session: Session, rows: Sequence[Row], *, lock: bool) -> dict[str, Row]:
    return rows_by_id(session, [UUID(row["id"]) for row in rows], lock=lock)


def _by_key(session: Session, rows: Sequence[Row], *, lock: bool) -> dict[tuple[Any, ...], Row]:
    if not rows:
        return {}
    statement = sa.select(INVOICES).where(
        INVOICES.c.device_id.in_({UUID(row["device_id"]) for row in rows}),
        INVOICES.c.number.in_({row["number"] for row in rows}),
        col(Invoice.draft).is_(False),
    )
    return {_key(row): row for row in _fetch(session, statement, lock=lock)}


def _fetch(session: Session, statement: sa.Select[Any], *, lock: bool) -> Iterator[Row]:
    if lock:
        statement = statement.order_by(INVOICES.c.id).with_for_update()
    for found in session.execute(statement).mappings():
        yield encoded({str(name): value for name, value in found.items()})


def _key(row: Row) -> tuple[Any, ...]:
    return row["device_id"], row["invoice_type"], row["code"], row["number"]


def _moved(row: Row, current: Row | None) -> bool:
    """Whether the ledger may hold this invoice under another id."""
    return current is None or _key(current) != _key(row)


def _judge(row: Row, current: Row | None, same_key: Row | None) -> Item:
    if current is not None and row["draft"] and not current["draft"]:
        return Item(row, Verdict.CONFLICT, reason="备份中的草稿已开具为正式发票，保持现状")
    other = same_key if same_key is not None and same_key["id"] != row["id"] else None
    if other is not None:
        fields = _differences(row, other)
        return Item(row, Verdict.CHANGES, fields, replaces=UUID(other["id"]))
    if current is None:
        return Item(row, Verdict.RETURNS)
    differing = _differences(row, current)
    return Item(row, Verdict.CHANGES if differing else Verdict.UNCHANGED, differing)


def _differences(row: Row, current: Row) -> tuple[str, ...]:
    return tuple(name for name in sorted(row) if name in current and row[name] != current[name])


def _upsert(session: Session, rows: list[dict[str, Any]]) -> sa.Executable:
    insert = postgresql.insert if dialect_name(session) == "postgresql" else sqlite.insert
    statement = insert(INVOICES).values(rows)
    others = [name for name in rows[0] if name != "id"]
    return statement.on_conflict_do_update(
        index_elements=["id"], set_={name: statement.excluded[name] for name in others}
    )
