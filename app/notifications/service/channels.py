"""Channels (通知渠道): set up, change, remove, test. Their addresses hold secrets and are sealed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.accounts.principal import Principal
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.core.clock import Clock
from app.core.db import Session
from app.core.ids import new_id
from app.errors import Invalid
from app.notifications import queries, secrets
from app.notifications.errors import TargetOff
from app.notifications.kinds import EventKind
from app.notifications.models import Channel, ChannelKind, Event
from app.notifications.sending import email, robots
from app.notifications.service.publish import publish_test
from app.notifications.service.removal import cancel_pending
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class ChannelDraft:
    """A new channel; `url` as in `sending.email` and `sending.robots`."""

    name: str
    kind: ChannelKind
    url: str
    kinds: tuple[EventKind, ...]
    finance: tuple[str, ...] = ()
    business: tuple[str, ...] = ()
    to_operator: bool = False
    to_accounts: bool = True


def create_channel(
    session: Session, draft: ChannelDraft, *, principal: Principal, settings: Settings, clock: Clock
) -> Channel:
    """Set a channel up. Raises ChannelUrlInvalid, TargetForbidden, TargetUnresolved."""
    shown = _check(draft.kind, draft.url, settings)
    identity, now = new_id(), clock()
    channel = Channel(
        id=identity,
        name=draft.name,
        kind=draft.kind,
        sealed_url=secrets.seal(settings, draft.url, owner=identity),
        shown_url=shown,
        kinds=_values(draft.kinds),
        finance=list(draft.finance),
        business=list(draft.business),
        to_operator=draft.to_operator,
        to_accounts=draft.to_accounts,
        created_at=now,
        updated_at=now,
    )
    session.add(channel)
    session.flush()
    _record(session, channel, principal, clock, change="created", name=channel.name, url=shown)
    return channel


def change_channel(
    session: Session,
    channel_id: UUID,
    changes: Mapping[str, Any],
    *,
    principal: Principal,
    settings: Settings,
    clock: Clock,
) -> Channel:
    """Change what is sent of: name, url, kinds, finance, business, to_operator, to_accounts, enabled."""
    channel = queries.channel(session, channel_id, for_change=True)
    values = dict(changes)
    url = values.pop("url", None)
    if url is not None:
        channel.shown_url = _check(channel.kind, url, settings)
        channel.sealed_url = secrets.seal(settings, url, owner=channel.id)
    if "kinds" in values:
        values["kinds"] = _values(values["kinds"])
    channel.sqlmodel_update(values)
    channel.revision += 1
    channel.updated_at = clock()
    session.add(channel)
    _record(session, channel, principal, clock, change="changed", fields=sorted(changes))
    return channel


def remove_channel(
    session: Session, channel_id: UUID, *, principal: Principal, clock: Clock
) -> None:
    """Send nothing through it any more; the log of its deliveries stays, its secret does not."""
    channel = queries.channel(session, channel_id, for_change=True)
    channel.removed_at, channel.enabled, channel.sealed_url = clock(), False, ""
    session.add(channel)
    cancel_pending(session, channel.id, at=clock())
    _record(session, channel, principal, clock, change="removed", name=channel.name)


def send_test(
    session: Session, channel_id: UUID, recipients: list[str], *, principal: Principal, clock: Clock
) -> Event:
    """Send a test: one try to each of these addresses, or to the robot. Raises TargetOff."""
    channel = queries.channel(session, channel_id)
    if not channel.enabled:
        raise TargetOff
    if channel.kind is ChannelKind.EMAIL and not recipients:
        raise Invalid(errors={"recipients": "请填写收件地址"})
    return publish_test(
        session,
        object_type="channel",
        target_id=channel.id,
        data={
            "message": f"{principal.display_name} 在测试通知渠道“{channel.name}”",
            "recipients": recipients,
        },
        at=clock(),
    )


def _check(kind: ChannelKind, url: str, settings: Settings) -> str:
    if kind is ChannelKind.EMAIL:
        return email.shown(email.parse_server(url))
    return robots.check_robot(url, allow_private=settings.webhook_allow_private)


def _values(kinds: Any) -> list[str]:
    return [EventKind(kind).value for kind in dict.fromkeys(kinds)]


def _record(
    session: Session, channel: Channel, principal: Principal, clock: Clock, **details: Any
) -> None:
    audit.record(
        session,
        actor=principal.actor,
        action=AuditAction.NOTIFICATION_CHANNEL_CHANGED,
        object_type="notification_channel",
        object_id=str(channel.id),
        at=clock(),
        details=details,
    )
