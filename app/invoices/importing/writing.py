"""One chunk of rows into the ledger: new ones are added, known ones brought up to date, the rest stays.

An invoice that is 已清卡 is not changed by a file: its clearing record and certificate tell of it as it is.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col, select

from app.contracts.devices import InvoiceType
from app.contracts.periods import Period
from app.core.clock import local_date
from app.core.db import Session, dialect_name
from app.core.ids import new_id
from app.invoices import drafts
from app.invoices.importing.columns import Column
from app.invoices.importing.rows import Row
from app.invoices.importing.staging import Staged
from app.invoices.models import ClearingStatus, Invoice

Key: TypeAlias = tuple[UUID, InvoiceType, str, str]

_KEY = ("device_id", "invoice_type", "code", "number")

CLEARED_UNCHANGED = "该发票已清卡，与台账不同的内容没有更改"

_UPDATED: dict[Column, tuple[str, ...]] = {
    Column.ISSUED_AT: ("issued_at", "period"),
    Column.AMOUNT: ("amount",),
    Column.TAX: ("tax",),
    Column.STATUS: ("status",),
    Column.UPLOADED: ("uploaded",),
    Column.BUYER_NAME: ("buyer_name",),
    Column.BUYER_TAX_NO: ("buyer_tax_no",),
}
"""What of a known invoice a column brings up to date."""


@dataclass(slots=True)
class Written:
    """What became of a chunk: how many were written, how many said nothing new, which were refused."""

    accepted: int = 0
    unchanged: int = 0
    refused: dict[int, str] = field(default_factory=dict)


def write(
    session: Session, chunk: Sequence[Staged], columns: Collection[Column], *, at: datetime
) -> Written:
    """Write the chunk in the caller's transaction. `columns` are those the file has."""
    written = Written()
    issued = {_key(one.row): one for one in chunk if not one.row.invoice.draft}
    names = [name for column in _UPDATED if column in columns for name in _UPDATED[column]]
    if issued:
        _write_issued(session, issued, names, written, at)
    for one in chunk:
        if one.row.invoice.draft:
            _write_draft(session, one, written, at)
    drafts.remove_issued(session, {key[0] for key in issued}, at=at)
    return written


def _write_issued(
    session: Session,
    issued: Mapping[Key, Staged],
    names: Sequence[str],
    written: Written,
    at: datetime,
) -> None:
    session.flush()
    values = {key: _values(one.row, at) for key, one in issued.items()}
    done = set(_upserted(session, list(values.values()), names))
    written.accepted += len(done)
    left = [key for key in issued if key not in done]
    for key, before in _existing(session, left, names).items():
        if all(values[key][name] == before[name] for name in names):
            written.unchanged += 1
        else:
            written.refused[issued[key].line] = CLEARED_UNCHANGED


def _upserted(session: Session, rows: list[dict[str, Any]], names: Sequence[str]) -> list[Key]:
    """The keys of the rows that were added or changed."""
    table = Invoice.__table__  # type: ignore[attr-defined]
    insert = postgresql.insert if dialect_name(session) == "postgresql" else sqlite.insert
    statement = insert(table)
    new = statement.excluded
    statement = statement.on_conflict_do_update(
        index_elements=_KEY,
        index_where=sa.text("NOT draft"),
        set_={name: new[name] for name in (*names, "updated_at")}
        | {"revision": table.c.revision + 1},
        where=sa.and_(
            table.c.clearing_status == ClearingStatus.UNCLEARED,
            sa.or_(*(table.c[name] != new[name] for name in names)),
        ),
    )
    returning = statement.returning(*(table.c[name] for name in _KEY))
    return [tuple(row) for row in session.connection().execute(returning, rows)]


def _existing(
    session: Session, keys: Iterable[Key], names: Sequence[str]
) -> dict[Key, Mapping[str, Any]]:
    wanted = list(keys)
    if not wanted:
        return {}
    key: list[Any] = [getattr(Invoice, name) for name in _KEY]
    values: list[Any] = [getattr(Invoice, name) for name in names]
    query = sa.select(*key, *values).where(
        sa.tuple_(*key).in_(wanted), col(Invoice.draft).is_(False)
    )
    return {
        (row[0], row[1], row[2], row[3]): dict(zip(names, row[4:], strict=True))
        for row in session.execute(query)
    }


def _write_draft(session: Session, one: Staged, written: Written, at: datetime) -> None:
    """A draft has no number of its own: it is known by all it says."""
    values = _values(one.row, at)
    same = (
        *("device_id", "invoice_type", "code", "number", "issued_at", "amount", "tax"),
        *("buyer_name", "draft"),
    )
    query = select(Invoice.id).where(*(getattr(Invoice, name) == values[name] for name in same))
    if session.exec(query.limit(1)).first() is not None:
        written.unchanged += 1
        return
    session.add(Invoice(**values))
    session.flush()
    written.accepted += 1


def _key(row: Row) -> Key:
    invoice = row.invoice
    return invoice.device_id, invoice.invoice_type, invoice.code, invoice.number


def _values(row: Row, at: datetime) -> dict[str, Any]:
    return {
        **row.invoice.model_dump(),
        "id": new_id(),
        "operator_id": row.operator_id,
        "period": Period.of(local_date(row.invoice.issued_at)),
        "clearing_status": ClearingStatus.UNCLEARED,
        "revision": 1,
        "created_at": at,
        "updated_at": at,
    }
