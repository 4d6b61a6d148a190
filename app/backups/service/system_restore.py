"""A backup of the whole system into a new database: after the loss of the old one, or for a drill."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import sqlalchemy as sa

from app.backups import archive
from app.backups.errors import known_errors
from app.backups.service import tables
from app.backups.service.system import DATABASE_PART, SCHEMA_PART, TABLES_PART, session_of_file
from app.core import migrate
from app.core.db import Database, Session
from app.errors import Conflict, Invalid


class RestoreTargetInvalid(Invalid):
    code = "backup.restore_target_invalid"
    title = "恢复的目标数据库不可用"
    remedy = "给出同类数据库的地址；SQLite 文件应尚不存在，PostgreSQL 数据库应为空。"


class VersionDiffers(Conflict):
    code = "backup.version_differs"
    title = "备份的数据库结构与本程序不同"
    remedy = "用备份时的程序版本恢复，然后升级。"


@dataclass(frozen=True, slots=True)
class SystemRestored:
    """What was restored, and compared with the archive bit for bit."""

    engine: str
    tables: int
    rows: int
    secret: str = ""
    """The fingerprint of the root secret the data was made with; empty where the archive is older."""


def restore_system(file: IO[bytes], url: str) -> SystemRestored:
    """Restore an archive (decrypted) into the new database at `url`.

    Raises RestoreTargetInvalid, VersionDiffers, BackupFailed when the archive is damaged or does not fit.
    """
    with known_errors():
        manifest = archive.verify(file)
        if not any(part["name"] == SCHEMA_PART for part in manifest["parts"]):
            raise RestoreTargetInvalid("这不是全系统备份")
        schema = archive.read_json(file, SCHEMA_PART)
        wanted = sa.make_url(url)
        if wanted.get_backend_name() != schema["engine"]:
            raise RestoreTargetInvalid(f"备份来自 {schema['engine']} 数据库")
        if schema["engine"] == "sqlite":
            done = _into_file(file, wanted.database or "")
        else:
            done = _into_tables(file, manifest, schema, url)
        return replace(done, secret=str(schema.get("root_secret_fingerprint", "")))


def expected_digests(file: IO[bytes]) -> dict[str, tuple[int, str]]:
    """What the tables of an archived SQLite file held."""
    kept = archive.read_json(file, TABLES_PART)
    return {name: (value[0], value[1]) for name, value in kept.items()}


def _into_file(file: IO[bytes], name: str) -> SystemRestored:
    path = Path(name)
    if not name or name == ":memory:" or path.exists():
        raise RestoreTargetInvalid(f"文件已存在或无效：{name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.part")
    try:
        archive.extract(file, DATABASE_PART, partial)
        expected = expected_digests(file)
        with session_of_file(partial) as session:
            rows = tables.compare(session, expected)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return SystemRestored("sqlite", len(expected), rows)


def _into_tables(
    file: IO[bytes], manifest: dict[str, Any], schema: dict[str, Any], url: str
) -> SystemRestored:
    if schema["revision"] != migrate.newest_revision():
        raise VersionDiffers(f"备份为 {schema['revision']}，程序为 {migrate.newest_revision()}")
    database = Database(url)
    try:
        if migrate.current_revision(database) is not None:
            raise RestoreTargetInvalid("目标数据库不是空的")
        migrate.upgrade(database)
        with database.transaction() as session:
            tables.fill(session, file, manifest)
            _advance_sequences(session)
            expected = tables.digests_of_parts(manifest)
            rows = tables.compare(session, expected)
    finally:
        database.dispose()
    return SystemRestored("postgresql", len(expected), rows)


def _advance_sequences(session: Session) -> None:
    """Numbers the database gives out go on after those that were restored."""
    for table in tables.product_tables():
        for column in table.primary_key:
            name = session.execute(
                sa.text("SELECT pg_get_serial_sequence(:table, :column)"),
                {"table": f'"{table.name}"', "column": column.name},
            ).scalar_one()
            if name is not None:
                session.execute(
                    sa.select(
                        sa.func.setval(
                            sa.cast(name, sa.Text).op("::")(sa.text("regclass")),
                            sa.func.coalesce(sa.func.max(column), 0) + 1,
                            sa.false(),
                        )
                    ).select_from(table)
                )
