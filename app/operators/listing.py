"""The list of operators by urgency: pages, filters, search and counts.

A page costs the same at any depth: it walks an index from the key of the last row on. A search of few
hits sorts them; one of many is met on the same walk.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped
from sqlmodel import col

from app.accounts.principal import Principal
from app.core.db import Session, dialect_name, unchanged
from app.core.pagination import InvalidCursor, Page, PageRequest, encode_cursor
from app.enterprises.models import Enterprise
from app.enterprises.queries import within
from app.operators import search_index
from app.operators.models import Operator
from app.operators.search import query_words
from app.operators.states import ClearingState, UrgencyRange, state_of, state_ranges

_FAR_ENOUGH = {"sqlite": 8000, "postgresql": 1000}
"""How many operators are looked at by urgency before a search gives up and sorts its hits after all."""

_Row: TypeAlias = "sa.Row[*tuple[Any, ...]]"


class OperatorRow(NamedTuple):
    """One line of the list of operators."""

    id: UUID
    code: str
    name: str
    enterprise_id: UUID
    enterprise_name: str
    department: str
    phone: str
    email: str
    active: bool
    lock_date: date | None
    last_cleared_at: datetime | None
    device_count: int
    clearing_state: ClearingState
    device_numbers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OperatorFilter:
    """What a list is narrowed to; None narrows nothing."""

    q: str | None = None
    state: ClearingState | None = None
    enterprise_id: UUID | None = None
    active: bool | None = None


@dataclass(frozen=True, slots=True)
class _Part:
    """What part of the list is wanted: ranges in order, names and values of conditions, one row more than the page."""

    ranges: list[UrgencyRange]
    names: tuple[str, ...]
    values: dict[str, Any]
    limit: int

    @property
    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """Those of the names; the values are given when they are executed."""
        return [_CONDITIONS[name] for name in self.names]


def list_operators(
    session: Session,
    *,
    principal: Principal,
    today: date,
    page: PageRequest,
    q: str | None = None,
    state: ClearingState | None = None,
    enterprise_id: UUID | None = None,
    active: bool | None = None,
) -> Page[OperatorRow]:
    """Operators by urgency: the earliest lock date first, those never read last.

    A page costs the same at any depth and size of the table; nothing is counted.
    """
    wanted = OperatorFilter(q, state, enterprise_id, active)
    if q and q.strip() and not query_words(q):
        return Page(items=[])
    found = _found(session, principal, wanted, today, page)
    shown = found[: page.limit]
    more = len(found) > page.limit
    cursor = encode_cursor(shown[-1].urgency.isoformat(), shown[-1].id.hex) if more else None
    return Page(items=[_row(row, today) for row in shown], next_cursor=cursor)


def ids_of(
    session: Session, *, principal: Principal, wanted: OperatorFilter, today: date, limit: int
) -> list[UUID]:
    """The first `limit` operators of the list, e.g. all that are due, for a batch."""
    found = _found(session, principal, wanted, today, PageRequest(limit))
    return [row.id for row in found[:limit]]


def count_by_state(
    session: Session, *, principal: Principal, today: date
) -> dict[ClearingState, int]:
    """How many active operators are in each state: one query, answered by an index alone."""
    counts = unchanged(
        session,
        ("operators by state", principal.enterprise_ids, today),
        lambda reading: _counts(reading, principal, today),
    )
    return dict(counts)


def _counts(session: Session, principal: Principal, today: date) -> dict[ClearingState, int]:
    seen = [col(Operator.active).is_(True), within(principal, col(Operator.enterprise_id))]
    counts = [
        sa.select(sa.func.count())
        .select_from(Operator)
        .where(part.condition(), *seen)
        .scalar_subquery()
        for state in ClearingState
        for part in state_ranges(state, today)
    ]
    numbers = iter(session.execute(sa.select(*counts)).one())
    return {
        state: sum(next(numbers) for _ in state_ranges(state, today)) for state in ClearingState
    }


def _found(
    session: Session,
    principal: Principal,
    wanted: OperatorFilter,
    today: date,
    page: PageRequest,
) -> list[_Row]:
    """One row more than the page holds, when there is one."""
    after = _after(page)
    ranges = [
        one for one in state_ranges(wanted.state, today) if after is None or one.last >= after[0]
    ]
    given: dict[str, Any] = {
        "visible": None if principal.enterprise_ids is None else sorted(principal.enterprise_ids),
        "enterprise_id": wanted.enterprise_id,
        "active": wanted.active,
        "after": after,
    }
    values = {name: value for name, value in given.items() if value is not None}
    names = tuple(values)
    if after is not None:
        values |= {"after_urgency": after[0], "after_id": after[1]}
        del values["after"]
    part = _Part(ranges, names, values, page.limit + 1)
    words = query_words(wanted.q or "")
    return _search(session, words, part) if words else _walk(session, part)


def _walk(session: Session, part: _Part) -> list[_Row]:
    """The next rows in the order of an index: range after range, so that nothing is sorted."""
    rows: list[_Row] = []
    for one in part.ranges:
        if len(rows) < part.limit:
            within_range = one.values
            query = _walk_query(*within_range, *part.names)
            values = {**within_range, **part.values, "most": part.limit - len(rows)}
            rows += session.connection().execute(query, values).all()
    return rows


@lru_cache(maxsize=128)
def _walk_query(*names: str) -> sa.Select[*tuple[Any, ...]]:
    """The rows under these conditions: made once, since making a statement costs more than executing it."""
    conditions = [_CONDITIONS[name] for name in names]
    return (
        _ROWS.where(*conditions)
        .order_by(*_BY_URGENCY)
        .limit(sa.bindparam("most", type_=sa.Integer))
    )


def _search(session: Session, words: list[str], part: _Part) -> list[_Row]:
    """The next hits: met on a walk by urgency when there are many, else taken and sorted."""
    many = search_index.finds_many(session, words)
    found = _search_by_urgency(session, words, part) if many else None
    return _search_by_hits(session, words, part) if found is None else found


def _search_by_hits(session: Session, words: list[str], part: _Part) -> list[_Row]:
    """Take the hits from the search index, sort them, and only then fetch their rows."""
    planned = dialect_name(session) == "postgresql"
    order: Sequence[Any] = _BY_URGENCY if planned else _BY_URGENCY_SORTED
    keys = (
        sa.select(col(Operator.urgency), col(Operator.id))
        .where(
            search_index.found_by(session, words),
            sa.or_(*(one.condition(indexed=planned) for one in part.ranges)),
            *part.conditions,
        )
        .order_by(*order)
        .limit(part.limit)
    )
    ids = [row.id for row in session.execute(keys, part.values)]
    rows = {row.id: row for row in session.execute(_ROWS.where(col(Operator.id).in_(ids)))}
    return [rows[operator_id] for operator_id in ids]


def _search_by_urgency(session: Session, words: list[str], part: _Part) -> list[_Row] | None:
    """The next of many hits, met by walking; None when they turn out to be too far apart."""
    rows: list[_Row] = []
    for one in part.ranges:
        within_range = [one.condition(), *part.conditions]
        end = session.execute(
            sa.select(col(Operator.urgency), col(Operator.id))
            .where(*within_range)
            .order_by(*_BY_URGENCY)
            .offset(_FAR_ENOUGH[dialect_name(session)])
            .limit(1),
            part.values,
        ).one_or_none()
        near = [] if end is None else [_key(end.urgency, end.id) > _KEY]
        query = _ROWS.where(search_index.has_terms(session, words), *within_range, *near)
        query = query.order_by(*_BY_URGENCY).limit(part.limit - len(rows))
        rows += session.execute(query, part.values)
        if len(rows) >= part.limit:
            return rows
        if end is not None:
            return None
    return rows


def _key(urgency: date, operator_id: UUID) -> sa.ColumnElement[Any]:
    return sa.tuple_(sa.literal(urgency, sa.Date), sa.literal(operator_id, sa.Uuid))


def _after(page: PageRequest) -> tuple[date, UUID] | None:
    key = page.key(str, str)
    if key is None:
        return None
    try:
        return date.fromisoformat(key[0]), UUID(key[1])
    except (TypeError, ValueError, AttributeError) as error:
        raise InvalidCursor from error


_KEY = sa.tuple_(col(Operator.urgency), col(Operator.id))
_BY_URGENCY_SORTED: tuple[sa.ColumnElement[Any], ...] = (
    sa.literal_column("+operators.urgency"),
    sa.literal_column("+operators.id"),
)
"""The unary plus keeps SQLite from going through the index of urgency for a few hits."""

_BY_URGENCY: tuple[Mapped[Any], ...] = (col(Operator.urgency), col(Operator.id))

_CONDITIONS: dict[str, sa.ColumnElement[bool]] = {
    "attention": col(Operator.attention) == sa.bindparam("attention"),
    "first": col(Operator.urgency) >= sa.bindparam("first"),
    "last": col(Operator.urgency) <= sa.bindparam("last"),
    "visible": col(Operator.enterprise_id).in_(sa.bindparam("visible", expanding=True)),
    "enterprise_id": col(Operator.enterprise_id) == sa.bindparam("enterprise_id"),
    "active": col(Operator.active) == sa.bindparam("active"),
    "after": sa.tuple_(
        sa.bindparam("after_urgency", type_=sa.Date), sa.bindparam("after_id", type_=sa.Uuid)
    )
    < _KEY,
}
"""By the name of their value; that of "after" is two."""

_ROWS: sa.Select[*tuple[Any, ...]] = sa.select(
    col(Operator.id),
    col(Operator.code),
    col(Operator.name),
    col(Operator.enterprise_id),
    col(Enterprise.name).label("enterprise_name"),
    col(Operator.department),
    col(Operator.phone),
    col(Operator.email),
    col(Operator.active),
    col(Operator.lock_date),
    col(Operator.last_cleared_at),
    col(Operator.device_count),
    col(Operator.attention),
    col(Operator.device_numbers),
    col(Operator.urgency),
).join(Enterprise, col(Enterprise.id) == col(Operator.enterprise_id))


def _row(row: _Row, today: date) -> OperatorRow:
    """The fields in the order of `_ROWS`, which costs a third of asking for each by its name."""
    *shown, attention, numbers, _ = row
    state = state_of(attention, row.lock_date, today)
    return OperatorRow._make((*shown, state, tuple(numbers.split())))
