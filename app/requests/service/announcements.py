"""Tells what becomes of a request: events of app.notifications, in the transaction of the change."""

from datetime import datetime
from typing import Any

from app.clearing import outcomes, queries
from app.clearing.models import ClearingRequest
from app.clearing.states import Result
from app.core.clock import Clock, local
from app.core.db import Session
from app.enterprises.models import Enterprise
from app.notifications import service as notifications
from app.notifications.service import EventKind, Subject
from app.operators.models import Operator


def announce(
    session: Session, request: ClearingRequest, kind: EventKind, clock: Clock, **facts: Any
) -> None:
    """Publish an event about a request; `facts` are named as in app.notifications.texts.

    Call it before the audit record: from there to the commit nobody else can append to the trail.
    """
    notifications.publish(
        session,
        kind,
        subject=_subject(request),
        data={**_facts(session, request), **facts},
        at=clock(),
    )


def announce_success(session: Session, request: ClearingRequest, clock: Clock) -> None:
    """A success: what it came to, the lock dates, what was cleared, and what is left until when."""
    records = [
        record
        for record in queries.records_of(session, [request.id])[request.id]
        if record.result is Result.SUCCEEDED
    ]
    before = outcomes.nearest(record.lock_date_before for record in records)
    after = outcomes.nearest(record.lock_date_after for record in records)
    announce(
        session,
        request,
        EventKind.CLEARING_SUCCEEDED,
        clock,
        scope=request.scope,
        lock_date_before=str(before or ""),
        lock_date_after=str(after or ""),
        invoices_cleared=sum(record.invoices_cleared for record in records),
        **_outcome(request),
    )


def _outcome(request: ClearingRequest) -> dict[str, Any]:
    """What came of it as far as that is known: the same facts for a success and for a failure on the way."""
    return {
        "outcome": request.outcome or "",
        "cleared": request.cleared or [],
        "remaining": request.remaining or [],
        "next_lock_date": str(request.next_lock_date or ""),
    }


def announce_trouble(
    session: Session, request: ClearingRequest, kind: EventKind, clock: Clock
) -> None:
    """A failure or an unknown outcome, as the request's page shows it; a failed backup also by itself."""
    facts = {
        "code": request.error_code or "",
        "message": request.error_message or "",
        "remedy": request.error_remedy or "",
        "device_message": request.error_device_message or "",
        **_outcome(request),
    }
    announce(session, request, kind, clock, **facts)
    if (request.error_code or "").startswith("backup."):
        announce(session, request, EventKind.BACKUP_FAILED, clock, **facts)


def announce_waiting(
    session: Session, request: ClearingRequest, *, at: datetime, dedupe_key: str
) -> bool:
    """That nobody has reviewed it yet; once for a key. Gives whether it was told."""
    event = notifications.publish(
        session,
        EventKind.CLEARING_REVIEW_WAITING,
        subject=_subject(request),
        data={
            **_facts(session, request),
            "waiting_since": f"{local(request.created_at):%Y-%m-%d %H:%M}",
        },
        at=at,
        dedupe_key=dedupe_key,
    )
    return event is not None


def _subject(request: ClearingRequest) -> Subject:
    return Subject(
        "clearing_request",
        str(request.id),
        request.enterprise_id,
        request.operator_id,
        request.requested_by,
    )


def _facts(session: Session, request: ClearingRequest) -> dict[str, Any]:
    operator = session.get_one(Operator, request.operator_id)
    return {
        "number": request.number,
        "operator": operator.name,
        "operator_code": operator.code,
        "enterprise": session.get_one(Enterprise, request.enterprise_id).name,
        "devices": [target.device_number for target in queries.targets(session, request.id)],
        "period": request.period,
        "requested_by": request.requested_by_name,
        "executed_by": request.executed_by_name or "",
        "reviewed_by": request.reviewed_by_name or "",
    }
