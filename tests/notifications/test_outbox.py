"""From the outbox to inboxes and receivers, on both databases, with a clock that is moved by hand."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import col, select

from app.accounts.principal import Principal, Role
from app.core.db import Database
from app.core.pagination import PageRequest
from app.notifications import queries
from app.notifications.kinds import SUBSCRIBABLE, EventKind
from app.notifications.models import Delivery, DeliveryState, Event, Webhook
from app.notifications.sender import Sender
from app.notifications.sending.result import Result
from app.notifications.service import Subject, deliveries, publish, webhooks
from app.notifications.service.spread import TRIES, backoff, spread_waiting
from app.settings import Settings

Publish = Callable[..., UUID]
FAILED = Result(False, 500, "webhook.failed", "应答 500")


@pytest.fixture
def webhook(
    any_database: Database, settings: Settings, clock: Any, admin: Principal, receiver: Any
) -> Webhook:
    """A webhook for everything, to a receiver that checks its signature."""
    with any_database.transaction() as session:
        new = webhooks.create_webhook(
            session,
            url=receiver.url(),
            kinds=SUBSCRIBABLE,
            principal=admin,
            settings=settings,
            clock=clock,
        )
        receiver.expect(new.secret)
        session.expunge(new.webhook)
        return new.webhook


def _deliveries(database: Database) -> list[Delivery]:
    with database.reading() as session:
        return list(session.exec(select(Delivery)))


def test_what_was_rolled_back_is_never_told(
    any_database: Database, world: Any, sender: Sender, publish_failure: Publish
) -> None:
    admin = world.account(Role.ADMIN)
    operator = world.operator()

    def undone() -> None:
        with any_database.transaction() as session:
            publish_failure(session, operator)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        undone()
    sender.run_all()
    with any_database.reading() as session:
        assert queries.count_unread(session, admin.id) == 0


def test_those_concerned_hear_of_it_and_nobody_else(
    any_database: Database, world: Any, sender: Sender, publish_failure: Publish
) -> None:
    operator, other = world.operator(), world.operator()
    hears = {
        "admin": world.account(Role.ADMIN),
        "group's admin": world.account(Role.ADMIN, enterprises=[operator.enterprise_id]),
        "operator": world.account(Role.OPERATOR, operator_id=operator.id),
        "requester": world.account(Role.OPERATOR),
    }
    deaf = {
        "admin elsewhere": world.account(Role.ADMIN, enterprises=[other.enterprise_id]),
        "disabled admin": world.account(Role.ADMIN, disabled=True),
        "other operator": world.account(Role.OPERATOR, operator_id=other.id),
        "auditor": world.account(Role.AUDITOR),
    }
    with any_database.transaction() as session:
        publish_failure(session, operator, requester_id=str(hears["requester"].id))
    sender.run_all()
    with any_database.reading() as session:
        told = {
            name for name, one in (hears | deaf).items() if queries.count_unread(session, one.id)
        }
        event = session.exec(select(Event)).one()
    assert told == set(hears)
    assert event.title == f"清卡失败：{operator.name}，属期 2026-11"
    assert "代码：bureau.not_filed" in event.text
    assert "怎么办：先完成本期纳税申报，再重试清卡。" in event.text
    assert event.link == "/clearing/requests/r1"


def test_webhook_arrives_signed(
    any_database: Database,
    world: Any,
    sender: Sender,
    webhook: Webhook,
    receiver: Any,
    publish_failure: Publish,
) -> None:
    operator = world.operator()
    with any_database.transaction() as session:
        event_id = publish_failure(session, operator)
    assert sender.run_all() == 1
    (request,) = receiver.requests
    assert request["signed"]
    assert request["headers"]["webhook-id"] == f"msg_{event_id.hex}"
    assert '"type":"clearing.failed"' in request["body"]
    assert '"link":"https://qingka.example/clearing/requests/r1"' in request["body"]
    (delivery,) = _deliveries(any_database)
    assert (delivery.state, delivery.attempts) == (DeliveryState.DELIVERED, 1)


def test_retries_wait_longer_each_time_and_end(
    any_database: Database,
    world: Any,
    sender: Sender,
    clock: Any,
    settings: Settings,
    webhook: Webhook,
    receiver: Any,
    admin: Principal,
    publish_failure: Publish,
) -> None:
    operator = world.operator()
    with any_database.transaction() as session:
        webhooks.change_webhook(
            session,
            webhook.id,
            {"url": receiver.url("fail")},
            principal=admin,
            settings=settings,
            clock=clock,
        )
        publish_failure(session, operator)
    for number in range(1, TRIES + 1):
        assert sender.run_all() == 1, number
        assert sender.run_all() == 0, "not before its time"
        clock.now += backoff(number) - timedelta(seconds=1)
        assert sender.run_all() == 0, "still not before its time"
        clock.move(seconds=1)
    assert sender.run_all() == 0
    (delivery,) = _deliveries(any_database)
    assert (delivery.state, delivery.attempts) == (DeliveryState.DEAD, TRIES)
    assert delivery.error_code == "webhook.failed"
    assert "应答 500：内部错误" in delivery.error_message
    with any_database.reading() as session:
        attempts = queries.attempts_of(session, delivery.id)
    assert [one.status for one in attempts] == [500] * TRIES


def test_backoff_grows_from_a_minute_to_a_day() -> None:
    waits = [backoff(number) for number in range(1, 12)]
    assert waits[0] == timedelta(minutes=1)
    assert waits == sorted(waits)
    assert waits[-1] == timedelta(hours=24)


def test_dead_delivery_is_replayed_under_the_same_id(
    any_database: Database,
    world: Any,
    sender: Sender,
    clock: Any,
    settings: Settings,
    webhook: Webhook,
    receiver: Any,
    admin: Principal,
    publish_failure: Publish,
) -> None:
    operator = world.operator()
    with any_database.transaction() as session:
        publish_failure(session, operator)
    spread_waiting(any_database, clock)
    (claim,) = deliveries.claim_due(any_database, clock, 1)
    with any_database.transaction() as session:
        final = Result(False, 410, "webhook.failed", "", final=True)
        deliveries.finish(session, claim, final, milliseconds=1, at=clock())
    assert _deliveries(any_database)[0].state is DeliveryState.DEAD
    with any_database.transaction() as session:
        deliveries.replay(session, claim.delivery_id, principal=admin, clock=clock)
    assert sender.run_all() == 1
    (request,) = receiver.requests
    (delivery,) = _deliveries(any_database)
    assert request["headers"]["webhook-id"] == f"msg_{delivery.event_id.hex}"
    assert (delivery.state, delivery.attempts) == (DeliveryState.DELIVERED, 2)


def test_repeated_failure_switches_the_webhook_off_and_tells_admins(
    any_database: Database,
    world: Any,
    sender: Sender,
    clock: Any,
    webhook: Webhook,
    publish_failure: Publish,
) -> None:
    account = world.account(Role.ADMIN)
    operator = world.operator()
    for _ in range(deliveries.DISABLE_AFTER):
        with any_database.transaction() as session:
            publish_failure(session, operator)
        spread_waiting(any_database, clock)
        (claim,) = deliveries.claim_due(any_database, clock, 1)
        with any_database.transaction() as session:
            final = Result(False, 500, "webhook.failed", "应答 500", final=True)
            deliveries.finish(session, claim, final, milliseconds=1, at=clock())
    with any_database.reading() as session:
        row = queries.webhook(session, webhook.id)
        assert (row.enabled, row.disabled_reason) == (False, "连续 30 次投递失败")
    with any_database.transaction() as session:
        publish_failure(session, operator)
    assert sender.run_all() == 0, "nothing goes to a webhook that is off"
    with any_database.reading() as session:
        titles = [event.title for _, event in queries.inbox(session, account.id, PageRequest())[0]]
    assert "Webhook 已停用：127.0.0.1" in titles


def test_two_senders_never_take_the_same_delivery(
    any_database: Database,
    world: Any,
    clock: Any,
    webhook: Webhook,
    publish_failure: Publish,
) -> None:
    operator = world.operator()
    with any_database.transaction() as session:
        for _ in range(20):
            publish_failure(session, operator)
    spread_waiting(any_database, clock)
    taken: list[UUID] = []
    lock = threading.Lock()
    barrier = threading.Barrier(4)

    def work() -> None:
        barrier.wait()
        empty = 0
        while empty < 3:
            claims = deliveries.claim_due(any_database, clock, 4)
            empty = 0 if claims else empty + 1
            for claim in claims:
                with lock:
                    taken.append(claim.delivery_id)
                with any_database.transaction() as session:
                    deliveries.finish(session, claim, Result(True, 200), milliseconds=1, at=clock())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    while claims := deliveries.claim_due(any_database, clock, 4):
        for claim in claims:
            taken.append(claim.delivery_id)
            with any_database.transaction() as session:
                deliveries.finish(session, claim, Result(True, 200), milliseconds=1, at=clock())
    assert len(taken) == len(set(taken)) == 20
    assert all(one.attempts == 1 for one in _deliveries(any_database))


@pytest.mark.parametrize("any_database", ["postgresql"], indirect=True)
@pytest.mark.parametrize(("holder", "other"), [(0, 300), (-300, 0)])
def test_a_sender_whose_clock_is_wrong_takes_nobodys_delivery_and_loses_none(
    any_database: Database,
    world: Any,
    clock: Any,
    webhook: Webhook,
    publish_failure: Publish,
    holder: int,
    other: int,
) -> None:
    operator = world.operator()
    with any_database.transaction() as session:
        publish_failure(session, operator)
        publish_failure(session, operator)
    spread_waiting(any_database, clock)
    clock.move(minutes=10)

    def off_by(seconds: int) -> Callable[[], datetime]:
        return lambda: clock() + timedelta(seconds=seconds)

    assert len(deliveries.claim_due(any_database, off_by(holder), 4)) == 1
    assert deliveries.claim_due(any_database, off_by(other), 4) == [], "the receiver is busy"
    _end_leases(any_database)
    assert len(deliveries.claim_due(any_database, off_by(other), 4)) == 1


def _end_leases(database: Database) -> None:
    with database.transaction() as session:
        for delivery in session.exec(
            select(Delivery).where(col(Delivery.leased_until).is_not(None))
        ):
            assert delivery.leased_until is not None
            delivery.leased_until -= deliveries.LEASE
            session.add(delivery)


def test_a_lease_keeps_others_off_until_it_ends(
    any_database: Database, world: Any, clock: Any, webhook: Webhook, publish_failure: Publish
) -> None:
    operator = world.operator()
    with any_database.transaction() as session:
        publish_failure(session, operator)
    spread_waiting(any_database, clock)
    (lost,) = deliveries.claim_due(any_database, clock, 4)
    assert deliveries.claim_due(any_database, clock, 4) == []
    _end_leases(any_database)
    (claim,) = deliveries.claim_due(any_database, clock, 4)
    with any_database.transaction() as session:
        deliveries.finish(session, lost, FAILED, milliseconds=1, at=clock())
    assert _deliveries(any_database)[0].attempts == 0, "who lost the lease has no say"
    with any_database.transaction() as session:
        deliveries.finish(session, claim, Result(True, 200), milliseconds=1, at=clock())
    assert _deliveries(any_database)[0].state is DeliveryState.DELIVERED


def test_an_event_is_spread_once_by_many(
    any_database: Database, world: Any, clock: Any, publish_failure: Publish
) -> None:
    account, operator = world.account(Role.ADMIN), world.operator()
    with any_database.transaction() as session:
        for _ in range(45):
            publish_failure(session, operator)
    counts: list[int] = []
    barrier = threading.Barrier(3)

    def work() -> None:
        barrier.wait()
        counts.append(spread_waiting(any_database, clock))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(counts) == 45
    with any_database.reading() as session:
        assert queries.count_unread(session, account.id) == 45


def test_kind_with_dedupe_key_is_kept_once(any_database: Database, clock: Any) -> None:
    with any_database.transaction() as session:
        made = [
            publish(
                session,
                EventKind.BACKUP_FAILED,
                subject=Subject("backup", "b1"),
                data={"message": "磁盘已满"},
                at=clock(),
                dedupe_key="audit:7",
            )
            for _ in range(2)
        ]
    assert [one is not None for one in made] == [True, False]


def test_a_try_that_breaks_is_a_failed_one(
    any_database: Database,
    world: Any,
    sender: Sender,
    webhook: Webhook,
    publish_failure: Publish,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: Any, **__: Any) -> Result:
        raise ZeroDivisionError

    monkeypatch.setattr("app.notifications.outgoing.webhook.send", broken)
    operator = world.operator()
    with any_database.transaction() as session:
        publish_failure(session, operator)
    assert sender.run_all() == 1
    (delivery,) = _deliveries(any_database)
    assert (delivery.attempts, delivery.error_code) == (1, "internal")
    assert (delivery.state, delivery.leased_until) == (DeliveryState.PENDING, None)


def test_odd_answers_of_devices_are_told_on_one_line(
    any_database: Database, sender: Sender, clock: Any
) -> None:
    with any_database.transaction() as session:
        publish(
            session,
            EventKind.BACKUP_FAILED,
            subject=Subject("backup", "b1"),
            data={"message": "设备\0忙\r\nBcc: x@example.com"},
            at=clock(),
        )
    sender.run_all()
    with any_database.reading() as session:
        event = session.exec(select(Event)).one()
    assert event.title == "备份失败：设备忙 Bcc: x@example.com"
    assert event.text == "原因：设备忙 Bcc: x@example.com"


@pytest.mark.parametrize("awaits", [True, False])
def test_reviewers_hear_only_of_what_awaits_them(
    any_database: Database, world: Any, sender: Sender, clock: Any, awaits: bool
) -> None:
    operator, reviewer = world.operator(), world.account(Role.REVIEWER)
    with any_database.transaction() as session:
        publish(
            session,
            EventKind.CLEARING_SUBMITTED,
            subject=Subject("clearing_request", "r1", operator.enterprise_id, operator.id),
            data={"operator": operator.name, "awaits_review": awaits},
            at=clock(),
        )
    sender.run_all()
    with any_database.reading() as session:
        assert queries.count_unread(session, reviewer.id) == int(awaits)
