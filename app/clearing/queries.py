"""Every select over clearing requests and records."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import defer
from sqlmodel import col, select

from app.accounts.principal import Principal
from app.clearing.errors import (
    AttachmentNotFound,
    BatchNotFound,
    RecordNotFound,
    RequestNotFound,
)
from app.clearing.models import (
    ClearedType,
    ClearingAttachment,
    ClearingBatch,
    ClearingEvent,
    ClearingRecord,
    ClearingRequest,
    ClearingStage,
    ClearingTarget,
)
from app.clearing.order_queries import no_sub_is_due
from app.clearing.states import OPEN_STATES, STAGES, BatchState, RequestState, Result, TargetState
from app.core.db import Session
from app.core.pagination import PageRequest, newest_first
from app.devices.models import Device
from app.enterprises.models import Enterprise
from app.enterprises.queries import within
from app.operators.models import Operator


def request(session: Session, request_id: UUID) -> ClearingRequest:
    """The request, or RequestNotFound."""
    found = session.get(ClearingRequest, request_id)
    if found is None:
        raise RequestNotFound
    return found


def locked_request(session: Session, request_id: UUID) -> ClearingRequest:
    """The request, with its row locked until the transaction ends (PostgreSQL; SQLite has one writer)."""
    statement = (
        select(ClearingRequest)
        .where(ClearingRequest.id == request_id)
        .with_for_update()
        # What was loaded before the lock was had may be out of date by now.
        .execution_options(populate_existing=True)
    )
    found = session.exec(statement).first()
    if found is None:
        raise RequestNotFound
    return found


def request_for_change(session: Session, request_id: UUID, principal: Principal) -> ClearingRequest:
    """The same if this person may see it."""
    found = locked_request(session, request_id)
    if not principal.sees(found.enterprise_id):
        raise RequestNotFound
    return found


def visible_request(session: Session, request_id: UUID, principal: Principal) -> ClearingRequest:
    """The request if this person may see it."""
    found = request(session, request_id)
    if not principal.sees(found.enterprise_id):
        raise RequestNotFound
    return found


def targets(session: Session, request_id: UUID) -> list[ClearingTarget]:
    """The devices of a request, sub machines first."""
    statement = (
        select(ClearingTarget)
        .where(ClearingTarget.request_id == request_id)
        .order_by(col(ClearingTarget.position))
    )
    return list(session.exec(statement))


def unreviewed(session: Session, *, before: datetime) -> list[ClearingRequest]:
    """Requests that were submitted before then and nobody has reviewed, the oldest first."""
    statement = (
        select(ClearingRequest)
        .where(ClearingRequest.state == RequestState.SUBMITTED, ClearingRequest.created_at < before)
        .order_by(col(ClearingRequest.id))
    )
    return list(session.exec(statement))


def has_unknown_outcome(session: Session, request_id: UUID) -> bool:
    """Whether an earlier attempt sent a device its clearing and never learned what came of it."""
    return any(
        target.state is TargetState.RUNNING and target.clear_operation_id is not None
        for target in targets(session, request_id)
    )


def targets_of(session: Session, request_ids: Sequence[UUID]) -> dict[UUID, list[ClearingTarget]]:
    """The devices of several requests in one select."""
    statement = (
        select(ClearingTarget)
        .where(col(ClearingTarget.request_id).in_(request_ids))
        .order_by(col(ClearingTarget.position))
    )
    found: dict[UUID, list[ClearingTarget]] = {request_id: [] for request_id in request_ids}
    for target in session.exec(statement):
        found[target.request_id].append(target)
    return found


def stages(session: Session, request_id: UUID) -> list[ClearingStage]:
    """The four stages in order."""
    statement = select(ClearingStage).where(ClearingStage.request_id == request_id)
    return sorted(session.exec(statement), key=lambda stage: STAGES.index(stage.name))


def stages_of(session: Session, request_ids: Sequence[UUID]) -> dict[UUID, list[ClearingStage]]:
    """The stages of several requests in one select."""
    statement = select(ClearingStage).where(col(ClearingStage.request_id).in_(request_ids))
    found: dict[UUID, list[ClearingStage]] = {request_id: [] for request_id in request_ids}
    for stage in sorted(session.exec(statement), key=lambda stage: STAGES.index(stage.name)):
        found[stage.request_id].append(stage)
    return found


def events(session: Session, request_id: UUID, *, newest: int = 200) -> list[ClearingEvent]:
    """The process log, newest line first."""
    statement = (
        select(ClearingEvent)
        .where(ClearingEvent.request_id == request_id)
        .order_by(col(ClearingEvent.id).desc())
        .limit(newest)
    )
    return list(session.exec(statement))


def last_event_id(session: Session, request_id: UUID) -> int:
    """The number of the newest line of the process log; 0 for none."""
    statement = select(sa.func.max(ClearingEvent.id)).where(ClearingEvent.request_id == request_id)
    return session.exec(statement).one() or 0


def events_after(session: Session, request_id: UUID, seen: int) -> list[ClearingEvent]:
    """The lines after the one seen, oldest first."""
    statement = (
        select(ClearingEvent)
        .where(ClearingEvent.request_id == request_id, col(ClearingEvent.id) > seen)
        .order_by(col(ClearingEvent.id))
        .limit(200)
    )
    return list(session.exec(statement))


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
    """Which of these devices have a record of success, of any period."""
    statement = (
        select(ClearingRecord.device_id)
        .where(
            col(ClearingRecord.device_id).in_(list(device_ids)),
            ClearingRecord.result == Result.SUCCEEDED,
        )
        .distinct()
    )
    return set(session.exec(statement))


def open_request_of(session: Session, operator_id: UUID) -> ClearingRequest | None:
    """The newest request of the operator that is not at its end."""
    statement = (
        select(ClearingRequest)
        .where(
            ClearingRequest.operator_id == operator_id,
            col(ClearingRequest.state).in_(OPEN_STATES),
        )
        .order_by(col(ClearingRequest.id).desc())
        .limit(1)
    )
    return session.exec(statement).first()


def open_requests_of_device(session: Session, device_id: UUID) -> list[ClearingRequest]:
    """Requests that hold the device; there is one at most."""
    statement = (
        select(ClearingRequest)
        .join(ClearingTarget, col(ClearingTarget.request_id) == ClearingRequest.id)
        .where(ClearingTarget.device_id == device_id, col(ClearingTarget.open))
        .with_for_update(of=ClearingRequest)
    )
    return list(session.exec(statement))


def open_requests_by(
    session: Session, enterprise_id: UUID, requested_by: str
) -> list[ClearingRequest]:
    """Requests of an enterprise somebody asked for that are not at their end."""
    statement = select(ClearingRequest).where(
        ClearingRequest.enterprise_id == enterprise_id,
        ClearingRequest.requested_by == requested_by,
        col(ClearingRequest.state).in_(OPEN_STATES),
    )
    return list(session.exec(statement.order_by(col(ClearingRequest.id))))


def newest_request_of(session: Session, operator_id: UUID) -> ClearingRequest | None:
    """The newest request of the operator."""
    statement = (
        select(ClearingRequest)
        .where(ClearingRequest.operator_id == operator_id)
        .order_by(col(ClearingRequest.id).desc())
        .limit(1)
    )
    return session.exec(statement).first()


def running(session: Session) -> list[tuple[UUID, int]]:
    """Every request that ought to be executing, with its attempt."""
    statement = select(ClearingRequest.id, ClearingRequest.attempt).where(
        ClearingRequest.state == RequestState.RUNNING
    )
    return [(row[0], row[1]) for row in session.exec(statement)]


def attachments(session: Session, request_id: UUID) -> list[ClearingAttachment]:
    """The documents of a request, without their contents being loaded."""
    statement = (
        select(ClearingAttachment)
        .where(ClearingAttachment.request_id == request_id)
        .order_by(col(ClearingAttachment.id))
        .options(defer(ClearingAttachment.content))  # type: ignore[arg-type]
    )
    return list(session.exec(statement))


def attachment(session: Session, request_id: UUID, attachment_id: UUID) -> ClearingAttachment:
    """One document of the request, or AttachmentNotFound."""
    found = session.get(ClearingAttachment, attachment_id)
    if found is None or found.request_id != request_id:
        raise AttachmentNotFound
    return found


def batch(session: Session, batch_id: UUID) -> ClearingBatch:
    """The batch, or BatchNotFound."""
    found = session.get(ClearingBatch, batch_id)
    if found is None:
        raise BatchNotFound
    return found


def visible_batch(session: Session, batch_id: UUID, principal: Principal) -> ClearingBatch:
    """The batch if this person may see all of it: who is limited sees the own ones."""
    found = batch(session, batch_id)
    if principal.enterprise_ids is not None and found.created_by != str(principal.id):
        raise BatchNotFound
    return found


def locked_batch(session: Session, batch_id: UUID) -> ClearingBatch:
    """The same, locked until the transaction ends."""
    found = session.exec(
        select(ClearingBatch).where(ClearingBatch.id == batch_id).with_for_update()
    ).first()
    if found is None:
        raise BatchNotFound
    return found


def requests_of_batch(
    session: Session, batch_id: UUID, state: RequestState | None = None
) -> list[ClearingRequest]:
    """The requests of a batch in the order they were made."""
    statement = select(ClearingRequest).where(ClearingRequest.batch_id == batch_id)
    if state is not None:
        statement = statement.where(ClearingRequest.state == state)
    return list(session.exec(statement.order_by(col(ClearingRequest.id))))


def rows_of_batch(
    session: Session, batch_id: UUID, principal: Principal
) -> list[tuple[ClearingRequest, str, str]]:
    """The same with the names of operator and enterprise, as far as this person may see them."""
    rows = [r for r in requests_of_batch(session, batch_id) if principal.sees(r.enterprise_id)]
    operators = _names(session, Operator, {row.operator_id for row in rows})
    enterprises = _names(session, Enterprise, {row.enterprise_id for row in rows})
    return [(row, operators[row.operator_id], enterprises[row.enterprise_id]) for row in rows]


def batch_counts(session: Session, batch_id: UUID) -> dict[RequestState, int]:
    """How many requests of the batch are in each state."""
    statement = (
        select(ClearingRequest.state, sa.func.count())
        .where(ClearingRequest.batch_id == batch_id)
        .group_by(col(ClearingRequest.state))
    )
    return {RequestState(row[0]): int(row[1]) for row in session.exec(statement)}


def newest_batches(session: Session, principal: Principal, *, limit: int) -> list[ClearingBatch]:
    """The batches of late; one limited to some enterprises sees the own ones."""
    statement = select(ClearingBatch).order_by(col(ClearingBatch.id).desc()).limit(limit)
    if principal.enterprise_ids is not None:
        statement = statement.where(ClearingBatch.created_by == str(principal.id))
    return list(session.exec(statement))


def count_running(session: Session) -> int:
    """How many requests are executing."""
    statement = select(sa.func.count()).where(col(ClearingRequest.state) == RequestState.RUNNING)
    return int(session.exec(statement).one())


def running_per_agent(session: Session) -> Counter[UUID]:
    """How many requests are executing through each agent."""
    statement = (
        select(Device.agent_id, sa.func.count(sa.distinct(col(ClearingTarget.request_id))))
        .join(ClearingTarget, col(ClearingTarget.device_id) == Device.id)
        .join(ClearingRequest, col(ClearingRequest.id) == ClearingTarget.request_id)
        .where(ClearingRequest.state == RequestState.RUNNING, col(ClearingTarget.open))
        .group_by(col(Device.agent_id))
    )
    return Counter({row[0]: int(row[1]) for row in session.exec(statement) if row[0] is not None})


def _due_conditions(now: datetime) -> list[sa.ColumnElement[bool]]:
    """Scheduled, the time has come, its batch is not paused, and no sub machine is to go before it."""
    paused = sa.select(col(ClearingBatch.id)).where(col(ClearingBatch.state) == BatchState.PAUSED)
    return [
        col(ClearingRequest.state) == RequestState.SCHEDULED,
        col(ClearingRequest.scheduled_for) <= now,
        sa.or_(
            col(ClearingRequest.batch_id).is_(None),
            col(ClearingRequest.batch_id).not_in(paused),
        ),
        no_sub_is_due(now),
    ]


def due(session: Session, now: datetime, *, limit: int) -> list[tuple[UUID, frozenset[UUID]]]:
    """Requests to start now, the longest waiting first, each with the agents of its devices."""
    statement = (
        select(ClearingRequest.id)
        .where(*_due_conditions(now))
        .order_by(col(ClearingRequest.scheduled_for), col(ClearingRequest.id))
        .limit(limit)
    )
    ids = list(session.exec(statement))
    agents: dict[UUID, set[UUID]] = {request_id: set() for request_id in ids}
    reached = (
        select(ClearingTarget.request_id, Device.agent_id)
        .join(Device, col(Device.id) == ClearingTarget.device_id)
        .where(col(ClearingTarget.request_id).in_(ids), col(Device.agent_id).is_not(None))
    )
    for request_id, agent_id in session.exec(reached):
        if agent_id is not None:
            agents[request_id].add(agent_id)
    return [(request_id, frozenset(agents[request_id])) for request_id in ids]


def due_locked(session: Session, request_id: UUID, now: datetime) -> ClearingRequest | None:
    """The request, locked, if it is still due; None when another process has it."""
    statement = (
        select(ClearingRequest)
        .where(ClearingRequest.id == request_id, *_due_conditions(now))
        .with_for_update(skip_locked=True, of=ClearingRequest)
    )
    return session.exec(statement).first()


def page_of_requests(
    session: Session,
    principal: Principal,
    page: PageRequest,
    *,
    state: RequestState | None = None,
    operator_id: UUID | None = None,
) -> tuple[list[ClearingRequest], str | None]:
    """Newest first."""
    statement = select(ClearingRequest).where(_within(principal, ClearingRequest.enterprise_id))
    if state is not None:
        statement = statement.where(ClearingRequest.state == state)
    if operator_id is not None:
        statement = statement.where(ClearingRequest.operator_id == operator_id)
    return newest_first(session, statement, ClearingRequest.id, page)


def page_of_request_rows(
    session: Session,
    principal: Principal,
    page: PageRequest,
    *,
    state: RequestState | None = None,
    q: str = "",
) -> tuple[list[tuple[ClearingRequest, str, str]], str | None]:
    """Requests with the names of operator and enterprise, newest first: three selects."""
    conditions = [_within(principal, ClearingRequest.enterprise_id)]
    if state is not None:
        conditions.append(col(ClearingRequest.state) == state)
    if q.strip():
        named = select(Operator.id).where(col(Operator.name).contains(q.strip(), autoescape=True))
        conditions.append(
            sa.or_(
                col(ClearingRequest.number).startswith(q.strip(), autoescape=True),
                col(ClearingRequest.operator_id).in_(named),
            )
        )
    rows, cursor = newest_first(
        session, select(ClearingRequest).where(*conditions), ClearingRequest.id, page
    )
    operators = _names(session, Operator, {row.operator_id for row in rows})
    enterprises = _names(session, Enterprise, {row.enterprise_id for row in rows})
    named_rows = [(row, operators[row.operator_id], enterprises[row.enterprise_id]) for row in rows]
    return named_rows, cursor


def count_requests(session: Session, principal: Principal, state: RequestState) -> int:
    """How many requests are in this state; few are at any time."""
    statement = select(sa.func.count()).where(
        col(ClearingRequest.state) == state, _within(principal, ClearingRequest.enterprise_id)
    )
    return int(session.exec(statement).one())


def newest_events(
    session: Session, principal: Principal, *, limit: int
) -> list[tuple[ClearingEvent, str]]:
    """What happened last in all requests, with the operator's name: beginnings and ends of stages."""
    statement = (
        select(ClearingEvent, Operator.name)
        .join(ClearingRequest, col(ClearingRequest.id) == ClearingEvent.request_id)
        .join(Operator, col(Operator.id) == ClearingRequest.operator_id)
        .where(_within(principal, ClearingRequest.enterprise_id))
        .order_by(col(ClearingEvent.id).desc())
        .limit(limit)
    )
    return [(event, name) for event, name in session.exec(statement)]


