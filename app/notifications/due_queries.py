"""Which deliveries are to be tried now, one a receiver at a time.

`due` is the moment up to which a delivery is due, `now` the one leases are held against: the database's own.
"""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col, select

from app.core.db import Session
from app.notifications.models import Channel, Delivery, DeliveryState, Webhook


def due_deliveries(session: Session, *, due: datetime, now: datetime, limit: int) -> list[UUID]:
    """Deliveries to try now: the oldest of every receiver that nobody is delivering to."""
    busy = sa.select(col(Delivery.target_id)).where(
        col(Delivery.state) == DeliveryState.PENDING, col(Delivery.leased_until) > now
    )
    turn = sa.func.row_number().over(
        partition_by=col(Delivery.target_id), order_by=(col(Delivery.next_at), col(Delivery.id))
    )
    ranked = (
        sa.select(col(Delivery.id), col(Delivery.next_at), turn.label("turn"))
        .outerjoin(Channel, col(Channel.id) == col(Delivery.channel_id))
        .outerjoin(Webhook, col(Webhook.id) == col(Delivery.webhook_id))
        .where(
            col(Delivery.state) == DeliveryState.PENDING,
            col(Delivery.next_at) <= due,
            sa.func.coalesce(col(Channel.enabled), col(Webhook.enabled)),
            col(Delivery.target_id).not_in(busy),
        )
        .subquery()
    )
    wanted = sa.select(ranked.c.id).where(ranked.c.turn == 1).order_by(ranked.c.next_at)
    return list(session.execute(wanted.limit(limit)).scalars())


def next_of_target(
    session: Session, target_id: UUID, *, due: datetime, now: datetime
) -> Delivery | None:
    """The oldest delivery that is due to this receiver, locked; none while another one is in hand."""
    pending = (col(Delivery.target_id) == target_id, col(Delivery.state) == DeliveryState.PENDING)
    in_hand = sa.select(col(Delivery.id)).where(*pending, col(Delivery.leased_until) > now)
    enabled = sa.select(col(Channel.id)).where(col(Channel.enabled))
    return session.exec(
        select(Delivery)
        .where(
            *pending,
            Delivery.next_at <= due,
            col(Delivery.channel_id).in_(enabled),
            sa.not_(in_hand.exists()),
        )
        .order_by(col(Delivery.next_at), col(Delivery.id))
        .limit(1)
        .with_for_update(skip_locked=True)
    ).first()


def claimable(
    session: Session, delivery_id: UUID, *, due: datetime, now: datetime
) -> Delivery | None:
    """The delivery, locked, if it is still due and in nobody's hand."""
    return session.exec(
        select(Delivery)
        .where(
            Delivery.id == delivery_id,
            Delivery.state == DeliveryState.PENDING,
            Delivery.next_at <= due,
            sa.or_(col(Delivery.leased_until).is_(None), col(Delivery.leased_until) <= now),
        )
        .with_for_update(skip_locked=True)
    ).first()
