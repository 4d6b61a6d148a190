"""What a delivery sends and where: the row made into one try."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.core.crypto import NotOpened
from app.core.db import Database, Session
from app.notifications import digest_words, queries, secrets
from app.notifications.errors import ChannelUrlInvalid
from app.notifications.kinds import EventKind
from app.notifications.models import Channel, ChannelKind, Delivery, Event, Webhook
from app.notifications.sending import email, mail_servers, robot_addresses, robots, webhook
from app.notifications.sending.result import Result, failed
from app.notifications.sending.standard_webhooks import body_of
from app.notifications.texts import address_of
from app.settings import Settings

SIGNATURE = "清卡管理 自动发送"


@dataclass(frozen=True, slots=True)
class _Robot:
    robot: robot_addresses.Robot
    note: robots.Note


@dataclass(frozen=True, slots=True)
class _Email:
    server: mail_servers.Server
    letter: email.Letter


Outgoing = webhook.Parcel | _Email | _Robot


class Line:
    """The way out for one try or several; mails that follow each other share a connection."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._mail = email.Connection(allow_private=settings.webhook_allow_private)

    @property
    def is_open(self) -> bool:
        """Whether another mail through the same channel costs no new connection."""
        return self._mail.is_open

    def close(self) -> None:
        """Nothing more is sent."""
        self._mail.close()

    def send(self, delivery_id: UUID, *, at: datetime) -> Result:
        """One try of a delivery; the network is waited for outside any transaction."""
        with self._database.reading() as session:
            try:
                outgoing = _prepare(session, self._settings, delivery_id, at)
            except NotOpened:
                text = "密钥无法解开（QINGKA_SECRET_KEY 已更换），请重新填写"
                return failed(ChannelUrlInvalid, text)
            except ChannelUrlInvalid as error:
                return failed(ChannelUrlInvalid, error.detail)
        allow_private = self._settings.webhook_allow_private
        if isinstance(outgoing, webhook.Parcel):
            return webhook.send(outgoing, at=at, allow_private=allow_private)
        if isinstance(outgoing, _Email):
            return self._mail.send(outgoing.server, outgoing.letter)
        return robots.send(outgoing.robot, outgoing.note, allow_private=allow_private)


def _prepare(session: Session, settings: Settings, delivery_id: UUID, at: datetime) -> Outgoing:
    delivery = queries.delivery(session, delivery_id)
    event = session.get_one(Event, delivery.event_id)
    if delivery.webhook_id is not None:
        return _parcel(settings, session.get_one(Webhook, delivery.webhook_id), event)
    channel = session.get_one(Channel, delivery.channel_id)
    url = secrets.unseal(settings, channel.sealed_url, owner=channel.id)
    if channel.kind is ChannelKind.ROBOT:
        note = robots.Note(event.title, _text(settings, event), at)
        return _Robot(robot_addresses.recognise(url), note)
    return _Email(mail_servers.parse_server(url), _letter(settings, delivery, event))


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


def _letter(settings: Settings, delivery: Delivery, event: Event) -> email.Letter:
    """A digest has all its devices in the mail, as lines and as a table."""
    link = address_of(settings.public_url, event.link)
    text, table = _text(settings, event), ""
    if event.kind is EventKind.DEVICE_LOCK_DIGEST:
        text = f"{digest_words.plain(event.data)}\n查看：{link}"
        table = digest_words.table(event.data, link)
    return email.Letter(
        delivery.recipient,
        f"【清卡管理】{event.title}",
        f"{text}\n\n-- \n{SIGNATURE}\n",
        f"qingka.{delivery.id.hex}",
        event.at,
        table,
    )


def _text(settings: Settings, event: Event) -> str:
    link = address_of(settings.public_url, event.link)
    return f"{event.text}\n查看：{link}" if event.text else f"查看：{link}"
