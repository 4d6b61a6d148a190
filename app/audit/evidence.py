"""Rows that prove something, in the chain by their digest: what is altered, gone or slipped in is found.

The audit record of a change carries in its details, for every row it vouches for,

    "evidence": [{"form": 1, "id": …, "kind": …, "sha256": …}, …]

The digest is over canonical JSON of the row as the database gives it back. A column without a value is
left out of it: a column added later leaves the digests of the rows of today as they are.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from hashlib import sha256
from itertools import islice
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import SQLModel, col

from app.audit.canonical import JSON, moment
from app.audit.models import AuditRecord
from app.core.db import Session

T = TypeVar("T")

FORM = 1
FIELD = "evidence"
ADOPTED_AS = ("audit", "")
"""The object of the records that took rows of before there were digests into the chain."""
_CHUNK = 500

Ids = Sequence[UUID]
Alongside = Callable[[Session, Ids], Mapping[UUID, Mapping[str, JSON]]]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of evidence: rows of `table`, found by `id`, that have to be in the chain.

    `columns` are those that never change, () all of them; `alongside` adds what other tables say of the
    row. `of` limits which rows are evidence. With `object_type` the newest digest of that object counts:
    the row may change, with a record of it; otherwise a row is in the chain exactly once.
    """

    name: str
    label: str
    table: type[SQLModel]
    columns: tuple[str, ...] = ()
    of: sa.ColumnElement[bool] | None = None
    object_type: str = ""
    alongside: Alongside | None = None


class Mismatch(StrEnum):
    """How a row and the chain disagree."""

    ALTERED = "altered"
    DELETED = "deleted"
    INSERTED = "inserted"

    @property
    def label(self) -> str:
        """The words for people."""
        return {"altered": "被改动", "deleted": "被删除", "inserted": "不在审计链中"}[self]


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """A row that is not what the chain says; `seq` is the record that says so, None for an added row."""

    kind: Kind
    id: str
    mismatch: Mismatch
    seq: int | None


@dataclass(frozen=True, slots=True)
class Compared:
    """How many rows of a kind the chain vouches for, and those it does not agree with."""

    kind: Kind
    rows: int
    discrepancies: tuple[Discrepancy, ...]


@dataclass(frozen=True, slots=True)
class _Seal:
    seq: int
    id: UUID
    form: object
    sha256: str


def seals(session: Session, kind: Kind, ids: Iterable[UUID]) -> dict[str, JSON]:
    """What the details of an audit record say of these rows, which are in the session's transaction."""
    return entry(digests(session, kind, list(ids)), kind)


def entry(found: Mapping[UUID, str], kind: Kind) -> dict[str, JSON]:
    """The details of an audit record that vouches for these digests."""
    return {
        FIELD: [
            {"kind": kind.name, "id": row_id, "form": FORM, "sha256": digest}
            for row_id, digest in found.items()
        ]
    }


def digests(session: Session, kind: Kind, ids: Ids) -> dict[UUID, str]:
    """The digests of the rows there are, as the database gives them back."""
    session.flush()
    found: dict[UUID, str] = {}
    for some in _portions(ids):
        found |= _digests(session, kind, some)
    return found


def unsealed(session: Session, kind: Kind) -> Iterator[list[str]]:
    """The ids no record vouches for, in portions: rows of before there were digests, or slipped in."""
    known = {seal.id.hex for chunk in _chain(session, kind) for seal in chunk}
    for ids in _row_ids(session, kind):
        left = [row_id for row_id in ids if row_id.replace("-", "") not in known]
        if left:
            yield left


def vouched_for(
    session: Session, kind: Kind, object_type: str, object_id: object
) -> dict[UUID, str]:
    """The newest digest of every row of this kind that the records of one object vouch for."""
    object_ = (
        col(AuditRecord.object_type) == object_type,
        col(AuditRecord.object_id) == str(object_id),
    )
    return {seal.id: seal.sha256 for some in _chain(session, kind, *object_) for seal in some}


def is_unaltered(
    session: Session, kind: Kind, row_id: UUID, *, object_type: str, object_id: object
) -> bool:
    """Whether a row is what the chain says of it: the records of that object, or of its adoption."""
    found = digests(session, kind, [row_id])
    known = vouched_for(session, kind, object_type, object_id)
    if row_id not in known:
        known = vouched_for(session, kind, *ADOPTED_AS)
    return row_id in found and known.get(row_id) == found[row_id]


def compare(session: Session, kind: Kind) -> Compared:
    """Chain against table, then table against chain. Memory stays constant as long as all fits."""
    vouched = 0
    wrong: list[Discrepancy] = []
    for chunk in _chain(session, kind):
        current = _current(session, kind, chunk)
        found = digests(session, kind, [seal.id for seal in current])
        vouched += sum(seal.id in found for seal in current)
        for seal in current:
            if seal.id not in found:
                wrong.append(Discrepancy(kind, str(seal.id), Mismatch.DELETED, seal.seq))
            elif seal.form != FORM or seal.sha256 != found[seal.id]:
                wrong.append(Discrepancy(kind, str(seal.id), Mismatch.ALTERED, seal.seq))
    rows = _count(session, kind)
    if wrong or rows != vouched:
        added = (row_id for ids in unsealed(session, kind) for row_id in ids)
        wrong += [Discrepancy(kind, one, Mismatch.INSERTED, None) for one in added]
    return Compared(kind, rows, tuple(wrong))


