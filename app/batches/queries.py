"""Batches and their requests."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col, select

from app.accounts.principal import Principal
from app.clearing.errors import (
    BatchNotFound,
)
from app.clearing.models import (
    ClearingBatch,
    ClearingRequest,
)
from app.clearing.queries.requests import names_of
from app.clearing.states import Outcome, RequestState
from app.core.db import Session
from app.enterprises.models import Enterprise
from app.enterprises.queries import within
from app.operators.models import Operator


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
    session: Session, batch_id: UUID, principal: Principal, state: RequestState | None = None
) -> list[ClearingRequest]:
    """The requests of a batch this person may see, in the order they were made."""
    statement = select(ClearingRequest).where(
        ClearingRequest.batch_id == batch_id,
        within(principal, col(ClearingRequest.enterprise_id)),
    )
    if state is not None:
        statement = statement.where(ClearingRequest.state == state)
    return list(session.exec(statement.order_by(col(ClearingRequest.id))))


def rows_of_batch(
    session: Session,
    batch_id: UUID,
    principal: Principal,
    *,
    changed_since: datetime | None = None,
) -> list[tuple[ClearingRequest, str, str]]:
    """The requests with the names of operator and enterprise, as far as this person may see them."""
    statement = select(ClearingRequest).where(
        ClearingRequest.batch_id == batch_id,
        within(principal, col(ClearingRequest.enterprise_id)),
    )
    if changed_since is not None:
        statement = statement.where(ClearingRequest.updated_at >= changed_since)
    rows = list(session.exec(statement.order_by(col(ClearingRequest.id))))
    operators = names_of(session, Operator, {row.operator_id for row in rows})
    enterprises = names_of(session, Enterprise, {row.enterprise_id for row in rows})
    return [(row, operators[row.operator_id], enterprises[row.enterprise_id]) for row in rows]


def batch_counts(session: Session, batch_id: UUID) -> dict[RequestState, int]:
    """How many requests of the batch are in each state."""
    statement = (
        select(ClearingRequest.state, sa.func.count())
        .where(ClearingRequest.batch_id == batch_id)
        .group_by(col(ClearingRequest.state))
    )
    return {RequestState(row[0]): int(row[1]) for row in session.exec(statement)}


def outcome_counts(session: Session, batch_id: UUID) -> dict[Outcome, int]:
    """How many successes of the batch came to which outcome."""
    statement = (
        select(ClearingRequest.outcome, sa.func.count())
        .where(ClearingRequest.batch_id == batch_id, col(ClearingRequest.outcome).is_not(None))
        .group_by(col(ClearingRequest.outcome))
    )
    return {Outcome(outcome): int(count) for outcome, count in session.exec(statement) if outcome}


def newest_batches(session: Session, principal: Principal, *, limit: int) -> list[ClearingBatch]:
    """The batches of late; one limited to some enterprises sees the own ones."""
    statement = select(ClearingBatch).order_by(col(ClearingBatch.id).desc()).limit(limit)
    if principal.enterprise_ids is not None:
        statement = statement.where(ClearingBatch.created_by == str(principal.id))
    return list(session.exec(statement))
