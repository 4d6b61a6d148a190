"""Every select over notifications, deliveries, channels and webhooks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col, select

from app.core.db import Session
from app.core.pagination import InvalidCursor, PageRequest, encode_cursor, newest_first
from app.jobs.models import Job
from app.notifications.errors import ChannelNotFound, DeliveryNotFound, WebhookNotFound
from app.notifications.kinds import EventKind
from app.notifications.models import (
    Address,
    Channel,
    ChannelKind,
    Delivery,
    DeliveryAttempt,
    DeliveryState,
    Event,
    Notification,
    Preference,
    Webhook,
)


def published(session: Session, dedupe_key: str) -> bool:
    """Whether an event with this key exists."""
    found = session.exec(select(Event.id).where(Event.dedupe_key == dedupe_key)).first()
    return found is not None


def told_of(session: Session, kind: EventKind, object_id: str) -> set[UUID | str]:
    """Who has an event of this kind about this object: accounts, channels, addresses (casefolded)."""
    events = sa.select(col(Event.id)).where(
        col(Event.kind) == kind, col(Event.object_id) == object_id
    )
    shown = select(Notification.account_id).where(col(Notification.event_id).in_(events))
    sent = select(Delivery.target_id, Delivery.recipient).where(col(Delivery.event_id).in_(events))
    accounts = session.exec(shown).all()
    return {*accounts, *(address.casefold() or target for target, address in session.exec(sent))}


def count_unread(session: Session, account_id: UUID) -> int:
    """Unread notifications of the account."""
    wanted = select(sa.func.count()).where(
        Notification.account_id == account_id, col(Notification.read_at).is_(None)
    )
    return int(session.exec(wanted).one())


def inbox(
    session: Session,
    account_id: UUID,
    request: PageRequest,
    *,
    unread: bool = False,
    kind: EventKind | None = None,
) -> tuple[list[tuple[Notification, Event]], str | None]:
    """The account's notifications, newest first."""
    wanted = (
        select(Notification, Event)
        .join(Event, col(Event.id) == col(Notification.event_id))
        .where(Notification.account_id == account_id)
        .order_by(col(Notification.event_id).desc())
        .limit(request.limit + 1)
    )
    if unread:
        wanted = wanted.where(col(Notification.read_at).is_(None))
    if kind is not None:
        wanted = wanted.where(Event.kind == kind)
    key = request.key(str)
    if key is not None:
        wanted = wanted.where(col(Notification.event_id) < _uuid(key[0]))
    rows = list(session.exec(wanted))
    if len(rows) <= request.limit:
        return rows, None
    rows = rows[: request.limit]
    return rows, encode_cursor(str(rows[-1][1].id))


def notification(session: Session, account_id: UUID, event_id: UUID) -> Notification | None:
    """One notification of the account."""
    return session.get(Notification, (account_id, event_id))


def preferences_of(session: Session, account_id: UUID) -> dict[EventKind, Preference]:
    """What the account has chosen, by kind."""
    rows = session.exec(select(Preference).where(Preference.account_id == account_id))
    return {row.kind: row for row in rows}


def preferences_for(
    session: Session, account_ids: Iterable[UUID], kind: EventKind
) -> dict[UUID, Preference]:
    """What these accounts have chosen for a kind."""
    rows = session.exec(
        select(Preference).where(
            col(Preference.account_id).in_(list(account_ids)), Preference.kind == kind
        )
    )
    return {row.account_id: row for row in rows}


def addresses_of(session: Session, account_ids: Iterable[UUID]) -> dict[UUID, str]:
    """Own e-mail addresses of these accounts."""
    rows = session.exec(select(Address).where(col(Address.account_id).in_(list(account_ids))))
    return {row.account_id: row.email for row in rows}


def channel(session: Session, channel_id: UUID, *, for_change: bool = False) -> Channel:
    """The channel. Raises ChannelNotFound, also for a removed one."""
    wanted = select(Channel).where(Channel.id == channel_id, col(Channel.removed_at).is_(None))
    found = session.exec(wanted.with_for_update() if for_change else wanted).one_or_none()
    if found is None:
        raise ChannelNotFound
    return found


def channels(session: Session) -> list[Channel]:
    """Every channel that was not removed, by name."""
    wanted = select(Channel).where(col(Channel.removed_at).is_(None))
    return list(session.exec(wanted.order_by(col(Channel.name), col(Channel.id))))


def webhook(session: Session, webhook_id: UUID, *, for_change: bool = False) -> Webhook:
    """The webhook. Raises WebhookNotFound, also for a removed one."""
    wanted = select(Webhook).where(Webhook.id == webhook_id, col(Webhook.removed_at).is_(None))
    found = session.exec(wanted.with_for_update() if for_change else wanted).one_or_none()
    if found is None:
        raise WebhookNotFound
    return found


def locked_webhook(session: Session, webhook_id: UUID) -> Webhook:
    """The webhook, removed or not, locked until the transaction ends."""
    return session.exec(select(Webhook).where(Webhook.id == webhook_id).with_for_update()).one()


