"""The backup after a clearing: made once, a failure is a warning, and its records protect the one before."""

import asyncio
import os
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from app.accounts.principal import SYSTEM
from app.backups import archive, service
from app.backups.models import Backup, BackupKind
from app.backups.storage import Storage
from app.clearing.models import (
    ClearingEvent,
    ClearingRecord,
    ClearingRequest,
    ClearingTarget,
)
from app.clearing.states import Kind, Mode, RequestState, Result, Scope, Stage, TargetState
from app.core.db import Database, Session
from app.core.ids import new_id
from app.devices.connections import AgentClients
from app.requests.run import after_backup
from app.requests.run.context import Attempt, Context
from app.settings import ROOT, Settings


def _record(request: ClearingRequest, subject: Any, at: datetime, backup: Backup) -> ClearingRecord:
    return ClearingRecord(
        request_id=request.id,
        attempt=1,
        operator_id=subject.operator_id,
        operator_name="王晓梅",
        enterprise_id=subject.enterprise_id,
        device_id=subject.device_id,
        device_number=subject.number,
        mode=Mode.REGULAR,
        kind=Kind.DEVICE,
        scope=Scope.FULL,
        period="2026-11",
        invoice_types=["004"],
        result=Result.SUCCEEDED,
        started_at=at,
        finished_at=at,
        executed_by="lin",
        executed_by_name="林会计",
        backup_id=backup.id,
        evidence={},
    )


def _succeeded(session: Session, subject: Any, at: datetime, backup: Backup) -> ClearingRequest:
    request = ClearingRequest(
        number="QK202612-000001",
        operator_id=subject.operator_id,
        enterprise_id=subject.enterprise_id,
        mode=Mode.REGULAR,
        kind=Kind.DEVICE,
        scope=Scope.FULL,
        invoice_types=[],
        period="2026-11",
        clearing_date=date(2026, 12, 9),
        reason="申报完成",
        state=RequestState.SUCCEEDED,
        stage=Stage.DONE,
        attempt=1,
        message="清卡成功",
        requested_by="lin",
        requested_by_name="林会计",
        backup_id=backup.id,
        created_at=at,
        updated_at=at,
    )
    session.add(request)
    session.flush()
    session.add(
        ClearingTarget(
            request_id=request.id,
            device_id=subject.device_id,
            position=0,
            device_number=subject.number,
            open=False,
            state=TargetState.SUCCEEDED,
        )
    )
    session.add(_record(request, subject, at, backup))
    return request


@pytest.fixture
def before(database: Database, local: Storage, populate: Any, back_up: Any) -> tuple[Any, Backup]:
    """A subject and the backup made before its clearing."""
    subject = populate(database)
    return subject, back_up(database, local, subject)


def _attempt(
    database: Database, before: tuple[Any, Backup], clock: Any, settings: Settings
) -> Attempt:
    subject, backup = before
    with database.transaction() as session:
        request = _succeeded(session, subject, clock(), backup)
        request_id = request.id
    context = Context(database, settings, clock, AgentClients(database, settings))
    return Attempt(context, request_id, 1)


def _made(database: Database) -> list[Backup]:
    with database.reading() as session:
        wanted = select(Backup).where(Backup.kind == BackupKind.POST_CLEARING)
        return list(session.exec(wanted))


def _log(database: Database) -> list[tuple[str, str]]:
    with database.reading() as session:
        return [(one.level, one.text) for one in session.exec(select(ClearingEvent))]


def _message(database: Database, attempt: Attempt) -> str:
    with database.reading() as session:
        return session.get_one(ClearingRequest, attempt.request_id).message


