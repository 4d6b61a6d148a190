"""Devices near their lock date: one message a day for each person, the single events for webhooks."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import date
from email.message import Message
from typing import Any

import pytest
from sqlmodel import col, select

from app.accounts.principal import Principal, Role
from app.core.db import Database
from app.core.ids import new_id
from app.notifications import queries
from app.notifications.digest_words import SHOWN_AT_MOST
from app.notifications.kinds import EventKind
from app.notifications.models import (
    Address,
    Channel,
    ChannelKind,
    Event,
    Notification,
    Preference,
)
from app.notifications.reminders import remind_of_locks
from app.notifications.secrets import seal
from app.notifications.sender import Sender
from app.notifications.service import webhooks
from app.settings import Settings

SOON = date(2026, 12, 14)
"""Five days after the clock's day: the first threshold."""
LATER = date(2026, 12, 13)
MakeChannel = Callable[..., None]


@pytest.fixture
def channel(
    any_database: Database, settings: Settings, mail_server: Any, clock: Any
) -> MakeChannel:
    """Set up a channel that wants the reminders."""

    def make(name: str = "邮件", **values: Any) -> None:
        identity = new_id()
        given: dict[str, Any] = {
            "kind": ChannelKind.EMAIL,
            "sealed_url": seal(settings, mail_server.url, owner=identity),
            "shown_url": "",
            "kinds": [EventKind.DEVICE_LOCK_APPROACHING.value],
            "to_accounts": False,
        }
        with any_database.transaction() as session:
            session.add(
                Channel(
                    id=identity, name=name, created_at=clock(), updated_at=clock(), **given | values
                )
            )

    return make


def _digests(database: Database) -> list[Event]:
    with database.reading() as session:
        wanted = select(Event).where(Event.kind == EventKind.DEVICE_LOCK_DIGEST)
        return list(session.exec(wanted.order_by(col(Event.id))))


def _numbers(event: Event) -> list[str]:
    return [one["device"] for one in event.data["devices"]]


def _inbox(database: Database, account: Any) -> list[Event]:
    with database.reading() as session:
        wanted = (
            select(Event)
            .join(Notification, col(Notification.event_id) == col(Event.id))
            .where(Notification.account_id == account.id)
            .order_by(col(Event.id))
        )
        return list(session.exec(wanted))


def _parts(letter: Message) -> list[str]:
    """The texts of a mail: as lines, and as HTML."""
    payloads = [part.get_payload(decode=True) for part in letter.walk() if not part.is_multipart()]
    return [payload.decode() for payload in payloads if isinstance(payload, bytes)]


def _remind(database: Database, settings: Settings, clock: Any, sender: Sender) -> None:
    remind_of_locks(database, settings, clock())
    sender.run_all()


def test_one_notification_a_day_lists_what_concerns_the_person(
    any_database: Database, world: Any, settings: Settings, clock: Any, sender: Sender
) -> None:
    first, second = world.operator(), world.operator()
    devices = [world.device(first, lock_date=SOON) for _ in range(3)]
    other = world.device(second, lock_date=LATER)
    world.device(second, lock_date=date(2027, 1, 18))
    own = world.account(Role.OPERATOR, operator_id=first.id)
    admin = world.account(Role.ADMIN)
    limited = world.account(Role.ADMIN, enterprises=[second.enterprise_id])
    reviewer = world.account(Role.REVIEWER)
    _remind(any_database, settings, clock, sender)
    _remind(any_database, settings, clock, sender)
    numbers = [device.number for device in devices]
    assert [_numbers(one) for one in _inbox(any_database, own)] == [numbers]
    assert [_numbers(one) for one in _inbox(any_database, admin)] == [[other.number, *numbers]]
    assert [_numbers(one) for one in _inbox(any_database, limited)] == [[other.number]]
    assert _inbox(any_database, reviewer) == []
    (event,) = _inbox(any_database, admin)
    assert event.title == "4 台设备即将锁死，最近的还有 4 天"
    assert event.link == "/clearing?state=due"
    assert event.text.splitlines()[0].startswith("2026-12-13　还有 4 天　")


def test_a_day_without_a_threshold_is_silent_and_the_next_threshold_lists_all(
    any_database: Database, world: Any, settings: Settings, clock: Any, sender: Sender
) -> None:
    operator = world.operator()
    early, late = (world.device(operator, lock_date=day) for day in (LATER, SOON))
    admin = world.account(Role.ADMIN)
    told = []
    for _ in range(7):
        _remind(any_database, settings, clock, sender)
        told.append(len(_inbox(any_database, admin)))
        clock.move(days=1)
    # early passes 5 (made up for), 3 and 1 on the days 0, 1 and 3; late 5, 3 and 1 on 0, 2 and 4.
    assert told == [1, 2, 3, 4, 5, 5, 5]
    lists = [_numbers(one) for one in _inbox(any_database, admin)]
    assert lists[:4] == [[early.number, late.number]] * 4


