"""Spread an event of the outbox: its words, the inboxes, and one delivery for every receiver."""

from datetime import datetime, timedelta

from app.core.clock import Clock
from app.core.db import Database, Session
from app.notifications import audience, queries
from app.notifications.kinds import RULES, EventKind
from app.notifications.models import Channel, ChannelKind, Delivery, Event, Notification, Webhook
from app.notifications.texts import message_of

TRIES = 10
"""So often at most a delivery is tried before it is given up."""
_FIRST = timedelta(minutes=1)
_LONGEST = timedelta(hours=24)
_GROWTH = 3
_AT_ONCE = 20
"""Events in one transaction at most: others want to write too."""


def backoff(attempts: int) -> timedelta:
    """How long to wait after so many failures: 1, 3, 9, 27 … minutes, at most 24 hours."""
    factor: int = _GROWTH ** (attempts - 1)
    return min(_FIRST * factor, _LONGEST)


def spread_waiting(database: Database, clock: Clock) -> int:
    """Spread everything that waits, a few events in a transaction; gives how many.

    The first look at a full register has thousands to tell: a commit for each would be most of the work.
    """
    spread = 0
    with database.reading() as session:
        if not queries.has_waiting(session):
            return 0
    while True:
        with database.transaction() as session:
            events = queries.first_waiting(session, _AT_ONCE)
            if not events:
                return spread
            for event in events:
                spread_event(session, event, at=clock())
        spread += len(events)
        if len(events) < _AT_ONCE:
            return spread


def spread_event(session: Session, event: Event, *, at: datetime) -> None:
    """Everything that has to happen with one event; the caller holds its row."""
    words = message_of(
        event.kind, object_type=event.object_type, object_id=event.object_id, data=event.data
    )
    event.title, event.text, event.link = words.title, words.text, words.link
    event.spread_at = at
    session.add(event)
    session.flush()
    if event.kind is EventKind.TEST:
        session.add_all(_test_deliveries(session, event, at))
        return
    session.add_all(_to_webhooks(session, event, at))
    if RULES[event.kind].in_digest:
        return
    session.add_all(
        Notification(account_id=reader.account_id, event_id=event.id)
        for reader in audience.readers(session, event)
        if reader.in_app
    )
    session.add_all(_to_channels(session, event, at))


def _to_webhooks(session: Session, event: Event, at: datetime) -> list[Delivery]:
    return [
        to_webhook(event, webhook, at)
        for webhook in queries.subscribed_webhooks(session, event.kind)
    ]


def _to_channels(session: Session, event: Event, at: datetime) -> list[Delivery]:
    made = [
        to_channel(event, channel, address, at)
        for channel in queries.subscribed_channels(session, event.kind, ChannelKind.EMAIL)
        for address in audience.email_addresses(session, event, channel)
    ]
    robots = queries.subscribed_channels(session, event.kind, ChannelKind.ROBOT)
    return made + [to_channel(event, channel, "", at) for channel in robots]


def _test_deliveries(session: Session, event: Event, at: datetime) -> list[Delivery]:
    """One try each: whoever tests is looking."""
    channel = session.get(Channel, event.only_target)
    webhook = session.get(Webhook, event.only_target)
    if webhook is not None and webhook.removed_at is None:
        return [to_webhook(event, webhook, at, tries=1)]
    if channel is None or channel.removed_at is not None:
        return []
    if channel.kind is ChannelKind.ROBOT:
        return [to_channel(event, channel, "", at, tries=1)]
    return [to_channel(event, channel, to, at, tries=1) for to in event.data["recipients"]]


def to_channel(
    event: Event, channel: Channel, recipient: str, at: datetime, *, tries: int = TRIES
) -> Delivery:
    """A delivery through a channel, due at once."""
    return Delivery(
        event_id=event.id,
        channel_id=channel.id,
        target_id=channel.id,
        recipient=recipient,
        tries_left=tries,
        next_at=at,
        created_at=at,
    )


def to_webhook(event: Event, webhook: Webhook, at: datetime, *, tries: int = TRIES) -> Delivery:
    """A delivery to a webhook, due at once."""
    return Delivery(
        event_id=event.id,
        webhook_id=webhook.id,
        target_id=webhook.id,
        tries_left=tries,
        next_at=at,
        created_at=at,
    )
