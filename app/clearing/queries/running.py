"""Which requests run, and which are due to start."""

from collections import Counter
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col, select

from app.clearing.models import (
    ClearingBatch,
    ClearingRequest,
    ClearingTarget,
)
from app.clearing.queries.order import no_sub_is_due
from app.clearing.states import BatchState, RequestState
from app.core.db import Session
from app.devices.models import Device


def running(session: Session) -> list[tuple[UUID, int]]:
    """Every request that ought to be executing, with its attempt."""
    statement = select(ClearingRequest.id, ClearingRequest.attempt).where(
        ClearingRequest.state == RequestState.RUNNING
    )
    return [(row[0], row[1]) for row in session.exec(statement)]


def _has_place() -> sa.ColumnElement[bool]:
    """It has a place of the engine: running, or 结果待查 as long as the system finds out by itself."""
    finding_out = sa.and_(
        col(ClearingRequest.state) == RequestState.NEEDS_ATTENTION,
        col(ClearingRequest.finished_at).is_(None),
    )
    return sa.or_(col(ClearingRequest.state) == RequestState.RUNNING, finding_out)


def count_running(session: Session) -> int:
    """How many requests have a place of the engine."""
    statement = select(sa.func.count()).select_from(ClearingRequest).where(_has_place())
    return int(session.exec(statement).one())


def running_per_agent(session: Session) -> Counter[UUID]:
    """How many requests have a place of the engine, through each agent."""
    statement = (
        select(Device.agent_id, sa.func.count(sa.distinct(col(ClearingTarget.request_id))))
        .join(ClearingTarget, col(ClearingTarget.device_id) == Device.id)
        .join(ClearingRequest, col(ClearingRequest.id) == ClearingTarget.request_id)
        .where(_has_place(), col(ClearingTarget.open))
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


def has_work(session: Session, now: datetime) -> bool:
    """Whether any request ought to be executing, or is to start now: all that an idle engine asks."""
    executing = sa.exists().where(col(ClearingRequest.state) == RequestState.RUNNING)
    waiting = sa.exists(sa.select(col(ClearingRequest.id)).where(*_due_conditions(now)))
    return bool(session.execute(sa.select(sa.or_(executing, waiting))).scalar_one())


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
