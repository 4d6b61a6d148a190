"""An office whose clearings, approvals and decisions are on record; and what an owner of the file can do."""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from app.accounts.principal import SYSTEM, Role
from app.audit.canonical import GENESIS, chain_hash, record_bytes
from app.clearing.evidence import GUARDS
from app.core.db import Database
from app.reconciliation import service as reconciliation
from app.reconciliation.models import DifferenceKind, ReconciliationDifference, ReconciliationRun
from app.requests.run import stage_done
from app.requests.service import outcome, review
from app.settings import Settings
from tests.acting import person_of
from tests.office import DUE, MovableClock, Office, new_office

Owner = Callable[..., None]


@dataclass(frozen=True)
class Proven:
    """An office with one record, one approved request, one rejected one, and one decision."""

    office: Office
    database: Database
    settings: Settings
    clock: MovableClock
    approved: UUID
    rejected: UUID


def fill(database: Database, settings: Settings, clock: MovableClock) -> Proven:
    """Clear one operator, reject another, accept a difference."""
    office = new_office(database, settings, clock)
    clerk, reviewer = person_of(Role.OPERATOR), person_of(Role.REVIEWER)
    subject = office.operator(machines=(0, 1))
    approved = office.submit(subject, principal=clerk)
    rejected = office.submit(office.operator(), principal=clerk)
    office.change(
        approved,
        lambda session, request: review.approve(
            session, request, principal=reviewer, comment="同意", settings=settings, clock=clock
        ),
    )
    office.change(
        rejected,
        lambda session, request: review.reject(
            session, request, principal=reviewer, comment="资料不全", clock=clock
        ),
    )
    office.execute(approved)
    office.clear_on_device(approved)
    office.change(
        approved,
        lambda session, request: outcome.succeed(
            session, request, stage_done.evidence_of(session, request), clock=clock
        ),
    )
    _decide(office, subject.operator_id, subject.device_ids[0])
    return Proven(office, database, settings, clock, approved, rejected)


def _decide(office: Office, operator_id: UUID, device_id: UUID) -> None:
    with office.database.transaction() as session:
        run = ReconciliationRun(
            period=DUE,
            devices=[],
            differences=1,
            started_by="x",
            started_by_name="x",
            started_at=office.clock(),
        )
        session.add(run)
        session.flush()
        row = ReconciliationDifference(
            run_id=run.id,
            kind=DifferenceKind.NUMBER_GAP,
            enterprise_id=office.enterprise_id,
            operator_id=operator_id,
            device_id=device_id,
            device_number="660000001000",
            period=DUE,
            message="断号",
            details={"from": "1"},
            fingerprint="f" * 64,
        )
        session.add(row)
        session.flush()
        reconciliation.accept(
            session, run.id, row.id, reason="已作废", principal=SYSTEM, at=office.clock()
        )


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def settings(tmp_path: Any) -> Settings:
    return Settings.model_validate(
        {"data_dir": tmp_path, "agent": "off", "secret_key": "a root secret for tests, 32 bytes"}
    )


@pytest.fixture
def proven(any_database: Database, settings: Settings, clock: MovableClock) -> Proven:
    """On each kind of database."""
    return fill(any_database, settings, clock)


@pytest.fixture
def proven_file(database: Database, settings: Settings, clock: MovableClock) -> Proven:
    """On SQLite, where who has the file can do everything."""
    return fill(database, settings, clock)


@pytest.fixture
def as_owner() -> Owner:
    """Runs statements as who owns the database can: guards off, act, guards on again as they were."""

    def act(database: Database, *statements: str, rehash: bool = False) -> None:
        if database.is_sqlite:
            _act_on_file(Path(str(database.url.database)), statements, rehash=rehash)
            return
        tables = [guard.table for guard in GUARDS]
        off = [f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in tables]
        on = [f"ALTER TABLE {name} ENABLE ALWAYS TRIGGER {name}_append_only" for name in tables]
        on.append("ALTER TABLE audit_records ENABLE ALWAYS TRIGGER audit_records_contiguous")
        with database.engine.begin() as connection:
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            for statement in (*off, *statements, *on):
                connection.exec_driver_sql(statement)

    return act


def _act_on_file(path: Path, statements: Sequence[str], *, rehash: bool) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    guards = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    found = guards.fetchall()
    off, on = [f"DROP TRIGGER {name}" for name, _ in found], [sql for _, sql in found]
    for statement in (*off, *statements):
        connection.execute(statement)
    if rehash:
        _rechain(connection)
    for statement in on:
        connection.execute(statement)
    connection.close()


def _rechain(connection: sqlite3.Connection) -> None:
    """Compute all hashes anew, as a forger does after rewriting."""
    names = (
        *("seq", "at", "actor_kind", "actor_id", "actor_name", "action", "object_type"),
        *("object_id", "ip", "details"),
    )
    query = f"SELECT {', '.join(names)} FROM audit_records ORDER BY seq"
    rows = connection.execute(query).fetchall()
    previous = GENESIS
    for row in rows:
        values = dict(zip(names, row, strict=True))
        hash_ = chain_hash(previous, record_bytes(**values))
        connection.execute(
            "UPDATE audit_records SET prev_hash = ?, hash = ? WHERE seq = ?",
            (previous, hash_, values["seq"]),
        )
        previous = hash_
    connection.execute("UPDATE audit_head SET seq = ?, hash = ?", (len(rows), previous))
