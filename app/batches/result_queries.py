"""Selects over what came of a batch: its requests with their records, in parts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlmodel import col, select

from app.accounts.principal import Principal
from app.clearing.models import ClearingRecord, ClearingRequest, ClearingTarget
from app.clearing.queries.records import records_of
from app.clearing.queries.requests import targets_of
from app.core.db import Session
from app.enterprises.models import Enterprise
from app.enterprises.queries import within
from app.operators.models import Operator

_PART = 200
"""Requests asked for at a time."""


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """A request of a batch with all that came of it; records oldest first."""

    request: ClearingRequest
    operator: Operator
    enterprise: str
    targets: Sequence[ClearingTarget]
    records: Sequence[ClearingRecord]


def requests_with_records(
    session: Session, batch_id: UUID, principal: Principal
) -> Iterator[BatchRequest]:
    """The requests this person may see, in the order they were made, a part at a time."""
    last: UUID | None = None
    while part := _part(session, batch_id, principal, last):
        ids = [request.id for request, _, _ in part]
        targets = targets_of(session, ids)
        records = records_of(session, ids)
        for request, operator, enterprise in part:
            yield BatchRequest(
                request, operator, enterprise, targets[request.id], records[request.id]
            )
        last = ids[-1]
        session.expunge_all()


def _part(
    session: Session, batch_id: UUID, principal: Principal, after: UUID | None
) -> list[tuple[ClearingRequest, Operator, str]]:
    statement = (
        select(ClearingRequest, Operator, Enterprise.name)
        .join(Operator, col(Operator.id) == ClearingRequest.operator_id)
        .join(Enterprise, col(Enterprise.id) == ClearingRequest.enterprise_id)
        .where(
            ClearingRequest.batch_id == batch_id,
            within(principal, col(ClearingRequest.enterprise_id)),
        )
        .order_by(col(ClearingRequest.id))
        .limit(_PART)
    )
    if after is not None:
        statement = statement.where(col(ClearingRequest.id) > after)
    return [(request, operator, name) for request, operator, name in session.exec(statement)]