def newest_events_of(session: Session, operator_id: UUID, *, limit: int) -> list[ClearingEvent]:
    """What happened last in the operator's newest requests."""
    newest = (
        select(ClearingRequest.id)
        .where(ClearingRequest.operator_id == operator_id)
        .order_by(col(ClearingRequest.id).desc())
        .limit(5)
        .subquery()
    )
    statement = (
        select(ClearingEvent)
        .where(col(ClearingEvent.request_id).in_(sa.select(newest.c.id)))
        .order_by(col(ClearingEvent.id).desc())
        .limit(limit)
    )
    return list(session.exec(statement))


def _within(principal: Principal, column: Any) -> sa.ColumnElement[bool]:
    return within(principal, col(column))


def _names(
    session: Session, table: type[Operator] | type[Enterprise], ids: set[UUID]
) -> dict[UUID, str]:
    rows = session.exec(select(table.id, table.name).where(col(table.id).in_(ids)))
    return {row[0]: row[1] for row in rows}


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
    conditions = [_within(principal, ClearingRecord.enterprise_id)]
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


def devices_of_request(session: Session, request_id: UUID) -> list[tuple[ClearingTarget, Device]]:
    """The targets with their devices, sub machines first."""
    statement = (
        select(ClearingTarget, Device)
        .where(ClearingTarget.device_id == Device.id, ClearingTarget.request_id == request_id)
        .order_by(col(ClearingTarget.position))
    )
    return [(target, device) for target, device in session.exec(statement)]


