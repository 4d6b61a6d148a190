"""恢复演练: restore a backup into a scratch database and compare every row with the archive."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO
from uuid import UUID

import sqlalchemy as sa

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.audit.actor import Actor
from app.backups import archive, ledger
from app.backups.archive import ArchiveDamaged
from app.backups.errors import known_errors
from app.backups.models import BackupDrill, BackupKind
from app.backups.rows import Row
from app.backups.service import comparison, tables
from app.backups.service.reading import GoodCopy, any_good_copy, registered
from app.backups.service.scratch import scratch
from app.backups.service.system import DATABASE_PART, session_of_file
from app.backups.service.system_restore import expected_digests
from app.backups.storage import Storage, Where, as_storage, spool_file
from app.core.clock import Clock
from app.core.db import Database, Session
from app.errors import QingkaError
from app.settings import ROOT

LONGEST_RESTORE_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class _Result:
    ok: bool
    message: str
    engine: str = ""
    target: str = ""
    tables: int = 0
    rows: int = 0


def drill(
    database: Database, where: Where, backup_id: UUID, *, actor: Actor, clock: Clock
) -> BackupDrill:
    """Run a drill and keep its report; a backup that does not restore is a report as well.

    Nothing of the product's data is touched. Raises BackupNotFound, BackupDeleted.
    """
    started = clock()
    registered(database, backup_id)
    storage = as_storage(where)
    try:
        with known_errors(), any_good_copy(database, storage, backup_id) as good:
            result = _run(database, storage, good)
    except QingkaError as error:
        result = _Result(False, f"{error.title}：{error.detail}".removesuffix(f"：{error.title}"))
    except sa.exc.SQLAlchemyError as error:
        result = _Result(False, f"演练数据库拒绝了恢复的数据：{type(error).__name__}")
    with database.transaction() as session:
        return _report(session, backup_id, result, started, actor=actor, at=clock())


def _run(database: Database, storage: Storage, good: GoodCopy) -> _Result:
    if good.backup.kind is not BackupKind.SYSTEM:
        return _ledger(database, storage, good)
    names = {part["name"] for part in good.manifest["parts"]}
    if DATABASE_PART in names:
        return _database_file(storage, good)
    return _tables(database, storage, good)


def _ledger(database: Database, storage: Storage, good: GoodCopy) -> _Result:
    parts = ledger.parts_of(good.manifest)
    with scratch(database, storage, [comparison.INVOICES]) as place:
        for _, part in parts:
            for rows in comparison.batches(archive.read_lines(good.file, part)):
                comparison.write(place.session, comparison.compare(place.session, rows))
        compared = sum(_compare_part(place.session, good.file, part) for _, part in parts)
        _no_more_than(place.session, compared)
        return _passed(good, place.engine, len(parts), compared)


def _compare_part(session: Session, file: IO[bytes], part: str) -> int:
    """Rows of a part, each read from the database and written out again: the same bytes."""
    compared = 0
    for rows in comparison.batches(archive.read_lines(file, part)):
        found = comparison.rows_by_id(session, [UUID(row["id"]) for row in rows])
        for row in rows:
            if _line(found.get(row["id"]), row) != archive.line(row):
                raise ArchiveDamaged(f"恢复后的发票与备份不一致：{row['id']}")
        compared += len(rows)
    return compared


def _line(found: Row | None, row: Row) -> bytes:
    """The row of the database in the archive's form: the columns the archive knows."""
    return b"" if found is None else archive.line({name: found[name] for name in row})


def _no_more_than(session: Session, rows: int) -> None:
    query = sa.select(sa.func.count()).select_from(comparison.INVOICES)
    if session.execute(query).scalar_one() != rows:
        raise ArchiveDamaged("恢复后的发票数量与备份不一致")


def _database_file(storage: Storage, good: GoodCopy) -> _Result:
    """As on the day the disk is lost: a fresh process, an empty directory, the archive alone."""
    with spool_file(storage, ".drill.zip") as plain, TemporaryDirectory(dir=storage.spool) as place:
        with plain.open("wb") as copy:
            good.file.seek(0)
            shutil.copyfileobj(good.file, copy)
        restored = Path(place, "restored.db").resolve()
        _restore_afresh(plain.resolve(), restored)
        expected = expected_digests(good.file)
        with session_of_file(restored) as session:
            rows = tables.compare(session, expected)
    return _passed(good, "sqlite", len(expected), rows)


def _restore_afresh(plain: Path, restored: Path) -> None:
    """Run the command of docs/running-for-many.md. Raise ArchiveDamaged with what it says."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("QINGKA_")}
    command = ("backup", "restore", "--file", str(plain), "--to", f"sqlite:///{restored}")
    try:
        done = subprocess.run(  # noqa: S603  (our own program, with paths of our own making)
            [sys.executable, "-m", "app.cli", *command],
            cwd=ROOT,
            env=mine | {"QINGKA_DATA_DIR": str(restored.parent), "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            encoding="utf-8",
            timeout=LONGEST_RESTORE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ArchiveDamaged("在全新进程中恢复超过一小时，已停止") from error
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["没有说明"]
        raise ArchiveDamaged(f"在全新进程中恢复失败：{said[0]}")


def _tables(database: Database, storage: Storage, good: GoodCopy) -> _Result:
    expected = tables.digests_of_parts(good.manifest)
    with scratch(database, storage, tables.product_tables()) as place:
        tables.fill(place.session, good.file, good.manifest)
        rows = tables.compare(place.session, expected)
        return _passed(good, place.engine, len(expected), rows)


def _passed(good: GoodCopy, engine: str, count: int, rows: int) -> _Result:
    text = f"已恢复 {count} 个部分共 {rows} 行，逐行比对一致"
    return _Result(True, text, engine, good.target, count, rows)


def _report(
    session: Session,
    backup_id: UUID,
    result: _Result,
    started: datetime,
    *,
    actor: Actor,
    at: datetime,
) -> BackupDrill:
    report = BackupDrill(
        backup_id=backup_id,
        started_at=started,
        finished_at=at,
        ok=result.ok,
        engine=result.engine,
        target=result.target,
        tables=result.tables,
        rows=result.rows,
        message=result.message[:500],
        started_by=actor.name[:120],
    )
    session.add(report)
    audit.record(
        session,
        actor=actor,
        action=AuditAction.BACKUP_DRILLED,
        object_type="backup",
        object_id=str(backup_id),
        at=at,
        details={"ok": result.ok, "rows": result.rows, "message": report.message},
    )
    session.flush()
    session.expunge(report)
    return report
