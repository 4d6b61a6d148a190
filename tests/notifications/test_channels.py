"""Letters of channels through a real SMTP server; who gets them, and what is tried again."""

import threading
from collections.abc import Callable
from email.header import decode_header, make_header
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import select

from app.accounts.principal import Principal, Role
from app.core.db import Database
from app.notifications import queries
from app.notifications.errors import TargetOff
from app.notifications.kinds import SUBSCRIBABLE, EventKind
from app.notifications.models import Channel, ChannelKind, Delivery, DeliveryState
from app.notifications.sender import MOST_IN_A_ROW, Sender
from app.notifications.service import channels, inbox
from app.notifications.service.channels import ChannelDraft
from app.notifications.service.inbox import Choice
from app.notifications.service.spread import spread_waiting
from app.settings import Settings

WECOM = "wecombot://12345678-1234-1234-1234-1234567890ab"

Create = Callable[..., Channel]


@pytest.fixture
def create(any_database: Database, settings: Settings, clock: Any, admin: Principal) -> Create:
    """Sets a channel up for every kind of event."""

    def make(kind: ChannelKind, url: str, **more: Any) -> Channel:
        draft = ChannelDraft("渠道", kind, url, SUBSCRIBABLE, **more)
        with any_database.transaction() as session:
            channel = channels.create_channel(
                session, draft, principal=admin, settings=settings, clock=clock
            )
            session.expunge(channel)
        return channel

    return make


def _deliveries(database: Database) -> list[Delivery]:
    with database.reading() as session:
        return list(session.exec(select(Delivery).order_by(Delivery.recipient)))


def test_letters_reach_everybody_once(
    any_database: Database,
    world: Any,
    sender: Sender,
    create: Create,
    mail_server: Any,
    publish_failure: Callable[..., UUID],
) -> None:
    operator = world.operator(email="op@example.com")
    own, silent = world.account(Role.ADMIN), world.account(Role.ADMIN)
    world.account(Role.OPERATOR, operator_id=operator.id)
    with any_database.transaction() as session:
        inbox.set_address(session, own.id, "Boss@example.com")
        inbox.set_address(session, silent.id, "silent@example.com")
        inbox.choose(session, silent.id, {EventKind.CLEARING_FAILED: Choice(True, False)})
    create(
        ChannelKind.EMAIL,
        mail_server.url,
        finance=("cw@example.com",),
        business=("boss@example.com",),
        to_operator=True,
    )
    with any_database.transaction() as session:
        publish_failure(session, operator)
    assert sender.run_all() == 3
    assert sorted(letter["To"] for letter in mail_server.letters) == [
        "boss@example.com",
        "cw@example.com",
        "op@example.com",
    ]
    letter = mail_server.letters[0]
    subject = str(make_header(decode_header(letter["Subject"])))
    assert subject == f"【清卡管理】清卡失败：{operator.name}，属期 2026-11"
    text = letter.get_payload(decode=True).decode()
    assert "代码：bureau.not_filed" in text
    assert "清卡前锁死日期：2026-12-15" in text
    assert "查看：https://qingka.example/clearing/requests/r1" in text
    assert len({letter["Message-ID"] for letter in mail_server.letters}) == 3


def test_a_refused_address_is_given_up_and_a_busy_one_is_not(
    any_database: Database,
    world: Any,
    sender: Sender,
    clock: Any,
    create: Create,
    mail_server: Any,
    publish_failure: Callable[..., UUID],
) -> None:
    mail_server.mailbox.refuse = {
        "gone@example.com": "550 no such user",
        "busy@example.com": "451 later",
    }
    create(
        ChannelKind.EMAIL,
        mail_server.url,
        finance=("busy@example.com", "gone@example.com", "well@example.com"),
    )
    operator = world.operator()
    with any_database.transaction() as session:
        publish_failure(session, operator)
    sender.run_all()
    busy, gone, well = _deliveries(any_database)
    assert (busy.state, busy.error_code) == (DeliveryState.PENDING, "notification.email_failed")
    assert (gone.state, gone.error_code) == (DeliveryState.DEAD, "notification.email_refused")
    assert well.state is DeliveryState.DELIVERED
    mail_server.mailbox.refuse = {}
    clock.move(minutes=1)
    assert sender.run_all() == 1
    assert [letter["To"] for letter in mail_server.letters] == [
        "well@example.com",
        "busy@example.com",
    ]