def cleared_per_month(
    session: Session, principal: Principal, first_period: str
) -> dict[str, tuple[int, int]]:
    """Succeeded and failed executions per period from `first_period` on."""
    statement = (
        select(
            ClearingRecord.period,
            sa.func.sum(sa.case((col(ClearingRecord.result) == Result.SUCCEEDED, 1), else_=0)),
            sa.func.sum(sa.case((col(ClearingRecord.result) == Result.SUCCEEDED, 0), else_=1)),
        )
        .where(col(ClearingRecord.period) >= first_period)
        .group_by(col(ClearingRecord.period))
    )
    if principal.enterprise_ids is not None:
        statement = statement.where(col(ClearingRecord.enterprise_id).in_(principal.enterprise_ids))
    return {row[0]: (int(row[1]), int(row[2])) for row in session.exec(statement)}


def next_number(session: Session, day: date, *, prefix: str = "QK") -> str:
    """The next number of the month's series, e.g. QK202611-000128. Held until the commit."""
    name = f"{prefix}{day:%Y%m}"
    statement = sa.text(
        "INSERT INTO number_series (name, value) VALUES (:name, 1) "
        "ON CONFLICT (name) DO UPDATE SET value = number_series.value + 1 RETURNING value"
    )
    value = session.connection().execute(statement, {"name": name}).scalar_one()
    return f"{name}-{value:06d}"