def test_holds_records_and_ledger_and_is_made_once(
    database: Database, before: tuple[Any, Backup], clear: Any, clock: Any, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    attempt = _attempt(database, before, clock, settings)
    clear(database, before[0])
    asyncio.run(after_backup.run(attempt))
    asyncio.run(after_backup.run(attempt))
    (made,) = _made(database)
    assert (made.request_id, made.invoices) == (attempt.request_id, 6)
    path = settings.resolved_backup_dir / made.path
    (record,) = archive.read_lines(path, "records.jsonl")
    assert record["device_number"] == before[0].number
    rows = list(archive.read_lines(path, f"{before[0].number}/invoices.jsonl"))
    assert {row["clearing_status"] for row in rows} == {"cleared"}
    assert _log(database) == [("info", "清卡后备份完成：6 张发票")]
    assert _message(database, attempt) == "清卡成功"
    report = service.drill(
        database, service.storage_of(settings), made.id, actor=SYSTEM.actor, clock=clock
    )
    assert report.ok, report.message


def test_a_failure_is_a_warning_and_the_success_stays(
    database: Database, before: tuple[Any, Backup], clock: Any, tmp_path: Path, actions: Any
) -> None:
    place = tmp_path / "file"
    place.write_bytes(b"")
    attempt = _attempt(
        database, before, clock, Settings(data_dir=tmp_path / "data", backup_dir=place)
    )
    asyncio.run(after_backup.run(attempt))
    assert _made(database) == []
    ((level, text),) = _log(database)
    assert (level, text.startswith("清卡后备份失败")) == ("warning", True)
    assert actions(database)[-1] == "backup.failed"
    with database.reading() as session:
        request = session.get_one(ClearingRequest, attempt.request_id)
        assert (request.state, request.message) == (RequestState.SUCCEEDED, "清卡成功")


def test_only_the_attempt_that_succeeded_goes_on_with_it(
    database: Database, before: tuple[Any, Backup], clock: Any, tmp_path: Path
) -> None:
    attempt = _attempt(database, before, clock, Settings(data_dir=tmp_path / "data"))
    other = Attempt(attempt.context, attempt.request_id, 2)
    with database.reading() as session:
        assert after_backup.has_succeeded(session, attempt)
        assert not after_backup.has_succeeded(session, other)


def test_the_backup_of_a_young_record_is_never_deleted(
    database: Database,
    local: Storage,
    before: tuple[Any, Backup],
    clock: Any,
    tmp_path: Path,
) -> None:
    """The record is of 2026-12-09, whatever day its backup says."""
    _attempt(database, before, clock, Settings(data_dir=tmp_path / "data"))
    rules = service.Retention({BackupKind.ON_DEMAND: 1}, keep_newest=1, record_years=5)
    clock.now = datetime(2031, 12, 8, tzinfo=UTC)
    other = service.create(
        database,
        local,
        service.Content(BackupKind.ON_DEMAND, "newest", ()),
        actor=SYSTEM.actor,
        clock=clock,
    )
    assert service.prune(database, local, rules, actor=SYSTEM.actor, clock=clock) == []
    clock.now = datetime(2031, 12, 10, tzinfo=UTC)
    gone = service.prune(database, local, rules, actor=SYSTEM.actor, clock=clock)
    assert [one.backup_id for one in gone] == [before[1].id]
    assert local.first.exists(other.path)


def test_prune_from_a_shell_keeps_the_backup_that_a_young_record_names(
    database: Database, before: tuple[Any, Backup], clock: Any, tmp_path: Path
) -> None:
    """In a process of its own: what protects it must not hang on what a test has imported."""
    _attempt(database, before, clock, Settings(data_dir=tmp_path / "data"))
    with database.transaction() as session:
        for kind in (BackupKind.PRE_CLEARING, BackupKind.ON_DEMAND):
            old = session.get_one(Backup, before[1].id)
            copy = old.model_dump() | {"id": new_id(), "kind": kind, "path": f"old/{kind}.zip"}
            session.add(Backup(**copy | {"created_at": datetime(2015, 11, 20, tzinfo=UTC)}))
        session.get_one(Backup, before[1].id).created_at = datetime(2016, 11, 20, tzinfo=UTC)
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "backup", "prune", "--dry-run"],
        cwd=ROOT,
        env=os.environ
        | {
            "QINGKA_DATA_DIR": str(tmp_path / "data"),
            "QINGKA_DATABASE_URL": database.url.render_as_string(hide_password=False),
            "QINGKA_BACKUP_KEEP_NEWEST": "1",
            "QINGKA_BACKUP_KEEP_RECORD_YEARS": "5",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(before[1].id) not in done.stdout
    assert "old/on_demand.zip" in done.stdout, "whatever nobody names goes"