@pytest.fixture
def many(
    any_database: Database, create: Create, mail_server: Any, clock: Any, admin: Principal
) -> Callable[[int], list[str]]:
    """Leaves so many letters to be sent through one channel; gives their receivers."""

    def make(count: int) -> list[str]:
        channel = create(ChannelKind.EMAIL, mail_server.url)
        receivers = [f"p{number:03d}@example.com" for number in range(count)]
        with any_database.transaction() as session:
            channels.send_test(session, channel.id, receivers, principal=admin, clock=clock)
        return receivers

    return make


def test_letters_that_follow_each_other_share_a_connection(
    sender: Sender, mail_server: Any, many: Callable[[int], list[str]]
) -> None:
    receivers = many(MOST_IN_A_ROW + 10)
    assert sender.run_once() == MOST_IN_A_ROW
    assert mail_server.mailbox.connections == 1
    assert sender.run_all() == 10
    assert mail_server.mailbox.connections == 2
    assert sorted(letter["To"] for letter in mail_server.letters) == receivers


def test_a_server_that_has_had_enough_is_called_again(
    sender: Sender, mail_server: Any, many: Callable[[int], list[str]]
) -> None:
    mail_server.mailbox.most = 4
    receivers = many(10)
    assert sender.run_once() == 10
    assert mail_server.mailbox.connections == 3
    assert sorted(letter["To"] for letter in mail_server.letters) == receivers


def test_a_refused_letter_leaves_the_connection_to_the_others(
    any_database: Database, sender: Sender, mail_server: Any, many: Callable[[int], list[str]]
) -> None:
    receivers = many(5)
    mail_server.mailbox.refuse = {receivers[2]: "550 no such user"}
    assert sender.run_once() == 5
    assert mail_server.mailbox.connections == 1
    states = [one.state for one in _deliveries(any_database)]
    assert states.count(DeliveryState.DELIVERED) == 4
    assert states[2] is DeliveryState.DEAD


def test_a_channel_that_is_switched_off_sends_no_further_letter(
    any_database: Database, sender: Sender, mail_server: Any, many: Callable[[int], list[str]]
) -> None:
    """Also in the middle of a row: here, once the second letter has arrived."""

    def switch_off() -> None:
        with any_database.transaction() as session:
            session.exec(select(Channel)).one().enabled = False

    mail_server.mailbox.then = {2: switch_off}
    many(5)
    sender.run_all()
    assert len(mail_server.letters) == 2


def test_several_senders_send_no_letter_twice(
    any_database: Database,
    settings: Settings,
    clock: Any,
    mail_server: Any,
    many: Callable[[int], list[str]],
) -> None:
    receivers = many(40)
    spread_waiting(any_database, clock)
    senders = [Sender(any_database, settings, clock) for _ in range(4)]
    threads = [threading.Thread(target=one.run_all) for one in senders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(letter["To"] for letter in mail_server.letters) == receivers


def test_mail_server_that_is_away(
    sender: Sender, any_database: Database, create: Create, clock: Any, admin: Principal
) -> None:
    channel = create(ChannelKind.EMAIL, "smtp://127.0.0.1:1?from=a@example.com&tls=none")
    with any_database.transaction() as session:
        channels.send_test(session, channel.id, ["x@example.com"], principal=admin, clock=clock)
    assert sender.run_all() == 1
    (delivery,) = _deliveries(any_database)
    assert (delivery.state, delivery.error_code) == (
        DeliveryState.DEAD,
        "notification.email_failed",
    )
    assert "ConnectionRefusedError" in delivery.error_message


def test_switched_off_and_removed(
    any_database: Database,
    world: Any,
    sender: Sender,
    settings: Settings,
    clock: Any,
    admin: Principal,
    create: Create,
    publish_failure: Callable[..., UUID],
) -> None:
    channel = create(ChannelKind.ROBOT, WECOM)
    operator = world.operator()
    with any_database.transaction() as session:
        publish_failure(session, operator)
    with any_database.transaction() as session:
        channels.change_channel(
            session, channel.id, {"enabled": False}, principal=admin, settings=settings, clock=clock
        )
        with pytest.raises(TargetOff):
            channels.send_test(session, channel.id, [], principal=admin, clock=clock)
    with any_database.transaction() as session:
        channels.remove_channel(session, channel.id, principal=admin, clock=clock)
    assert sender.run_all() == 0
    with any_database.reading() as session:
        assert queries.channels(session) == []
        assert session.get_one(Channel, channel.id).sealed_url == ""