def webhooks(session: Session) -> list[Webhook]:
    """Every webhook that was not removed, the oldest first."""
    wanted = select(Webhook).where(col(Webhook.removed_at).is_(None))
    return list(session.exec(wanted.order_by(col(Webhook.id))))


def page_of_webhooks(session: Session, request: PageRequest) -> tuple[list[Webhook], str | None]:
    """Webhooks, newest first."""
    wanted = select(Webhook).where(col(Webhook.removed_at).is_(None))
    return newest_first(session, wanted, Webhook.id, request)


def page_of_channels(session: Session, request: PageRequest) -> tuple[list[Channel], str | None]:
    """Channels, newest first."""
    wanted = select(Channel).where(col(Channel.removed_at).is_(None))
    return newest_first(session, wanted, Channel.id, request)


def first_waiting(session: Session, count: int) -> Sequence[Event]:
    """The oldest events that nobody has spread yet, locked; those another process has are passed over."""
    return session.exec(
        select(Event)
        .where(col(Event.spread_at).is_(None))
        .order_by(col(Event.id))
        .limit(count)
        .with_for_update(skip_locked=True)
    ).all()


def has_waiting(session: Session) -> bool:
    """Whether any event has not been spread yet."""
    return (
        session.exec(select(Event.id).where(col(Event.spread_at).is_(None)).limit(1)).first()
        is not None
    )


def delivery(session: Session, delivery_id: UUID, *, for_change: bool = False) -> Delivery:
    """The delivery. Raises DeliveryNotFound."""
    wanted = select(Delivery).where(Delivery.id == delivery_id)
    found = session.exec(wanted.with_for_update() if for_change else wanted).one_or_none()
    if found is None:
        raise DeliveryNotFound
    return found


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A delivery with its event and the name of its receiver."""

    delivery: Delivery
    event: Event
    receiver: str


def page_of_deliveries(
    session: Session,
    request: PageRequest,
    *,
    target_id: UUID | None = None,
    state: DeliveryState | None = None,
) -> tuple[list[DeliveryRow], str | None]:
    """Deliveries, newest first: three selects however many there are."""
    wanted = select(Delivery)
    if target_id is not None:
        wanted = wanted.where(Delivery.target_id == target_id)
    if state is not None:
        wanted = wanted.where(Delivery.state == state)
    rows, cursor = newest_first(session, wanted, Delivery.id, request)
    return _with_events(session, rows), cursor


def delivery_row(session: Session, delivery_id: UUID) -> DeliveryRow:
    """One delivery with its event. Raises DeliveryNotFound."""
    return _with_events(session, [delivery(session, delivery_id)])[0]


def _with_events(session: Session, rows: Sequence[Delivery]) -> list[DeliveryRow]:
    ids = {row.event_id for row in rows}
    events = {one.id: one for one in session.exec(select(Event).where(col(Event.id).in_(ids)))}
    names = _receivers(session, {row.target_id for row in rows})
    return [DeliveryRow(row, events[row.event_id], names[row.target_id]) for row in rows]


def _receivers(session: Session, ids: set[UUID]) -> dict[UUID, str]:
    named = select(Channel.id, Channel.name).where(col(Channel.id).in_(ids))
    hooked = select(Webhook.id, Webhook.url).where(col(Webhook.id).in_(ids))
    return dict(session.exec(named).all()) | dict(session.exec(hooked).all())


def attempts_of(session: Session, delivery_id: UUID) -> list[DeliveryAttempt]:
    """The tries of a delivery, the first one first."""
    return list(
        session.exec(
            select(DeliveryAttempt)
            .where(DeliveryAttempt.delivery_id == delivery_id)
            .order_by(col(DeliveryAttempt.number))
        )
    )


def deliveries_by_state(session: Session) -> dict[str, int]:
    """How many deliveries there are in each state."""
    rows = session.execute(
        sa.select(col(Delivery.state), sa.func.count()).group_by(col(Delivery.state))
    )
    return {str(state): int(count) for state, count in rows}


def subscribed_channels(session: Session, kind: EventKind, how: ChannelKind) -> list[Channel]:
    """Enabled channels of this kind that want such events."""
    wanted = select(Channel).where(
        col(Channel.removed_at).is_(None), col(Channel.enabled), Channel.kind == how
    )
    return [one for one in session.exec(wanted.order_by(col(Channel.id))) if kind in one.kinds]


def subscribed_webhooks(session: Session, kind: EventKind) -> list[Webhook]:
    """Enabled webhooks that want such events."""
    wanted = select(Webhook).where(col(Webhook.removed_at).is_(None), col(Webhook.enabled))
    return [one for one in session.exec(wanted.order_by(col(Webhook.id))) if kind in one.kinds]


def jobs(session: Session) -> list[Job]:
    """Every recurring job, by name."""
    return list(session.exec(select(Job).order_by(col(Job.name))))


def _uuid(text: object) -> UUID:
    try:
        return UUID(str(text))
    except ValueError as error:
        raise InvalidCursor from error
