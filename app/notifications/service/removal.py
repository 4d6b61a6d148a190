"""What removing a receiver, and time, do to deliveries and events."""

from datetime import datetime
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from app.core.db import Session
from app.notifications.models import (
    Delivery,
    DeliveryAttempt,
    DeliveryState,
    Event,
    Notification,
)

_BATCH = 1000


def cancel_pending(session: Session, target_id: UUID, *, at: datetime) -> None:
    """Deliver nothing more to a receiver that was removed."""
    session.execute(
        sa.update(Delivery)
        .where(col(Delivery.target_id) == target_id, col(Delivery.state) == DeliveryState.PENDING)
        .values(state=DeliveryState.CANCELLED, finished_at=at, lease="", leased_until=None)
    )


def purge(session: Session, *, before: datetime) -> int:
    """Delete events that are older, with their notifications and deliveries; gives how many.

    What is still to be delivered stays, and so does the event of it. A thousand at a time, so that
    nobody waits long for the turn to write.
    """
    pending = sa.select(col(Delivery.event_id)).where(col(Delivery.state) == DeliveryState.PENDING)
    ids = list(
        session.execute(
            sa.select(col(Event.id))
            .where(
                col(Event.at) < before,
                col(Event.spread_at).is_not(None),
                col(Event.id).not_in(pending),
            )
            .order_by(col(Event.at))
            .limit(_BATCH)
        ).scalars()
    )
    if not ids:
        return 0
    deliveries = sa.select(col(Delivery.id)).where(col(Delivery.event_id).in_(ids))
    for statement in (
        sa.delete(DeliveryAttempt).where(col(DeliveryAttempt.delivery_id).in_(deliveries)),
        sa.delete(Delivery).where(col(Delivery.event_id).in_(ids)),
        sa.delete(Notification).where(col(Notification.event_id).in_(ids)),
    ):
        session.execute(statement)
    result = session.execute(sa.delete(Event).where(col(Event.id).in_(ids)))
    return int(cast(Any, result).rowcount)