def test_one_mail_for_each_address_however_many_ways_lead_to_it(
    any_database: Database,
    world: Any,
    settings: Settings,
    clock: Any,
    sender: Sender,
    mail_server: Any,
    channel: MakeChannel,
) -> None:
    mine, other = world.operator(email="wang@example.com"), world.operator()
    for _ in range(20):
        world.device(mine, lock_date=SOON)
    hidden = world.device(other, lock_date=LATER)
    admin = world.account(Role.ADMIN)
    world.account(Role.OPERATOR, operator_id=mine.id)
    with any_database.transaction() as session:
        session.add(Address(account_id=admin.id, email="boss@example.com"))
    channel("员工", to_operator=True, to_accounts=True)
    channel("财务", finance=["cw@example.com", "Boss@example.com"])
    _remind(any_database, settings, clock, sender)
    letters = {letter["To"]: letter for letter in mail_server.letters}
    assert Counter(letter["To"] for letter in mail_server.letters) == {
        "boss@example.com": 1,
        "cw@example.com": 1,
        "wang@example.com": 1,
    }
    text, table = _parts(letters["boss@example.com"])
    assert table.count("<tr>") == 1 + 21
    assert hidden.number in text
    assert "https://qingka.example/clearing?state=due" in text
    _, of_operator = _parts(letters["wang@example.com"])
    assert of_operator.count("<tr>") == 1 + 20
    assert hidden.number not in of_operator


def test_names_are_no_markup(
    any_database: Database,
    world: Any,
    settings: Settings,
    clock: Any,
    sender: Sender,
    mail_server: Any,
    channel: MakeChannel,
) -> None:
    operator = world.operator()
    with any_database.transaction() as session:
        session.merge(operator).name = "<b>王</b>"
    world.device(operator, lock_date=SOON)
    channel(finance=["cw@example.com"])
    _remind(any_database, settings, clock, sender)
    (letter,) = mail_server.letters
    _, table = _parts(letter)
    assert "&lt;b&gt;王&lt;/b&gt;" in table
    assert "<b>" not in table


def test_what_a_person_chose_holds_for_the_digest(
    any_database: Database,
    world: Any,
    settings: Settings,
    clock: Any,
    sender: Sender,
    mail_server: Any,
    channel: MakeChannel,
) -> None:
    world.device(world.operator(), lock_date=SOON)
    admin = world.account(Role.ADMIN)
    with any_database.transaction() as session:
        session.add(Address(account_id=admin.id, email="boss@example.com"))
        session.add(
            Preference(
                account_id=admin.id,
                kind=EventKind.DEVICE_LOCK_APPROACHING,
                in_app=False,
                email=False,
            )
        )
    channel(to_accounts=True)
    _remind(any_database, settings, clock, sender)
    assert mail_server.letters == []
    assert _inbox(any_database, admin) == []


def test_the_inbox_shows_the_first_ones_and_how_many_more(
    any_database: Database, world: Any, settings: Settings, clock: Any, sender: Sender
) -> None:
    operator = world.operator()
    for _ in range(SHOWN_AT_MOST + 3):
        world.device(operator, lock_date=SOON)
    admin = world.account(Role.ADMIN)
    _remind(any_database, settings, clock, sender)
    (event,) = _inbox(any_database, admin)
    lines = event.text.splitlines()
    assert len(lines) == SHOWN_AT_MOST + 2
    assert lines[SHOWN_AT_MOST] == "另有 3 台，见清单"


def test_a_crash_among_the_digests_is_made_up_for(
    any_database: Database,
    world: Any,
    settings: Settings,
    clock: Any,
    sender: Sender,
    mail_server: Any,
    channel: MakeChannel,
) -> None:
    """Who has the digest of today gets no other; who has not, gets it."""
    first, second = world.operator(email="a@example.com"), world.operator()
    for operator in (first, second):
        world.device(operator, lock_date=SOON)
    own = world.account(Role.OPERATOR, operator_id=second.id)
    admin = world.account(Role.ADMIN)
    channel(to_operator=True)
    remind_of_locks(any_database, settings, clock())
    with any_database.transaction() as session:  # as if the process had died before the admin's
        lost = session.exec(select(Notification).where(Notification.account_id == admin.id)).one()
        session.delete(lost)
        session.flush()
        session.delete(session.get_one(Event, lost.event_id))
    clock.move(hours=2)
    assert remind_of_locks(any_database, settings, clock()) == 0
    sender.run_all()
    assert len(_inbox(any_database, admin)) == 1
    assert len(_inbox(any_database, own)) == 1
    assert [letter["To"] for letter in mail_server.letters] == ["a@example.com"]
    assert len(_digests(any_database)) == 3


def test_webhooks_get_every_device_and_no_digest(
    any_database: Database,
    world: Any,
    settings: Settings,
    clock: Any,
    sender: Sender,
    receiver: Any,
    admin: Principal,
) -> None:
    operator = world.operator()
    devices = {str(world.device(operator, lock_date=SOON).id) for _ in range(3)}
    with any_database.transaction() as session:
        webhooks.create_webhook(
            session,
            url=receiver.url(),
            kinds=[EventKind.DEVICE_LOCK_APPROACHING],
            principal=admin,
            settings=settings,
            clock=clock,
        )
    _remind(any_database, settings, clock, sender)
    bodies = [json.loads(one["body"]) for one in receiver.requests]
    assert {one["type"] for one in bodies} == {"device.lock_approaching"}
    assert {one["data"]["object_id"] for one in bodies} == devices
    assert len(bodies) == 3


def test_each_group_robot_gets_one_message(
    any_database: Database,
    world: Any,
    settings: Settings,
    clock: Any,
    channel: MakeChannel,
) -> None:
    operator = world.operator()
    for _ in range(3):
        world.device(operator, lock_date=SOON)
    channel("群", kind=ChannelKind.ROBOT)
    remind_of_locks(any_database, settings, clock())
    with any_database.reading() as session:
        assert queries.deliveries_by_state(session) == {"pending": 1}
