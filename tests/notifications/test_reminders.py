"""Reminders before the lock date, and what the watch notices."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from sqlmodel import col, select

from app.accounts.principal import Role
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.audit.actor import SYSTEM
from app.core.db import Database
from app.devices.models import Device, DeviceState
from app.jobs.scheduler import JobPlan, Scheduler, every
from app.notifications import queries, watch
from app.notifications.kinds import EventKind
from app.notifications.models import Event
from app.notifications.reminders import parse_days, remind_of_locks, threshold
from app.notifications.sender import Sender
from app.settings import Settings

LOCK = date(2026, 12, 15)
"""Six days after the clock's day."""


def _events(database: Database, kind: EventKind) -> list[Event]:
    with database.reading() as session:
        return list(session.exec(select(Event).where(Event.kind == kind).order_by(col(Event.id))))


def test_one_reminder_a_threshold_and_none_once_cleared(
    any_database: Database, world: Any, settings: Settings, clock: Any
) -> None:
    operator = world.operator()
    device = world.device(operator, lock_date=LOCK)
    world.device(operator, lock_date=LOCK, state=DeviceState.RETIRED, retired_at=clock())
    world.device(operator, lock_date=date(2027, 1, 18))
    told = []
    for _ in range(8):
        told.append(remind_of_locks(any_database, settings, clock()))
        assert remind_of_locks(any_database, settings, clock()) == 0, "once a day"
        clock.move(days=1)
    assert told == [0, 1, 0, 1, 0, 1, 0, 0]
    events = _events(any_database, EventKind.DEVICE_LOCK_APPROACHING)
    assert [event.data["days_left"] for event in events] == [5, 3, 1]
    assert {event.object_id for event in events} == {str(device.id)}


def test_a_cleared_device_is_not_reminded_of(
    any_database: Database, world: Any, settings: Settings, clock: Any
) -> None:
    device = world.device(world.operator(), lock_date=LOCK)
    clock.move(days=1)
    assert remind_of_locks(any_database, settings, clock()) == 1
    with any_database.transaction() as session:
        session.get_one(Device, device.id).lock_date = date(2027, 1, 18)
    clock.move(days=2)
    assert remind_of_locks(any_database, settings, clock()) == 0


def test_a_day_that_was_missed_is_made_up_for(
    any_database: Database, world: Any, settings: Settings, clock: Any
) -> None:
    """The system did not run on the days five and three before."""
    world.device(world.operator(), lock_date=LOCK)
    clock.move(days=4)
    assert remind_of_locks(any_database, settings, clock()) == 1
    assert _events(any_database, EventKind.DEVICE_LOCK_APPROACHING)[0].data["days_left"] == 2


def test_goes_to_the_operators_account_and_admins(
    any_database: Database, world: Any, settings: Settings, clock: Any, sender: Sender
) -> None:
    operator = world.operator()
    world.device(operator, lock_date=LOCK)
    own = world.account(Role.OPERATOR, operator_id=operator.id)
    admin, reviewer = world.account(Role.ADMIN), world.account(Role.REVIEWER)
    clock.move(days=1)
    remind_of_locks(any_database, settings, clock())
    sender.run_all()
    with any_database.reading() as session:
        counts = [queries.count_unread(session, one.id) for one in (own, admin, reviewer)]
    assert counts == [1, 1, 0]


def test_no_days_no_reminders(
    any_database: Database, world: Any, settings: Settings, clock: Any
) -> None:
    world.device(world.operator(), lock_date=LOCK)
    settings.reminder_days = ""
    clock.move(days=5)
    assert remind_of_locks(any_database, settings, clock()) == 0


def test_thresholds() -> None:
    assert [threshold(left, (5, 3, 1)) for left in (6, 5, 4, 3, 2, 1, 0)] == [
        None, 5, 5, 3, 3, 1, 1,
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["x", "5;3", "-1", "61"])
def test_days_that_are_none(text: str) -> None:
    with pytest.raises(ValueError):
        parse_days(text)


@pytest.fixture
def look(any_database: Database, clock: Any) -> Callable[[], str]:
    """One look of the watch, with what it remembers."""
    job = JobPlan("watch", lambda run: watch.look(any_database, run), every(timedelta(seconds=10)))
    scheduler = Scheduler(any_database, clock, [job])
    scheduler.register()

    def once() -> str:
        clock.move(seconds=10)
        assert scheduler.run_due() == ["watch"]
        with any_database.reading() as session:
            return queries.jobs(session)[0].last_result

    return once


def test_failed_backups_are_found_in_the_audit_trail(
    any_database: Database, clock: Any, look: Callable[[], str]
) -> None:
    def record(action: AuditAction, **details: str) -> None:
        with any_database.transaction() as session:
            audit.record(
                session,
                actor=SYSTEM,
                action=action,
                object_type="backup",
                object_id="b1",
                at=clock(),
                details=details,
            )

    record(AuditAction.BACKUP_FAILED, message="在此之前")
    look()
    record(AuditAction.BACKUP_FAILED, code="backup.disk_full", message="磁盘已满", target="nas")
    record(AuditAction.BACKUP_CREATED, path="x")
    record(AuditAction.BACKUP_VERIFICATION_FAILED, message="内容不符")
    assert look() == "备份失败 2 次"
    assert look() == "备份失败 0 次"
    events = _events(any_database, EventKind.BACKUP_FAILED)
    assert [(event.data["code"], event.data["message"]) for event in events] == [
        ("backup.disk_full", "磁盘已满"),
        ("backup.damaged", "内容不符"),
    ]
