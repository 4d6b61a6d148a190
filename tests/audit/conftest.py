"""A trail to look at, and ways to tamper with a copy of its file."""

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.audit import service
from app.audit.actions import AuditAction
from app.audit.actor import Actor, ActorKind
from app.audit.checkpoint import Signer
from app.core.db import Database, Session

START = datetime(2026, 11, 2, 1, 30, tzinfo=UTC)
ZHANG = Actor(ActorKind.ACCOUNT, "0190c0de-0000-7000-8000-000000000001", "张三", "192.168.1.23")


@pytest.fixture
def signer() -> Signer:
    """The key of the log."""
    return Signer(b"a root secret for tests, 32 bytes")


@pytest.fixture
def append() -> Callable[[Session, int], None]:
    """Appends `count` records, all different."""

    def append(session: Session, count: int) -> None:
        for number in range(count):
            service.record(
                session,
                actor=ZHANG,
                action=list(AuditAction)[number % 7],
                object_type="clearing_request",
                object_id=f"request-{number}",
                at=START + timedelta(minutes=number),
                details={"period": "2026-10", "设备": ["661814461322"], "n": number, "ok": True},
            )

    return append


@pytest.fixture
def trail(database: Database, append: Callable[[Session, int], None]) -> Database:
    """Twelve records on SQLite."""
    with database.transaction() as session:
        append(session, 12)
    return database


@pytest.fixture
def tamper() -> Callable[[Database, str], None]:
    """Runs statements on the file of a database as somebody would who owns it: triggers off first."""

    def tamper(database: Database, script: str) -> None:
        path = Path(str(database.url.database))
        connection = sqlite3.connect(path, isolation_level=None)
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in names.fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.executescript(script)
        connection.close()

    return tamper
