"""Publish an event: a row of the outbox, in the transaction of what happened."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.core.db import Session
from app.notifications import queries, wake
from app.notifications.kinds import EventKind
from app.notifications.models import Event


@dataclass(frozen=True, slots=True)
class Subject:
    """What an event is about, and who is concerned. `requester_id`: the account (or key) that asked."""

    object_type: str
    object_id: str
    enterprise_id: UUID | None = None
    operator_id: UUID | None = None
    requester_id: str = ""


def publish(
    session: Session,
    kind: EventKind,
    *,
    subject: Subject,
    data: Mapping[str, Any],
    at: datetime,
    dedupe_key: str | None = None,
) -> Event | None:
    """Keep the event with the caller's change: both are kept, or neither. It is sent after the commit.

    `data` are JSON values named as in `texts`. With a `dedupe_key` that was used before nothing
    happens and None is returned.
    """
    if dedupe_key is not None and queries.published(session, dedupe_key):
        return None
    event = Event(
        kind=kind,
        object_type=subject.object_type,
        object_id=subject.object_id,
        enterprise_id=subject.enterprise_id,
        operator_id=subject.operator_id,
        requester_id=subject.requester_id,
        dedupe_key=dedupe_key,
        data=_storable(data),
        at=at,
    )
    session.add(event)
    session.flush()
    wake.after_commit(session)
    return event


def _storable(data: Mapping[str, Any]) -> dict[str, Any]:
    """Without what says nothing, and without NUL: a device's odd answer must not undo the change."""
    return {
        name: value.replace("\0", "") if isinstance(value, str) else value
        for name, value in data.items()
        if value not in (None, "")
    }


def publish_test(
    session: Session, *, object_type: str, target_id: UUID, data: Mapping[str, Any], at: datetime
) -> Event:
    """An event for one channel or webhook alone, to see whether it arrives."""
    event = Event(
        kind=EventKind.TEST,
        object_type=object_type,
        object_id=str(target_id),
        only_target=target_id,
        data=dict(data),
        at=at,
    )
    session.add(event)
    session.flush()
    wake.after_commit(session)
    return event
