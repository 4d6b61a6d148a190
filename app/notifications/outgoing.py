"""What a delivery sends and where: the row made into one try."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.core.crypto import NotOpened
from app.core.db import Database, Session
from app.notifications import queries, secrets
from app.notifications.errors import ChannelUrlInvalid
from app.notifications.models import Channel, ChannelKind, Delivery, Event, Webhook
from app.notifications.sending import email, robots, webhook
from app.notifications.sending.result import Result, failed
from app.notifications.sending.standard_webhooks import body_of
from app.notifications.texts import address_of
from app.settings import Settings

SIGNATURE = "清卡管理 自动发送"


@dataclass(frozen=True, slots=True)
class _Robot:
    url: str
    note: robots.Note


@dataclass(frozen=True, slots=True)
class _Email:
    server: email.Server
    letter: email.Letter


Outgoing = webhook.Parcel | _Email | _Robot


def send(database: Database, settings: Settings, delivery_id: UUID, *, at: datetime) -> Result:
    """One try of a delivery; the network is waited for outside any transaction."""
    with database.reading() as session:
        try:
            outgoing = _prepare(session, settings, delivery_id, at)
        except NotOpened:
            return failed(ChannelUrlInvalid, "密钥无法解开（QINGKA_SECRET_KEY 已更换），请重新填写")
        except ChannelUrlInvalid as error:
            return failed(ChannelUrlInvalid, error.detail)
    allow_private = settings.webhook_allow_private
    if isinstance(outgoing, webhook.Parcel):
        return webhook.send(outgoing, at=at, allow_private=allow_private)
    if isinstance(outgoing, _Email):
        return email.send(outgoing.server, outgoing.letter)
    return robots.send(outgoing.url, outgoing.note, allow_private=allow_private)


def _prepare(session: Session, settings: Settings, delivery_id: UUID, at: datetime) -> Outgoing:
    delivery = queries.delivery(session, delivery_id)
    event = session.get_one(Event, delivery.event_id)
    if delivery.webhook_id is not None:
        return _parcel(settings, session.get_one(Webhook, delivery.webhook_id), event)
    channel = session.get_one(Channel, delivery.channel_id)
    url = secrets.unseal(settings, channel.sealed_url, owner=channel.id)
    text = _text(settings, event)
    if channel.kind is ChannelKind.ROBOT:
        return _Robot(url, robots.Note(event.title, text, at))
    return _Email(email.parse_server(url), _letter(delivery, event, text))


def _parcel(settings: Settings, row: Webhook, event: Event) -> webhook.Parcel:
    """The facts, and where to look: `object_type`, `object_id` and the page's address."""
    data = {
        "object_type": event.object_type,
        "object_id": event.object_id,
        "title": event.title,
        "link": address_of(settings.public_url, event.link),
        **event.data,
    }
    secret = secrets.unseal(settings, row.sealed_secret, owner=row.id)
    return webhook.Parcel(
        row.url, secret, f"msg_{event.id.hex}", body_of(event.kind, event.at, data)
    )


def _letter(delivery: Delivery, event: Event, text: str) -> email.Letter:
    return email.Letter(
        delivery.recipient,
        f"【清卡管理】{event.title}",
        f"{text}\n\n-- \n{SIGNATURE}\n",
        f"qingka.{delivery.id.hex}",
        event.at,
    )


def _text(settings: Settings, event: Event) -> str:
    link = address_of(settings.public_url, event.link)
    return f"{event.text}\n查看：{link}" if event.text else f"查看：{link}"
