"""`qingka backup …`: what a person at a shell can do, and the exit codes."""

import base64
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select
from typer.testing import CliRunner, Result

from app import cli
from app.backups.cli import app
from app.backups.models import Backup, BackupKind
from app.core.clock import utc_now
from app.core.db import Database
from app.system.models import RuntimeSetting

Run = Callable[..., Result]


@pytest.fixture
def run(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run("list")`; stdout and stderr in one."""
    monkeypatch.setenv("QINGKA_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("QINGKA_DATABASE_URL", sqlite_url)

    def call(*arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(app, list(arguments))
        assert result.exit_code == code, result.output
        return result

    return call


def _create(run: Run, *arguments: str) -> str:
    return run("create", *arguments).output.split()[0]


def test_create_list_verify_drill_restore(
    run: Run, database: Database, populate: Any, clear: Any, ledger: Any
) -> None:
    subject = populate(database)
    before = ledger(database)
    backup_id = _create(run, "--operator", "KP0001", "--period", "2026-11")
    assert backup_id in run("list").output
    assert "verified" in run("verify").output
    assert "通过" in run("drill").output
    clear(database, subject)
    cleared = ledger(database)
    assert "改回 6" in run("restore", backup_id, "--preview").output
    assert "没有恢复" in run("restore", backup_id, code=1).output
    assert ledger(database) == cleared
    assert "写回 8 条" in run("restore", backup_id, "--yes").output
    assert ledger(database) == before


def test_enterprise_by_tax_number(run: Run, database: Database, populate: Any) -> None:
    subject = populate(database)
    assert _create(run, "--enterprise", subject.tax_no)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("create",), "请指定操作员或企业之一"),
        (("create", "--operator", "nobody", "--period", "2026-11"), "没有工号"),
        (("create", "--enterprise", "0"), "没有纳税人识别号"),
        (("restore",), "请给出备份编号"),
        (("drill",), "还没有备份"),
        (("rotate",), "没有设置 QINGKA_BACKUP_KEY"),
        (("verify", "01a20bd2-e013-7c01-baaa-ace4ffa1d66c"), "没有找到备份"),
    ],
)
def test_what_cannot_be_done_is_said(run: Run, arguments: tuple[str, ...], message: str) -> None:
    assert message in run(*arguments, code=1).output


def test_damage_is_an_exit_code(
    run: Run, database: Database, populate: Any, tmp_path: Path
) -> None:
    populate(database)
    backup_id = _create(run, "--operator", "KP0001", "--period", "2026-11")
    (path,) = (tmp_path / "data" / "backups").rglob("*.zip")
    path.write_bytes(path.read_bytes()[:-1])
    assert "damaged" in run("verify", code=1).output
    assert "未通过" in run("drill", backup_id, code=1).output


def test_a_lost_system_comes_back_from_the_file_alone(
    run: Run, database: Database, populate: Any, ledger: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("QINGKA_BACKUP_KEY", base64.b64encode(b"k" * 32).decode())
    populate(database)
    before = ledger(database)
    backup_id = _create(run, "--system")
    (path,) = (tmp_path / "data" / "backups").rglob("*.enc")
    by_id = f"sqlite:///{tmp_path / 'by-id.db'}"
    assert "逐行比对一致" in run("restore", backup_id, "--to", by_id).output
    monkeypatch.setenv("QINGKA_DATABASE_URL", f"sqlite:///{tmp_path / 'gone' / 'nothing.db'}")
    by_file = f"sqlite:///{tmp_path / 'by-file.db'}"
    assert "逐行比对一致" in run("restore", "--file", str(path), "--to", by_file).output
    for url in (by_id, by_file):
        restored = Database(url)
        assert ledger(restored) == before
        restored.dispose()


def test_rotate_and_prune(run: Run, database: Database, populate: Any, monkeypatch: Any) -> None:
    populate(database)
    for _ in range(2):
        _create(run, "--operator", "KP0001", "--period", "2026-11")
    monkeypatch.setenv("QINGKA_BACKUP_KEY", base64.b64encode(b"k" * 32).decode())
    assert "共 2 份，0 份未完成" in run("rotate").output
    assert "共 0 份" in run("rotate").output
    assert "共 0 份" in run("prune", "--dry-run").output
    assert "共 0 份" in run("prune").output
    monkeypatch.setenv("QINGKA_BACKUP_KEEP_DAYS", "nonsense")
    assert "QINGKA_BACKUP_KEEP_DAYS" in run("prune", code=1).output


def test_the_rules_of_the_pages_hold_for_the_shell(
    run: Run, database: Database, populate: Any
) -> None:
    """Through the assembled command line, which knows where admins' rules are kept."""
    populate(database)
    for _ in range(2):
        _create(run, "--operator", "KP0001", "--period", "2026-11")
    assert "共 0 份" in run("prune", "--dry-run").output
    with database.transaction() as session:
        for name, value in (("backup_keep_newest", 1), ("backup_keep_days", "system=1")):
            session.add(
                RuntimeSetting(name=name, value=value, updated_by="林会计", updated_at=utc_now())
            )
        for backup in session.exec(select(Backup)):
            backup.kind = BackupKind.SYSTEM
            backup.created_at -= timedelta(days=2)
    assert "共 1 份" in CliRunner().invoke(cli.app, ["backup", "prune", "--dry-run"]).output
