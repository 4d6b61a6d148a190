"""Whole-system backups: one moment of a live database, without secrets, restorable into a new one."""

import json
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import SQLModel

from app.accounts.principal import SYSTEM
from app.backups import archive, service
from app.backups.models import Backup, BackupKind
from app.backups.rows import table_rows
from app.backups.service.system_restore import RestoreTargetInvalid
from app.backups.storage import Storage
from app.core import migrate
from app.core.db import Database
from app.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, any_database: Database) -> Settings:
    return Settings(
        data_dir=tmp_path,
        database_url="postgresql://user:pa55word@127.0.0.1/qingka",
        secret_key="root-secret-of-at-least-thirty-two-bytes",
        backup_s3_secret_key="s3-secret",
    )


@pytest.fixture
def backup(
    any_database: Database, local: Storage, settings: Settings, populate: Any, clock: Any
) -> Backup:
    populate(any_database)
    return service.back_up_system(any_database, local, settings, actor=SYSTEM.actor, clock=clock)


def _file(storage: Storage, backup: Backup) -> Path:
    return Path(storage.first.root / backup.path)  # type: ignore[attr-defined]


def _everything(database: Database) -> dict[str, list[dict[str, Any]]]:
    with database.reading() as session:
        return {
            table.name: list(table_rows(session, table))
            for table in SQLModel.metadata.sorted_tables
        }


def test_holds_every_table_and_no_secret(
    any_database: Database, local: Storage, backup: Backup
) -> None:
    assert (backup.kind, backup.invoices, backup.enterprise_id) == (BackupKind.SYSTEM, 0, None)
    path = _file(local, backup)
    manifest = archive.verify(path, sha256=backup.sha256)
    names = {part["name"] for part in manifest["parts"]}
    if any_database.is_sqlite:
        assert names == {"schema.json", "settings.json", "tables.json", "database.sqlite3"}
    else:
        tables = {f"tables/{name}.jsonl" for name in SQLModel.metadata.tables}
        assert names == {"schema.json", "settings.json", *tables}
    settings = json.dumps(archive.read_json(path, "settings.json"))
    for secret in ("root-secret-of-at-least-thirty-two-bytes", "s3-secret", "pa55word"):
        assert secret not in settings
        assert secret not in json.dumps(backup.summary)
    assert "backup_keep_days" in settings
    assert archive.read_json(path, "schema.json")["revision"] == migrate.newest_revision()


def test_is_one_moment_although_others_write(
    any_database: Database, local: Storage, settings: Settings, populate: Any, clock: Any
) -> None:
    populate(any_database, invoices=300)
    stop = threading.Event()
    failures: list[Exception] = []

    def write() -> None:
        try:
            while not stop.is_set():
                populate(any_database, invoices=1, drafts=0)
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        made = [
            service.back_up_system(any_database, local, settings, actor=SYSTEM.actor, clock=clock)
            for _ in range(3)
        ]
    finally:
        stop.set()
        writer.join(60)
    assert failures == []
    for backup in made:
        report = service.drill(any_database, local, backup.id, actor=SYSTEM.actor, clock=clock)
        assert report.ok, report.message


def test_restores_into_a_new_sqlite_file(
    database: Database, local: Storage, populate: Any, back_up: Any, clock: Any, tmp_path: Path
) -> None:
    back_up(database, local, populate(database))
    before = _everything(database)
    settings = Settings(data_dir=tmp_path)
    backup = service.back_up_system(database, local, settings, actor=SYSTEM.actor, clock=clock)
    url = f"sqlite:///{tmp_path / 'new' / 'qingka.db'}"
    with _file(local, backup).open("rb") as file:
        done = service.restore_system(file, url)
        with pytest.raises(RestoreTargetInvalid, match="已存在"):
            service.restore_system(file, url)
        with pytest.raises(RestoreTargetInvalid, match="sqlite"):
            service.restore_system(file, "postgresql://127.0.0.1/new")
    assert done.rows == sum(map(len, before.values()))
    restored = Database(url)
    assert _everything(restored) == before
    assert migrate.current_revision(restored) == migrate.newest_revision()
    with (
        pytest.raises(sa.exc.IntegrityError, match="append-only"),
        restored.transaction() as session,
    ):
        session.execute(sa.text("DELETE FROM audit_records"))
    restored.dispose()


