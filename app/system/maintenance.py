"""Maintenance: clean up what nobody needs any more, and keep the database quick. Each run is on record."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from datetime import time as time_of_day
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
from sqlmodel import col

from app.accounts import service as accounts_service
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.audit.actor import SYSTEM, Actor
from app.backups import service as backups_service
from app.clearing import queries as clearing_queries
from app.core.clock import Clock
from app.core.db import Database, Session
from app.core.process import Process
from app.errors import Conflict, QingkaError
from app.jobs.scheduler import RecurringJob, Run, daily
from app.notifications.service.removal import purge
from app.settings import Settings
from app.system.models import IdempotencyKey
from app.system.queries import KEPT_FOR

SESSIONS_KEPT = timedelta(days=30)
ATTEMPTS_KEPT = timedelta(days=1)
SPOOL_KEPT = timedelta(days=1)
"""A file in the backups' spool that is older was left by a process that died."""


class Task(StrEnum):
    """What can be done."""

    CLEAN = "clean"
    OPTIMIZE = "optimize"
    VACUUM = "vacuum"


class ClearingsRunning(Conflict):
    """Rewriting the database would make device operations wait for their turn to write."""

    code = "maintenance.clearing_running"
    title = "有清卡正在执行"
    remedy = "等待清卡完成后再压缩数据库。"


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it, in a sentence."""

    task: Task
    sentence: str


def run(database: Database, settings: Settings, task: Task, *, actor: Actor, clock: Clock) -> Done:
    """Do it and put it on record. Raises ClearingsRunning for VACUUM beside a clearing."""
    done = Done(task, _TASKS[task](database, settings, clock))
    with database.transaction() as session:
        audit.record(
            session,
            actor=actor,
            action=AuditAction.MAINTENANCE_RUN,
            object_type="system",
            object_id=task.value,
            at=clock(),
            details={"result": done.sentence},
        )
    return done


def _clean(database: Database, settings: Settings, clock: Clock) -> str:
    now = clock()
    with database.transaction() as session:
        sessions = accounts_service.purge_sessions(session, before=now - SESSIONS_KEPT)
        attempts = accounts_service.purge_attempts(session, before=now - ATTEMPTS_KEPT)
        keys = _purge_keys(session, now - KEPT_FOR)
    notifications = _purge_notifications(
        database, now - timedelta(days=settings.notification_keep_days)
    )
    files = _purge_spool(settings.resolved_backup_spool_dir)
    return (
        f"清理会话 {sessions} 个、登录尝试 {attempts} 条、幂等键 {keys} 个、"
        f"通知 {notifications} 条、临时文件 {files} 个，{_prune_backups(database, settings, clock)}"
    )


def _prune_backups(database: Database, settings: Settings, clock: Clock) -> str:
    """By the rules of retention; what could not be deleted is tried again the next time."""
    try:
        gone = backups_service.prune(
            database,
            backups_service.storage_of(settings),
            backups_service.retention_of(settings),
            actor=SYSTEM,
            clock=clock,
        )
    except QingkaError as error:
        return f"过期备份未清理：{error.detail}"
    left = sum(bool(one.problem) for one in gone)
    return f"过期备份 {len(gone) - left} 份" + (f"（{left} 份未能删除）" if left else "")


def _purge_keys(session: Session, before: datetime) -> int:
    result = session.execute(
        sa.delete(IdempotencyKey).where(col(IdempotencyKey.answered_at) < before)
    )
    return int(cast(Any, result).rowcount)


def _purge_notifications(database: Database, before: datetime) -> int:
    purged = 0
    while True:
        with database.transaction() as session:
            more = purge(session, before=before)
        purged += more
        if not more:
            return purged


def _purge_spool(directory: Path) -> int:
    """By the file system's clock, which is what the files' times are of."""
    if not directory.is_dir():
        return 0
    oldest = time.time() - SPOOL_KEPT.total_seconds()
    left = [path for path in directory.iterdir() if path.is_file()]
    old = [path for path in left if path.stat().st_mtime < oldest]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def _optimize(database: Database, settings: Settings, clock: Clock) -> str:
    if not database.is_sqlite:
        _execute(database, "ANALYZE")
        return "已更新统计信息（ANALYZE）"
    _execute(database, "PRAGMA optimize=0x10002", "PRAGMA wal_checkpoint(TRUNCATE)")
    return "已更新统计信息（PRAGMA optimize）并整理日志"


def _vacuum(database: Database, settings: Settings, clock: Clock) -> str:
    with database.reading() as session:
        if clearing_queries.count_running(session):
            raise ClearingsRunning
    if not database.is_sqlite:
        _execute(database, "VACUUM (ANALYZE)")
        return "已整理全部表（VACUUM ANALYZE）"
    before = _file_size(database)
    _execute(database, "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)")
    freed = max(0, before - _file_size(database))
    return f"数据库已压缩，回收 {freed / (1 << 20):.1f} MB"


def _execute(database: Database, *statements: str) -> None:
    """Outside a transaction, which these statements ask for."""
    if not database.is_sqlite:
        engine = database.engine.execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
        return
    raw = database.engine.raw_connection()
    try:
        for statement in statements:
            raw.cursor().execute(statement)
    finally:
        raw.close()


def _file_size(database: Database) -> int:
    return Path(str(database.url.database)).stat().st_size


_TASKS = {Task.CLEAN: _clean, Task.OPTIMIZE: _optimize, Task.VACUUM: _vacuum}


def care(process: Process, _: Run) -> str:
    """Tidy and optimise, as a job."""
    return "；".join(
        run(process.database, process.settings, task, actor=SYSTEM, clock=process.clock).sentence
        for task in (Task.CLEAN, Task.OPTIMIZE)
    )


CARE_AT = time_of_day(3, 30)
"""Asia/Shanghai."""

JOBS = (RecurringJob("maintenance", care, daily(CARE_AT), first_at_once=False, slow=True),)
