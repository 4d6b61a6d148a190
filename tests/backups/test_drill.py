"""Drills prove that a backup restores bit for bit, and touch nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import select

from app.accounts.principal import SYSTEM
from app.backups import service
from app.backups.models import Backup, BackupDrill, BackupKind
from app.backups.storage import Storage
from app.core.clock import Clock
from app.core.db import Database
from app.settings import Settings

Ledger = Callable[[Database], dict[str, dict[str, Any]]]


def _drill(database: Database, storage: Storage, backup: Backup, clock: Clock) -> BackupDrill:
    return service.drill(database, storage, backup.id, actor=SYSTEM.actor, clock=clock)


def _schemas(database: Database) -> list[str]:
    return sa.inspect(database.engine).get_schema_names()


@pytest.mark.parametrize("cleared", [False, True])
def test_every_place_and_database_restores_exactly(
    any_database: Database,
    storage: Storage,
    populate: Any,
    back_up: Any,
    clear: Any,
    ledger: Ledger,
    clock: Clock,
    actions: Any,
    cleared: bool,
) -> None:
    subject = populate(any_database)
    backup = back_up(any_database, storage, subject)
    if cleared:
        clear(any_database, subject)
    before, schemas = ledger(any_database), _schemas(any_database)
    report = _drill(any_database, storage, backup, clock)
    assert (report.ok, report.rows, report.tables) == (True, 8, 1), report.message
    assert report.engine == any_database.engine.dialect.name
    assert report.target == storage.first.name
    assert ledger(any_database) == before
    assert _schemas(any_database) == schemas
    assert list(storage.spool.iterdir()) == []
    assert actions(any_database)[-1] == "backup.drilled"


def test_partial_backup_restores_exactly(
    any_database: Database, local: Storage, populate: Any, clock: Clock
) -> None:
    from app.backups.ledger import device_rows, invoice_table

    subject = populate(any_database)

    def rows(session: Any) -> Any:
        found = device_rows(session, subject.device_id, None)
        return (row for row in found if row["invoice_type"] == "004")

    content = service.Content(
        BackupKind.PRE_CLEARING, "partial", (invoice_table(subject.number, rows),)
    )
    backup = service.create(any_database, local, content, actor=SYSTEM.actor, clock=clock)
    report = _drill(any_database, local, backup, clock)
    assert (report.ok, report.rows) == (True, 2)


def test_a_damaged_backup_fails_its_drill(
    database: Database, local: Storage, populate: Any, back_up: Any, clock: Clock
) -> None:
    backup = back_up(database, local, populate(database))
    path = local.first.root / backup.path  # type: ignore[attr-defined]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    report = _drill(database, local, backup, clock)
    assert (report.ok, report.rows, report.engine) == (False, 0, "")
    assert "备份已损坏" in report.message
    local.first.delete(backup.path)
    assert "不存在" in _drill(database, local, backup, clock).message
    with database.reading() as session:
        assert [one.ok for one in session.exec(select(BackupDrill))] == [False, False]


def test_rows_the_database_would_change_fail_the_drill(
    any_database: Database, local: Storage, populate: Any, clock: Clock
) -> None:
    """An archive whose rows do not come back as they were is no backup."""
    from app.backups.ledger import device_rows, invoice_table

    subject = populate(any_database, invoices=1, drafts=0)

    def rows(session: Any) -> Any:
        for row in device_rows(session, subject.device_id, None):
            yield dict(row) | {"amount": "1.005"}

    content = service.Content(
        BackupKind.PRE_CLEARING, "inexact", (invoice_table(subject.number, rows),)
    )
    backup = service.create(any_database, local, content, actor=SYSTEM.actor, clock=clock)
    report = _drill(any_database, local, backup, clock)
    assert not report.ok
    assert "不一致" in report.message


def test_without_the_right_to_make_a_schema_it_uses_sqlite(
    postgres_url: str, local: Storage, populate: Any, back_up: Any, clock: Clock
) -> None:
    database = Database(postgres_url)
    subject = populate(database)
    backup = back_up(database, local, subject)
    name = database.url.database
    role = f"limited_{name}"
    with database.engine.begin() as connection:
        connection.exec_driver_sql(f'CREATE ROLE "{role}" LOGIN')
        connection.exec_driver_sql(
            f'GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO "{role}"'
        )
        connection.exec_driver_sql(f'REVOKE CREATE ON DATABASE "{name}" FROM PUBLIC')
    database.dispose()
    limited = Database(database.url.set(username=role).render_as_string(hide_password=False))
    report = _drill(limited, local, backup, clock)
    limited.dispose()
    assert (report.ok, report.engine, report.rows) == (True, "sqlite", 8), report.message


@pytest.mark.parametrize("encrypted", [False, True])
def test_whole_system_restores_exactly(
    any_database: Database,
    local: Storage,
    tmp_path: Path,
    populate: Any,
    clock: Clock,
    encrypted: bool,
) -> None:
    from dataclasses import replace

    from app.backups.encryption import KeyRing

    populate(any_database)
    storage = replace(local, keys=KeyRing.of(b"k" * 32)) if encrypted else local
    settings = Settings(data_dir=tmp_path)
    backup = service.back_up_system(
        any_database, storage, settings, actor=SYSTEM.actor, clock=clock
    )
    populate(any_database)
    schemas = _schemas(any_database)
    report = _drill(any_database, storage, backup, clock)
    assert report.ok, report.message
    assert report.rows > 8
    assert report.engine == any_database.engine.dialect.name
    assert _schemas(any_database) == schemas
