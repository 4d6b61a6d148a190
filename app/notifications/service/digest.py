"""One message a day for each person about all devices near their lock date (每日汇总).

The single events (`device.lock_approaching`) go to webhooks. People get one notification, one mail
for each address however many ways lead to it, and each group robot one message. Who hears of the same
devices shares an event.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from uuid import UUID

from app.core.clock import local_date
from app.core.db import Database, Session
from app.notifications import audience, queries, wake
from app.notifications.audience import Reader
from app.notifications.kinds import EventKind
from app.notifications.models import Channel, ChannelKind, Event, Notification
from app.notifications.service.spread import to_channel
from app.notifications.texts import message_of

REMEDY = "完成抄报与申报后，在清卡管理中为这些操作员清卡；逾期设备将锁死，不能开票。"
_CHUNK = 100
_KIND = EventKind.DEVICE_LOCK_APPROACHING
"""What people choose to hear of, and channels to send."""


@dataclass(frozen=True, slots=True)
class NearLock:
    """A device whose lock date is near, with what a person wants to know of it."""

    enterprise_id: UUID
    operator_id: UUID
    operator_email: str
    device: str
    operator: str
    operator_code: str
    enterprise: str
    lock_date: date
    days_left: int


@dataclass(slots=True)
class _Receivers:
    """Who hears of one choice of devices."""

    accounts: list[UUID] = field(default_factory=list)
    mails: list[tuple[Channel, str]] = field(default_factory=list)
    robots: list[Channel] = field(default_factory=list)


@dataclass(slots=True)
class _Mailbox:
    """An address, the first channel that leads to it, and the devices (by place) it hears of."""

    channel: Channel
    address: str
    places: set[int] = field(default_factory=set)


def send_digests(database: Database, near: Sequence[NearLock], *, at: datetime) -> int:
    """Publish today's digests; gives how many. A few a transaction; who has one of today gets no other.

    `near` are the devices, the most urgent first.
    """
    with database.reading() as session:
        groups = list(_groups(session, near, at).items())
    for start in range(0, len(groups), _CHUNK):
        with database.transaction() as session:
            for places, receivers in groups[start : start + _CHUNK]:
                event = _event(session, [near[place] for place in places], at)
                _hand_over(session, event, receivers, at)
            wake.after_commit(session)
    return len(groups)


def _groups(
    session: Session, near: Sequence[NearLock], at: datetime
) -> dict[tuple[int, ...], _Receivers]:
    """The receivers by the places of the devices they hear of, without those who were told today."""
    groups: dict[tuple[int, ...], _Receivers] = {}
    told = queries.told_of(session, EventKind.DEVICE_LOCK_DIGEST, local_date(at).isoformat())
    heard = _heard(session, near)
    for reader, places in heard:
        if reader.in_app and reader.account_id not in told:
            groups.setdefault(places, _Receivers()).accounts.append(reader.account_id)
    for mailbox in _mailboxes(session, near, heard):
        if mailbox.address.casefold() not in told:
            places = tuple(sorted(mailbox.places))
            mail = mailbox.channel, mailbox.address
            groups.setdefault(places, _Receivers()).mails.append(mail)
    robots = queries.subscribed_channels(session, _KIND, ChannelKind.ROBOT)
    waiting = [robot for robot in robots if robot.id not in told]
    if waiting and near:
        groups.setdefault(tuple(range(len(near))), _Receivers()).robots += waiting
    return groups


def _heard(session: Session, near: Sequence[NearLock]) -> list[tuple[Reader, tuple[int, ...]]]:
    """The accounts concerned, each with the places of its devices."""
    places: dict[tuple[UUID, UUID], list[int]] = {}
    for place, one in enumerate(near):
        places.setdefault((one.enterprise_id, one.operator_id), []).append(place)
    return [
        (reader, tuple(sorted(place for subject in concerned for place in places[subject])))
        for reader, concerned in audience.readers_of_many(session, _KIND, places)
    ]


def _mailboxes(
    session: Session,
    near: Sequence[NearLock],
    heard: Sequence[tuple[Reader, tuple[int, ...]]],
) -> Iterable[_Mailbox]:
    boxes: dict[str, _Mailbox] = {}

    def put(channel: Channel, address: str, places: Iterable[int]) -> None:
        if address:
            box = boxes.setdefault(address.casefold(), _Mailbox(channel, address))
            box.places.update(places)

    for channel in queries.subscribed_channels(session, _KIND, ChannelKind.EMAIL):
        for address in (*channel.finance, *channel.business):
            put(channel, address, range(len(near)))
        if channel.to_operator:
            for place, one in enumerate(near):
                put(channel, one.operator_email, [place])
        if channel.to_accounts:
            for reader, places in heard:
                put(channel, reader.address if reader.email else "", places)
    return boxes.values()


def _event(session: Session, near: Sequence[NearLock], at: datetime) -> Event:
    hidden = {"enterprise_id", "operator_id", "operator_email"}
    data = {
        "count": len(near),
        "days_left": near[0].days_left,
        "devices": [
            {name: value for name, value in asdict(one).items() if name not in hidden}
            | {"lock_date": one.lock_date.isoformat()}
            for one in near
        ],
        "remedy": REMEDY,
    }
    kind = EventKind.DEVICE_LOCK_DIGEST
    words = message_of(kind, object_type="devices_near_lock", object_id="", data=data)
    event = Event(
        kind=kind,
        object_type="devices_near_lock",
        object_id=local_date(at).isoformat(),
        data=data,
        title=words.title,
        text=words.text,
        link=words.link,
        at=at,
        spread_at=at,
    )
    session.add(event)
    session.flush()
    return event


def _hand_over(session: Session, event: Event, receivers: _Receivers, at: datetime) -> None:
    session.add_all(
        Notification(account_id=account_id, event_id=event.id) for account_id in receivers.accounts
    )
    session.add_all(to_channel(event, channel, address, at) for channel, address in receivers.mails)
    session.add_all(to_channel(event, channel, "", at) for channel in receivers.robots)
