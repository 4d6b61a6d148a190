"""Clearing records: what was done to devices, never changed."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col, select

from app.accounts.principal import Principal
from app.clearing.errors import (
    RecordNotFound,
)
from app.clearing.models import (
    ClearedType,
    ClearingRecord,
)
from app.clearing.states import Result
from app.core.db import Session
from app.core.pagination import PageRequest, newest_first
from app.enterprises.queries import within
from app.operators.models import Operator


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """Filters of the list of records; `first` and `last` are moments the record ended between."""

    period: str | None = None
    operator_id: UUID | None = None
    device_id: UUID | None = None
    result: Result | None = None
    q: str = ""
    first: datetime | None = None
    last: datetime | None = None


def records_of(session: Session, request_ids: Sequence[UUID]) -> dict[UUID, list[ClearingRecord]]:
    """The records of several requests in one select, oldest first."""
    statement = (
        select(ClearingRecord)
        .where(col(ClearingRecord.request_id).in_(request_ids))
        .order_by(col(ClearingRecord.id))
    )
    found: dict[UUID, list[ClearingRecord]] = {request_id: [] for request_id in request_ids}
    for record in session.exec(statement):
        found[record.request_id].append(record)
    return found


def cleared_types(
    session: Session, device_ids: Iterable[UUID], period: str
) -> dict[UUID, set[str]]:
    """Which types of these devices are recorded as cleared for the period."""
    ids = list(device_ids)
    statement = select(ClearedType).where(
        col(ClearedType.device_id).in_(ids), ClearedType.period == period
    )
    found: dict[UUID, set[str]] = {device_id: set() for device_id in ids}
    for row in session.exec(statement):
        found[row.device_id].add(row.invoice_type)
    return found


def cleared_before(session: Session, device_ids: Iterable[UUID]) -> set[UUID]:
    """Which of these devices were cleared by this system before, in any period."""
    statement = (
        select(ClearingRecord.device_id)
        .where(
            col(ClearingRecord.device_id).in_(list(device_ids)),
            ClearingRecord.result == Result.SUCCEEDED,
            col(ClearingRecord.already).is_(False),
        )
        .distinct()
    )
    return set(session.exec(statement))


def page_of_records(
    session: Session, principal: Principal, page: PageRequest, wanted: RecordFilter
) -> tuple[list[ClearingRecord], str | None]:
    """Newest first."""
    statement = select(ClearingRecord).where(*_record_conditions(principal, wanted))
    return newest_first(session, statement, ClearingRecord.id, page)


def iterate_records(
    session: Session, principal: Principal, wanted: RecordFilter
) -> Iterator[ClearingRecord]:
    """All records of the filter, newest first, with constant memory, for an export."""
    statement = (
        select(ClearingRecord)
        .where(*_record_conditions(principal, wanted))
        .order_by(col(ClearingRecord.id).desc())
        .execution_options(yield_per=500)
    )
    for part in session.exec(statement).partitions():
        yield from part
        session.expunge_all()


def _record_conditions(principal: Principal, wanted: RecordFilter) -> list[sa.ColumnElement[bool]]:
    conditions = [within(principal, col(ClearingRecord.enterprise_id))]
    for name in ("period", "operator_id", "device_id", "result"):
        value = getattr(wanted, name)
        if value is not None:
            conditions.append(getattr(ClearingRecord, name) == value)
    if wanted.q:
        conditions.append(
            sa.or_(
                col(ClearingRecord.device_number).startswith(wanted.q, autoescape=True),
                col(ClearingRecord.operator_name).contains(wanted.q, autoescape=True),
                col(ClearingRecord.operator_id).in_(
                    select(Operator.id).where(col(Operator.code) == wanted.q)
                ),
            )
        )
    if wanted.first is not None:
        conditions.append(col(ClearingRecord.finished_at) >= wanted.first)
    if wanted.last is not None:
        conditions.append(col(ClearingRecord.finished_at) < wanted.last)
    return conditions


def record(session: Session, record_id: UUID, principal: Principal) -> ClearingRecord:
    """The record if this person may see it."""
    found = session.get(ClearingRecord, record_id)
    if found is None or not principal.sees(found.enterprise_id):
        raise RecordNotFound
    return found


def record_exists(session: Session, request_id: UUID, device_id: UUID, attempt: int) -> bool:
    """Whether this execution on this device has been recorded."""
    statement = select(ClearingRecord.id).where(
        ClearingRecord.request_id == request_id,
        ClearingRecord.device_id == device_id,
        ClearingRecord.attempt == attempt,
    )
    return session.exec(statement).first() is not None


def cleared_per_month(
    session: Session, principal: Principal, first_period: str
) -> dict[str, tuple[int, int]]:
    """Succeeded and failed executions per period from `first_period` on; what was done before is none."""
    statement = (
        select(
            ClearingRecord.period,
            sa.func.sum(sa.case((col(ClearingRecord.result) == Result.SUCCEEDED, 1), else_=0)),
            sa.func.sum(sa.case((col(ClearingRecord.result) == Result.SUCCEEDED, 0), else_=1)),
        )
        .where(col(ClearingRecord.period) >= first_period, col(ClearingRecord.already).is_(False))
        .group_by(col(ClearingRecord.period))
    )
    if principal.enterprise_ids is not None:
        statement = statement.where(col(ClearingRecord.enterprise_id).in_(principal.enterprise_ids))
    return {row[0]: (int(row[1]), int(row[2])) for row in session.exec(statement)}


def backups_named_since(session: Session, ids: Iterable[UUID], since: datetime) -> set[UUID]:
    """Return those of these backups that records younger than `since` name: they must stay."""
    statement = select(ClearingRecord.backup_id).where(
        col(ClearingRecord.finished_at) > since, col(ClearingRecord.backup_id).in_(list(ids))
    )
    return {one for one in session.exec(statement) if one is not None}
