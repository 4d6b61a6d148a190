"""全系统备份: the whole database as it is at one moment, and the settings without their secrets."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

import sqlalchemy as sa
from pydantic import SecretStr

from app import __version__
from app.audit.actor import Actor
from app.backups import anchors, archive
from app.backups.archive import ArchiveDamaged, ArchiveWriter
from app.backups.content import Beside, Content, nothing_beside
from app.backups.errors import known_errors
from app.backups.models import Backup, BackupKind
from app.backups.rows import table_rows
from app.backups.service import copies, tables
from app.backups.service.create import keep
from app.backups.storage import Storage, Where, as_storage, spool_file
from app.core import migrate
from app.core.clock import Clock
from app.core.db import Database, Session
from app.core.ids import new_id
from app.core.installation import fingerprint
from app.settings import Settings

DATABASE_PART = "database.sqlite3"
TABLES_PART = "tables.json"
SCHEMA_PART = "schema.json"


def back_up_system(
    database: Database,
    where: Where,
    settings: Settings,
    *,
    actor: Actor,
    clock: Clock,
    beside: Beside = nothing_beside,
) -> Backup:
    """Write, read back, compare, register. Work goes on meanwhile. Raises BackupFailed."""
    storage, started = as_storage(where), clock()
    content = Content(
        kind=BackupKind.SYSTEM,
        name=f"{started:%Y%m%d-%H%M%S}-{new_id().hex[-8:]}-system",
        tables=(),
        documents={SCHEMA_PART: _schema(database, settings), "settings.json": _settings(settings)},
        beside=beside,
    )
    write = _write_sqlite if database.is_sqlite else _write_tables
    with known_errors(), spool_file(storage, ".zip") as plain:
        told = anchors.about(database, storage, content, started)
        with archive.writing(plain, told, durable=False) as (writer, finished):
            for name, document in content.documents.items():
                writer.add_json(name, document)
            check = write(database, storage, writer)
        return keep(
            database,
            storage,
            content,
            finished[0],
            check,
            actor=actor,
            started=started,
            clock=clock,
        )


def _schema(database: Database, settings: Settings) -> dict[str, Any]:
    """What a restore has to know: not the root secret, but which one it was."""
    return {
        "revision": migrate.current_revision(database),
        "engine": database.engine.dialect.name,
        "version": __version__,
        "root_secret_fingerprint": fingerprint(settings),
    }


def _settings(settings: Settings) -> dict[str, Any]:
    """What is set, secrets left out."""
    shown = {
        name: value
        for name, value in settings.model_dump(mode="json").items()
        if not isinstance(getattr(settings, name), SecretStr)
    }
    shown["database_url"] = sa.make_url(settings.resolved_database_url).render_as_string()
    return shown


def _write_sqlite(database: Database, storage: Storage, writer: ArchiveWriter) -> copies.Check:
    with spool_file(storage, ".db") as snapshot:
        _online_copy(database, snapshot)
        with session_of_file(snapshot) as session:
            found = tables.digests(session)
        writer.add_json(TABLES_PART, {name: list(value) for name, value in found.items()})
        writer.add_file(DATABASE_PART, snapshot)
        return partial(_check_database_part, archive.file_digest(snapshot))


def _online_copy(database: Database, destination: Path) -> None:
    """SQLite's own backup: one moment of the database, while others go on writing."""
    import sqlite3

    source = database.engine.raw_connection()
    copy = sqlite3.connect(destination)
    try:
        driver: Any = source.driver_connection
        driver.backup(copy)
        # One file, without a log beside it.
        copy.execute("PRAGMA journal_mode = DELETE")
    finally:
        copy.close()
        source.close()


def _check_database_part(
    expected: tuple[int, str], _: IO[bytes], manifest: Mapping[str, Any]
) -> None:
    part = next((one for one in manifest["parts"] if one["name"] == DATABASE_PART), None)
    if part is None or (part["size"], part["sha256"]) != expected:
        raise ArchiveDamaged("备份与数据库快照不一致")


def _write_tables(database: Database, storage: Storage, writer: ArchiveWriter) -> copies.Check:
    """One REPEATABLE READ transaction sees one moment; it is gone through twice, to compare."""
    with _snapshot(database) as session:
        for table in tables.product_tables():
            writer.add_lines(f"{tables.part_name(table)}.jsonl", table_rows(session, table))
        again = tables.digests(session)
    names = {table.name: f"{tables.part_name(table)}.jsonl" for table in tables.product_tables()}
    return copies.digests({names[name]: value for name, value in again.items()})


@contextmanager
def _snapshot(database: Database) -> Iterator[Session]:
    with database.engine.connect() as connection:
        connection = connection.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        with Session(connection, autoflush=False) as session:
            yield session


@contextmanager
def session_of_file(path: Path) -> Iterator[Session]:
    """A session on a SQLite file that nobody else uses. Raises ArchiveDamaged when it is not sound."""
    engine = sa.create_engine(f"sqlite:///{path}", poolclass=sa.NullPool)
    try:
        with Session(engine, autoflush=False) as session:
            verdict = session.execute(sa.text("PRAGMA integrity_check")).scalar_one()
            if verdict != "ok":
                raise ArchiveDamaged(f"数据库文件不完整：{verdict}")
            yield session
    finally:
        engine.dispose()