def _digest(kind: Kind, values: Mapping[str, Any]) -> str:
    said = {name: _plain(value) for name, value in values.items() if _says_something(value)}
    body = {"form": FORM, "kind": kind.name, "row": said}
    text = json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _says_something(value: Any) -> bool:
    return value is not None and value is not False and value not in ("", 0, [], {})


def _plain(value: Any) -> Any:
    """JSON of a column; a moment is UTC whatever the database gives it in, an amount has two places."""
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, date | UUID):
        return str(value)
    return f"{value:.2f}" if isinstance(value, Decimal) else value


def _digests(session: Session, kind: Kind, ids: Ids) -> dict[UUID, str]:
    """Of some rows; one whose values are none of its columns' has no digest and fits nothing."""
    table = _table(kind)
    columns = [table.c[name] for name in kind.columns] or list(table.c)
    try:
        more = kind.alongside(session, ids) if kind.alongside else {}
        rows = session.execute(sa.select(*columns).where(table.c.id.in_(ids))).mappings().all()
    except (ValueError, TypeError, LookupError, ArithmeticError, sa.exc.OperationalError) as error:
        if isinstance(error, sa.exc.OperationalError) and "decode" not in str(error.orig):
            raise
        if len(ids) == 1:
            return {ids[0]: ""}
        return {
            row_id: text for one in ids for row_id, text in _digests(session, kind, [one]).items()
        }
    return {row["id"]: _digest(kind, {**row, **more.get(row["id"], {})}) for row in rows}


def _chain(
    session: Session, kind: Kind, *conditions: sa.ColumnElement[bool]
) -> Iterator[list[_Seal]]:
    """Everything the chain says of this kind, in order, in portions."""
    details = col(AuditRecord.details)
    marks = (f'"{FIELD}":[', f'"kind":"{kind.name}"')
    after = 0
    while True:
        rows = session.execute(
            sa.select(col(AuditRecord.seq), col(AuditRecord.details))
            .where(col(AuditRecord.seq) > after, *conditions)
            .where(*(details.contains(mark, autoescape=True) for mark in marks))
            .order_by(col(AuditRecord.seq))
            .limit(_CHUNK)
        ).all()
        yield from _portions(seal for seq, text in rows for seal in _seals_of(kind, seq, text))
        if len(rows) < _CHUNK:
            return
        after = rows[-1][0]


def _seals_of(kind: Kind, seq: int, details: str) -> Iterator[_Seal]:
    for one in json.loads(details).get(FIELD, []):
        if one["kind"] == kind.name:
            yield _Seal(seq, UUID(one["id"]), one["form"], one["sha256"])


def _current(session: Session, kind: Kind, chunk: list[_Seal]) -> list[_Seal]:
    """Those no later record has replaced."""
    if not kind.object_type:
        return chunk
    newest: dict[str, int] = {}
    rows = session.execute(
        sa.select(col(AuditRecord.object_id), sa.func.max(col(AuditRecord.seq)))
        .where(
            col(AuditRecord.object_type) == kind.object_type,
            col(AuditRecord.object_id).in_({str(seal.id) for seal in chunk}),
            col(AuditRecord.details).contains(f'"kind":"{kind.name}"', autoescape=True),
        )
        .group_by(col(AuditRecord.object_id))
    )
    newest.update({object_id: seq for object_id, seq in rows})
    return [seal for seal in chunk if newest.get(str(seal.id), 0) <= seal.seq]


def _row_ids(session: Session, kind: Kind) -> Iterator[list[str]]:
    """As text: what somebody slipped in need not be an id at all."""
    table = _table(kind)
    key = sa.cast(table.c.id, sa.String)
    last = ""
    while True:
        statement = sa.select(key).where(key > last).order_by(key).limit(_CHUNK)
        ids = list(session.scalars(statement if kind.of is None else statement.where(kind.of)))
        if ids:
            yield ids
        if len(ids) < _CHUNK:
            return
        last = ids[-1]


def _count(session: Session, kind: Kind) -> int:
    statement = sa.select(sa.func.count()).select_from(_table(kind))
    return session.scalar(statement if kind.of is None else statement.where(kind.of)) or 0


def _table(kind: Kind) -> sa.Table:
    return SQLModel.metadata.tables[str(kind.table.__tablename__)]


def _portions(items: Iterable[T]) -> Iterator[list[T]]:
    left = iter(items)
    while some := list(islice(left, _CHUNK)):
        yield some