def test_restores_into_a_new_postgresql_database(
    postgres_url: str,
    postgres_server: sa.URL,
    local: Storage,
    populate: Any,
    clock: Any,
    tmp_path: Path,
    back_up: Any,
) -> None:
    database = Database(postgres_url)
    back_up(database, local, populate(database))
    before = _everything(database)
    settings = Settings(data_dir=tmp_path)
    backup = service.back_up_system(database, local, settings, actor=SYSTEM.actor, clock=clock)
    name = f"restored_{database.url.database}"
    engine = sa.create_engine(postgres_server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}" TEMPLATE template0')
    engine.dispose()
    url = postgres_server.set(database=name).render_as_string(hide_password=False)
    with _file(local, backup).open("rb") as file:
        done = service.restore_system(file, url)
        with pytest.raises(RestoreTargetInvalid, match="不是空的"):
            service.restore_system(file, url)
    assert done.rows == sum(map(len, before.values()))
    restored = Database(url)
    assert _everything(restored) == before
    populate(restored)
    restored.dispose()
    database.dispose()


def test_a_backup_of_the_ledger_is_no_system_backup(
    database: Database, local: Storage, populate: Any, back_up: Any, tmp_path: Path
) -> None:
    backup = back_up(database, local, populate(database))
    with _file(local, backup).open("rb") as file, pytest.raises(RestoreTargetInvalid):
        service.restore_system(file, f"sqlite:///{tmp_path / 'new.db'}")
    assert not (tmp_path / "new.db").exists()


def test_a_damaged_archive_makes_no_database(
    database: Database, local: Storage, populate: Any, clock: Any, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path)
    backup = service.back_up_system(database, local, settings, actor=SYSTEM.actor, clock=clock)
    path = _file(local, backup)
    with zipfile.ZipFile(path) as whole:
        info = whole.getinfo("database.sqlite3")
        place = info.header_offset + 400
    data = bytearray(path.read_bytes())
    data[place : place + 64] = bytes(64)
    path.write_bytes(data)
    with path.open("rb") as file, pytest.raises(service.BackupFailed):
        service.restore_system(file, f"sqlite:///{tmp_path / 'new.db'}")
    assert list(tmp_path.glob("new.db*")) == []


def test_is_not_restored_into_the_running_system(
    database: Database, local: Storage, clock: Any, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path)
    backup = service.back_up_system(database, local, settings, actor=SYSTEM.actor, clock=clock)
    with pytest.raises(service.RestoreUnsupported):
        service.preview(database, local, backup.id)
    with pytest.raises(service.RestoreUnsupported):
        service.restore(database, local, backup.id, actor=SYSTEM.actor, clock=clock)


def test_the_drill_of_a_system_restores_in_a_process_of_its_own(
    database: Database,
    local: Storage,
    populate: Any,
    clock: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What only this process can read would not help on the day the disk is lost."""
    populate(database)
    settings = Settings(data_dir=tmp_path)
    backup = service.back_up_system(database, local, settings, actor=SYSTEM.actor, clock=clock)
    report = service.drill(database, local, backup.id, actor=SYSTEM.actor, clock=clock)
    assert report.ok, report.message
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 备份中的表不属于本版本 >&2\nexit 1\n", encoding="utf-8")
    broken.chmod(0o700)
    monkeypatch.setattr("sys.executable", str(broken))
    report = service.drill(database, local, backup.id, actor=SYSTEM.actor, clock=clock)
    assert (report.ok, report.message.rpartition("：")[2]) == (False, "备份中的表不属于本版本")
    assert "全新进程" in report.message
