"""System information and health."""

import platform
from dataclasses import dataclass
from datetime import datetime

from fastapi import Request

from app import __version__
from app.accounts.principal import Principal
from app.backups import service as backups_service
from app.core import installation, migrate
from app.core.clock import Clock, local
from app.core.db import Database
from app.core.web import clock_of, database_of, settings_of
from app.settings import Settings
from app.startup import StartRefused
from app.system import queries, updates
from app.system.updates import Release, UpdateCheckFailed

_SPARE_CONNECTIONS = 5
"""For the command line, pg_dump and whoever looks after the database."""


@dataclass(frozen=True, slots=True)
class SystemStatus:
    """关于 / 系统信息. `update` is a release newer than this program, as last heard of."""

    version: str
    schema: str
    database: str
    python: str
    started_at: datetime
    uptime_seconds: int
    operators: int
    devices: int
    simulated: bool
    update: Release | None


def status_of(request: Request, principal: Principal) -> SystemStatus:
    """As it is now; counted is what the principal sees."""
    database, clock = database_of(request), clock_of(request)
    started_at: datetime = request.app.state.started_at
    with database.reading() as session:
        operators, devices = queries.totals(session, principal)
        update = updates.known(session, settings_of(request)).newer
    return SystemStatus(
        version=__version__,
        schema=migrate.current_revision(database) or "",
        database="SQLite" if database.is_sqlite else "PostgreSQL",
        python=platform.python_version(),
        started_at=started_at,
        uptime_seconds=int((clock() - started_at).total_seconds()),
        operators=operators,
        devices=devices,
        simulated=bool(request.app.state.simulated),
        update=update,
    )


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    severity: str
    message: str
    remedy: str = ""


def examine(database: Database, settings: Settings, clock: Clock) -> list[Finding]:
    """What `doctor` and the page of system information say of the server's own health."""
    findings = [database_finding(database), schema_finding(database)]
    if all(one.severity == "ok" for one in findings):
        findings.append(_secret(database, settings))
    findings.append(_backup_target(settings))
    if not database.is_sqlite and findings[0].severity == "ok":
        findings.append(_connections(database, settings))
    if settings.update_url and all(one.severity == "ok" for one in findings[:2]):
        findings.append(_updates(database, settings))
    return findings


def database_finding(database: Database) -> Finding:
    """Whether the database answers."""
    try:
        with database.reading() as session:
            queries.database_answers(session)
    except Exception as error:  # noqa: BLE001  (whatever it is, it is the finding)
        return Finding(
            "blocking", f"数据库无法访问：{type(error).__name__}", "检查数据库服务与磁盘。"
        )
    return Finding("ok", "数据库应答正常")


def schema_finding(database: Database) -> Finding:
    """Whether the database has the schema this program was written for."""
    current, newest = migrate.current_revision(database), migrate.newest_revision()
    if current == newest:
        return Finding("ok", f"数据库结构为最新（{current}）")
    return Finding(
        "blocking", f"数据库结构为 {current}，程序需要 {newest}", "运行 qingka migrate。"
    )


def _connections(database: Database, settings: Settings) -> Finding:
    """Whether PostgreSQL has connections for all processes that are running, and some to spare for people."""
    with database.reading() as session:
        found = queries.connections(session)
    wanted = found.processes * settings.database_connections
    text = (
        f"PostgreSQL 允许 {found.allowed} 个连接，现用 {found.used} 个；"
        f"{found.processes} 个进程各至多 {settings.database_connections} 个，共 {wanted} 个"
    )
    if wanted + _SPARE_CONNECTIONS > found.allowed:
        remedy = "调低 QINGKA_DATABASE_CONNECTIONS，或调高 PostgreSQL 的 max_connections。"
        return Finding("warning", text, remedy)
    return Finding("ok", text)


def _secret(database: Database, settings: Settings) -> Finding:
    """Whether the root secret is the one the data was made with; none is made for the answer."""
    try:
        trouble = installation.secret_trouble(database, settings)
    except StartRefused as error:
        trouble = error
    if trouble is not None:
        return Finding("blocking", str(trouble))
    kept = installation.kept_fingerprint(database)
    return Finding(
        "ok", f"系统密钥与数据一致（指纹 {kept}）" if kept else "系统密钥在首次启动时登记"
    )


def _backup_target(settings: Settings) -> Finding:
    try:
        free = backups_service.free_space(backups_service.storage_of(settings))
    except backups_service.BackupFailed as error:
        return Finding("blocking", error.detail, error.remedy)
    if free < settings.backup_min_free_mb << 20:
        return Finding("blocking", f"备份空间不足，剩 {free >> 20} MB", "清理磁盘或更换备份目录。")
    return Finding("ok", f"备份目录可写，剩 {free >> 30} GB")


def _updates(database: Database, settings: Settings) -> Finding:
    """How the last look for updates went; nobody is asked here."""
    with database.reading() as session:
        memory = updates.known(session, settings)
    worked = f"上次成功 {local(memory.checked_at):%Y-%m-%d %H:%M}" if memory.checked_at else ""
    if memory.error:
        text = f"{UpdateCheckFailed.title}：{memory.error}（{worked or '还没有成功过'}）"
        return Finding("warning", text, UpdateCheckFailed.remedy)
    if not worked:
        return Finding("ok", "还没有检查过更新")
    said = memory.newer.notice if memory.newer else "没有新版本"
    return Finding("ok", f"{said}，{worked}")
