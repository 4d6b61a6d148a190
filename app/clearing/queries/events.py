"""What was said while requests ran."""

from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col, select

from app.accounts.principal import Principal
from app.clearing.models import (
    ClearingEvent,
    ClearingRequest,
)
from app.core.db import Session
from app.enterprises.queries import within
from app.operators.models import Operator


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


def newest_events(
    session: Session, principal: Principal, *, limit: int
) -> list[tuple[ClearingEvent, str]]:
    """What happened last in all requests, with the operator's name: beginnings and ends of stages."""
    statement = (
        select(ClearingEvent, Operator.name)
        .join(ClearingRequest, col(ClearingRequest.id) == ClearingEvent.request_id)
        .join(Operator, col(Operator.id) == ClearingRequest.operator_id)
        .where(within(principal, col(ClearingRequest.enterprise_id)))
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
