"""Channels (通知渠道): set up, change, remove, test. Their addresses hold secrets and are sealed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from app.accounts.principal import Principal
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.core.clock import Clock
from app.core.crypto import NotOpened
from app.core.db import Session
from app.core.ids import new_id
from app.errors import Invalid
from app.notifications import queries, secrets
from app.notifications.errors import ChannelUrlInvalid, TargetOff
from app.notifications.kinds import EventKind
from app.notifications.models import Channel, ChannelKind, Event
from app.notifications.sending import mail_servers, robot_addresses, robots
from app.notifications.sending.mail_servers import PORTS, Server
from app.notifications.sending.robot_addresses import Robot
from app.notifications.service.publish import publish_test
from app.notifications.service.removal import cancel_pending
from app.settings import Settings

Way = Server | Robot
"""Where a channel leads, with its secrets."""
_WAY: tuple[str, ...] = ("url", "secret", "smtp")


@dataclass(frozen=True, slots=True)
class ChannelDraft:
    """A new channel; `url` as in `sending.mail_servers` and `sending.robot_addresses`.

    `smtp` are the fields of a mail server, instead of `url`; `secret` is the one a robot signs with.
    """

    name: str
    kind: ChannelKind
    url: str
    kinds: tuple[EventKind, ...]
    finance: tuple[str, ...] = ()
    business: tuple[str, ...] = ()
    to_operator: bool = False
    to_accounts: bool = True
    secret: str | None = None
    smtp: Mapping[str, Any] | None = None


def create_channel(
    session: Session, draft: ChannelDraft, *, principal: Principal, settings: Settings, clock: Clock
) -> Channel:
    """Set a channel up. Raises ChannelUrlInvalid, TargetForbidden, TargetUnresolved."""
    if draft.kind is ChannelKind.ROBOT:
        way: Way = robot_addresses.recognise(draft.url, draft.secret)
    elif draft.smtp is not None:
        way = _new_server(draft.smtp)
    else:
        way = mail_servers.parse_server(draft.url)
    _check(way, settings, field="smtp.host" if draft.smtp else "url")
    identity, now = new_id(), clock()
    address, shown = _written(way)
    channel = Channel(
        id=identity,
        name=draft.name,
        kind=draft.kind,
        sealed_url=secrets.seal(settings, address, owner=identity),
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
    """Change what is sent of: name, url, secret, smtp, kinds, lists of receivers, enabled.

    Raises ChannelUrlInvalid, TargetForbidden, TargetUnresolved, Invalid.
    """
    channel = queries.channel(session, channel_id, for_change=True)
    values = dict(changes)
    given = {name: values.pop(name) for name in _WAY if name in values}
    if given:
        way = _changed(channel, given, settings)
        _check(way, settings, field="smtp.host" if "smtp" in given else "url")
        address, channel.shown_url = _written(way)
        channel.sealed_url = secrets.seal(settings, address, owner=channel.id)
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


def way_of(channel: Channel, settings: Settings) -> Way | None:
    """What a channel keeps sealed; None when it cannot be read (another root secret, another form)."""
    try:
        address = secrets.unseal(settings, channel.sealed_url, owner=channel.id)
        if channel.kind is ChannelKind.ROBOT:
            return robot_addresses.recognise(address)
        return mail_servers.parse_server(address)
    except (NotOpened, ChannelUrlInvalid):
        return None


def _changed(channel: Channel, given: Mapping[str, Any], settings: Settings) -> Way:
    """The way after the change; what is not sent of a mail server or a robot stays as it is."""
    if channel.kind is ChannelKind.ROBOT:
        if "smtp" in given:
            raise Invalid(errors={"smtp": "群机器人没有邮件服务器"})
        if "url" in given:
            return robot_addresses.recognise(given["url"], given.get("secret"))
        robot = way_of(channel, settings)
        if not isinstance(robot, Robot):
            raise Invalid(errors={"url": "原来的地址无法读取，请重新粘贴"})
        return robot_addresses.recognise(robot_addresses.address_of(robot), given["secret"])
    if "secret" in given or len(given) > 1:
        raise Invalid(errors={"url": "邮件渠道只改 smtp 或 url 之一，没有 secret"})
    if "url" in given:
        return mail_servers.parse_server(given["url"])
    server = way_of(channel, settings)
    fields = {name: value for name, value in given["smtp"].items() if value is not None}
    if isinstance(server, Server):
        return _changed_server(server, fields)
    lacking = {f"smtp.{name}": "必填" for name in ("host", "sender") if not fields.get(name)}
    if lacking:
        raise Invalid("原来的邮件服务器无法读取，请重新填写", errors=lacking)
    return _new_server(fields)


def _new_server(fields: Mapping[str, Any]) -> Server:
    encryption = fields.get("encryption") or mail_servers.Encryption.STARTTLS
    return Server(
        host=fields["host"],
        port=fields.get("port") or PORTS[encryption],
        user=fields.get("user", ""),
        password=fields.get("password", ""),
        sender=fields["sender"],
        sender_name=fields.get("sender_name") or mail_servers.SENDER_NAME,
        encryption=encryption,
    )


def _changed_server(server: Server, fields: Mapping[str, Any]) -> Server:
    """An empty password keeps the old one, which goes to no other host; no user needs none."""
    wanted = {name: value for name, value in fields.items() if name != "password" or value}
    changed = replace(server, **wanted)
    if not changed.user:
        return replace(changed, password="")
    if server.password and "password" not in wanted and changed.host != server.host:
        raise Invalid(errors={"smtp.password": "更换服务器后请重新填写密码"})
    return changed


def _check(way: Way, settings: Settings, *, field: str) -> None:
    allow_private = settings.webhook_allow_private
    if isinstance(way, Server):
        mail_servers.check_host(way, allow_private=allow_private, field=field)
    else:
        robots.check(way, allow_private=allow_private)


def _written(way: Way) -> tuple[str, str]:
    """The address to be sealed, and what is shown of it."""
    if isinstance(way, Server):
        return mail_servers.address_of(way), mail_servers.shown(way)
    return robot_addresses.address_of(way), robot_addresses.shown(way)


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
