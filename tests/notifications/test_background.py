"""The threads of a process: what is published is sent, what is asked for is made, and stopping stops."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import col, select

from app.accounts.principal import Principal, Role
from app.background import Background
from app.core.db import Database
from app.core.metrics import RequestMetrics
from app.inspections import service as inspections_service
from app.inspections.models import Inspection, InspectionState
from app.jobs.models import Job
from app.notifications import queries, sender
from app.notifications.kinds import SUBSCRIBABLE
from app.notifications.models import Delivery, DeliveryState
from app.notifications.service import webhooks
from app.settings import Settings
from app.system.rules import Rules

PATIENCE = 30.0
"""Seconds; far more than anything here takes."""


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


@pytest.fixture
def background(database: Database, settings: Settings, clock: Any) -> Iterator[Background]:
    background = Background(database, settings, clock, RequestMetrics(), Rules(settings))
    background.start()
    yield background
    background.stop()


@pytest.fixture
def any_database(database: Database) -> Database:
    """The threads are the same on both: SQLite is enough here."""
    return database


def _states(database: Database) -> list[DeliveryState]:
    with database.reading() as session:
        return [delivery.state for delivery in session.exec(select(Delivery))]


def test_published_is_sent_soon(
    background: Background,
    database: Database,
    world: Any,
    settings: Settings,
    clock: Any,
    admin: Principal,
    receiver: Any,
    publish_failure: Callable[..., UUID],
) -> None:
    account = world.account(Role.ADMIN)
    operator = world.operator()
    with database.transaction() as session:
        for path in ("ok", "fail"):
            webhooks.create_webhook(
                session,
                url=receiver.url(path),
                kinds=SUBSCRIBABLE,
                principal=admin,
                settings=settings,
                clock=clock,
            )
    with database.transaction() as session:
        for _ in range(6):
            publish_failure(session, operator)
    _until(lambda: _states(database).count(DeliveryState.DELIVERED) == 6)
    with database.reading() as session:
        assert queries.count_unread(session, account.id) == 6


def test_a_slow_receiver_holds_up_nobody(
    background: Background,
    database: Database,
    world: Any,
    settings: Settings,
    clock: Any,
    admin: Principal,
    receiver: Any,
    publish_failure: Callable[..., UUID],
) -> None:
    operator = world.operator()
    with database.transaction() as session:
        for path in ("slow", "ok"):
            webhooks.create_webhook(
                session,
                url=receiver.url(path),
                kinds=SUBSCRIBABLE,
                principal=admin,
                settings=settings,
                clock=clock,
            )
    with database.transaction() as session:
        for _ in range(8):
            publish_failure(session, operator)
    _until(lambda: _states(database).count(DeliveryState.DELIVERED) >= 8)
    paths = [request["path"] for request in receiver.requests]
    assert paths.count("/slow") < 8, "the slow one gets one at a time"


def test_an_inspection_is_made(
    background: Background, database: Database, clock: Any, admin: Principal
) -> None:
    with database.transaction() as session:
        inspection_id = inspections_service.request_inspection(
            session, principal=admin, clock=clock
        ).id
    clock.move(minutes=1)

    def done() -> bool:
        with database.reading() as session:
            return session.get_one(Inspection, inspection_id).state is InspectionState.DONE

    _until(done)


def test_every_job_is_entered_and_runs(background: Background, database: Database) -> None:
    def run() -> set[str]:
        with database.reading() as session:
            return set(session.exec(select(Job.name).where(col(Job.last_run_at).is_not(None))))

    _until(lambda: run() >= {"watch", "lock-reminders", "review-reminders", "inspections"})
    with database.reading() as session:
        jobs = {job.name: job for job in session.exec(select(Job))}
    assert "maintenance" in jobs
    assert all(job.failures == 0 for job in jobs.values())


def test_stopping_ends_the_threads(database: Database, settings: Settings, clock: Any) -> None:
    before = set(threading.enumerate())
    background = Background(database, settings, clock, RequestMetrics(), Rules(settings))
    background.start()
    started = set(threading.enumerate()) - before
    assert len(started) == sender.WORKERS + 3
    background.stop()
    assert not [thread for thread in started if thread.is_alive()]
