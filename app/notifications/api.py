"""REST API of notifications: one's own inbox and preferences, channels, and what was delivered."""

from typing import Annotated
from uuid import UUID

from fastapi import Body, Query, Response

from app.accounts.confirmation import Confirm
from app.accounts.deps import Admin, Person
from app.core.db import Session
from app.core.etags import IfMatch, require_match, set_etag
from app.core.pagination import Page
from app.core.routing import Router
from app.core.web import ClockDep, DatabaseDep, Paging, Reading, SettingsDep, Writing
from app.notifications import queries
from app.notifications.channel_schemas import (
    ChannelCreate,
    ChannelPublic,
    ChannelTest,
    ChannelUpdate,
)
from app.notifications.kinds import EventKind
from app.notifications.models import Channel, DeliveryState
from app.notifications.schemas import (
    Confirmation,
    DeliveryDetail,
    DeliveryPublic,
    MarkRead,
    NotificationPublic,
    PreferencesPublic,
    PreferencesUpdate,
    Unread,
)
from app.notifications.service import channels, deliveries, inbox
from app.notifications.service.inbox import Choice
from app.settings import Settings

router = Router(tags=["通知"])


@router.get("/notifications")
def list_notifications(
    session: Reading,
    principal: Person,
    page: Paging,
    unread: Annotated[bool, Query(description="only what was not read yet")] = False,
    kind: EventKind | None = None,
) -> Page[NotificationPublic]:
    """One's own notifications, newest first."""
    rows, cursor = queries.inbox(session, principal.id, page, unread=unread, kind=kind)
    items = [NotificationPublic.of(row, event) for row, event in rows]
    return Page(items=items, next_cursor=cursor)


@router.post("/notifications")
def mark_notifications_read(
    session: Writing, principal: Person, clock: ClockDep, data: MarkRead
) -> Unread:
    """Mark one's own notifications as read."""
    marked = inbox.mark_read(session, principal.id, data.ids, at=clock())
    return Unread(marked=marked, unread=queries.count_unread(session, principal.id))


@router.get("/notifications/preferences")
def get_preferences(session: Reading, principal: Person) -> PreferencesPublic:
    """What one hears of, and how."""
    return _preferences(session, principal.id)


@router.patch("/notifications/preferences")
def change_preferences(
    session: Writing, principal: Person, data: PreferencesUpdate
) -> PreferencesPublic:
    """Change what one hears of."""
    changes = data.changes()
    if "email" in changes:
        inbox.set_address(session, principal.id, changes["email"])
    wanted = {one.kind: Choice(one.in_app, one.email) for one in changes.get("kinds", ())}
    inbox.choose(session, principal.id, wanted)
    session.flush()
    return _preferences(session, principal.id)


@router.get("/notification-channels")
def list_channels(
    session: Reading, principal: Admin, page: Paging, settings: SettingsDep
) -> Page[ChannelPublic]:
    """Channels, newest first."""
    rows, cursor = queries.page_of_channels(session, page)
    return Page(items=[_channel(row, settings) for row in rows], next_cursor=cursor)


@router.post("/notification-channels", status_code=201)
def create_channel(
    data: ChannelCreate,
    confirm: Confirm,
    principal: Admin,
    session: Writing,
    settings: SettingsDep,
    clock: ClockDep,
    response: Response,
) -> ChannelPublic:
    """Set up a channel: e-mail (SMTP), or a group robot (企业微信, 钉钉, 飞书)."""
    confirm(data.password)
    channel = channels.create_channel(
        session, data.draft(), principal=principal, settings=settings, clock=clock
    )
    response.headers["Location"] = f"/api/v1/notification-channels/{channel.id}"
    set_etag(response, channel.revision)
    return _channel(channel, settings)


@router.get("/notification-channels/{channel_id}")
def get_channel(
    channel_id: UUID,
    session: Reading,
    principal: Admin,
    settings: SettingsDep,
    response: Response,
) -> ChannelPublic:
    """One channel."""
    channel = queries.channel(session, channel_id)
    set_etag(response, channel.revision)
    return _channel(channel, settings)


@router.patch("/notification-channels/{channel_id}")
def change_channel(
    channel_id: UUID,
    data: ChannelUpdate,
    confirm: Confirm,
    principal: Admin,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    response: Response,
    if_match: IfMatch = None,
) -> ChannelPublic:
    """Change a channel: only what is sent."""
    confirm(data.password)
    with database.transaction() as session:
        require_match(if_match, queries.channel(session, channel_id).revision)
        channel = channels.change_channel(
            session, channel_id, data.wanted(), principal=principal, settings=settings, clock=clock
        )
        set_etag(response, channel.revision)
        return _channel(channel, settings)


@router.delete("/notification-channels/{channel_id}", status_code=204)
def remove_channel(
    channel_id: UUID,
    confirm: Confirm,
    principal: Admin,
    database: DatabaseDep,
    clock: ClockDep,
    data: Annotated[Confirmation | None, Body()] = None,
) -> None:
    """Send nothing through it any more."""
    confirm(data.password if data else None)
    with database.transaction() as session:
        channels.remove_channel(session, channel_id, principal=principal, clock=clock)


@router.post("/notification-channels/{channel_id}/test", status_code=202)
def send_channel_test(
    channel_id: UUID, data: ChannelTest, session: Writing, principal: Admin, clock: ClockDep
) -> dict[str, str]:
    """Send a test; how it went stands in the deliveries of the event."""
    event = channels.send_test(
        session, channel_id, data.recipients, principal=principal, clock=clock
    )
    return {"event_id": str(event.id)}


@router.get("/notification-deliveries")
def list_deliveries(
    session: Reading,
    principal: Admin,
    page: Paging,
    target_id: Annotated[UUID | None, Query(description="a channel or a webhook")] = None,
    state: DeliveryState | None = None,
) -> Page[DeliveryPublic]:
    """Deliveries, newest first."""
    rows, cursor = queries.page_of_deliveries(session, page, target_id=target_id, state=state)
    return Page(items=[DeliveryPublic.of(row) for row in rows], next_cursor=cursor)


@router.get("/notification-deliveries/{delivery_id}")
def get_delivery(delivery_id: UUID, session: Reading, principal: Admin) -> DeliveryDetail:
    """One delivery with its tries."""
    return _delivery(session, delivery_id)


@router.post("/notification-deliveries/{delivery_id}/replay", status_code=202)
def replay_delivery(
    delivery_id: UUID, session: Writing, principal: Admin, clock: ClockDep
) -> DeliveryDetail:
    """Deliver it again, under the same message id."""
    deliveries.replay(session, delivery_id, principal=principal, clock=clock)
    session.flush()
    return _delivery(session, delivery_id)


def _channel(channel: Channel, settings: Settings) -> ChannelPublic:
    return ChannelPublic.of(channel, channels.way_of(channel, settings))


def _delivery(session: Session, delivery_id: UUID) -> DeliveryDetail:
    row = queries.delivery_row(session, delivery_id)
    return DeliveryDetail.of_attempts(row, queries.attempts_of(session, delivery_id))


def _preferences(session: Session, account_id: UUID) -> PreferencesPublic:
    own = queries.addresses_of(session, [account_id]).get(account_id, "")
    return PreferencesPublic.of(own, inbox.choices(session, account_id))
