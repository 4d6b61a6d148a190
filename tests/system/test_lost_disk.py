"""The day the disk is lost: an archive, a fresh machine, fresh processes. And every way a secret can be wrong."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.settings import ROOT

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run() -> Run:
    """`run(directory, "doctor", code=0)`: a command in a process of its own, under the usual umask."""

    def call(
        directory: Path, *arguments: str, code: int = 0, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        mine = {key: value for key, value in os.environ.items() if not key.startswith("QINGKA_")}
        done = subprocess.run(
            [sys.executable, "-m", "app.cli", *arguments],
            cwd=ROOT,
            env=mine | {"QINGKA_DATA_DIR": str(directory), "QINGKA_AGENT": "off"} | environment,
            capture_output=True,
            text=True,
            check=False,
            umask=0o022,
            timeout=100,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return call


@pytest.fixture
def old(tmp_path: Path, run: Run) -> Path:
    """A machine that has worked for a while."""
    directory = tmp_path / "old"
    run(directory, "migrate")
    run(directory, "account", "create", "lin", "--role", "admin")
    return directory


def _fingerprint(run: Run, directory: Path) -> str:
    return run(directory, "secret", "show").stdout.rpartition("指纹 ")[2].strip("）\n")


def test_a_lost_machine_comes_back_from_its_archive_and_its_secret(
    run: Run, old: Path, tmp_path: Path
) -> None:
    run(old, "backup", "create", "--system")
    (archive,) = (old / "backups").rglob("*-system-*.zip")
    fingerprint = _fingerprint(run, old)
    new = tmp_path / "new"
    saved = tmp_path / "saved.zip"
    shutil.copy(archive, saved)
    kept_secret = (old / "secret.key").read_bytes()
    shutil.rmtree(old)

    to = f"sqlite:///{new / 'qingka.db'}"
    done = run(new, "backup", "restore", "--file", str(saved), "--to", to)
    assert "逐行比对一致" in done.stdout
    assert "本机没有系统密钥" in done.stderr
    assert fingerprint in done.stderr
    assert "secret.key" in done.stderr
    assert "QINGKA_SECRET_KEY" in done.stderr
    for command in (("serve", "--port", "0"), ("audit", "checkpoint"), ("account", "list")):
        assert "缺少系统密钥" in run(new, *command, code=2).stderr
    assert "缺少系统密钥" in run(new, "doctor", code=1).stdout
    assert not (new / "secret.key").exists(), "nothing made a new one beside the data"

    other = run(new, "account", "list", code=2, QINGKA_SECRET_KEY="another secret " * 4)
    assert "不是本数据的" in other.stderr
    assert len(other.stderr.splitlines()) == 1

    (new / "secret.key").write_bytes(kept_secret)
    assert "lin" in run(new, "account", "list").stdout
    assert f"系统密钥与数据一致（指纹 {fingerprint}）" in run(new, "doctor").stdout
    again = run(new, "backup", "restore", "--file", str(saved), "--to", f"{to}.again")
    assert "系统密钥与备份一致" in again.stdout


def test_a_secret_that_is_truly_lost_is_replaced_on_purpose_and_on_record(
    run: Run, old: Path
) -> None:
    before = _fingerprint(run, old)
    assert "不需要更换" in run(old, "secret", "replace", "--yes").stdout
    (old / "secret.key").unlink()
    assert "--yes" in run(old, "secret", "replace", code=1).stderr
    assert not (old / "secret.key").exists()
    run(old, "secret", "replace", "--yes")
    assert _fingerprint(run, old) != before
    trail = run(old, "audit", "export").stdout
    (record,) = [line for line in trail.splitlines() if "system.root_key_replaced" in line]
    assert before in record
    assert "命令行 " in record, "who did it"


def test_a_short_or_empty_secret_is_one_line_and_exit_code_2(run: Run, old: Path) -> None:
    for command in (("serve", "--port", "0"), ("account", "list")):
        done = run(old, *command, code=2, QINGKA_SECRET_KEY="x")
        assert "至少应为 32" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    (old / "secret.key").write_bytes(b"")
    done = run(old, "serve", "--port", "0", code=2)
    assert "从备份恢复原来的文件" in done.stderr
    assert (old / "secret.key").read_bytes() == b""


def test_a_command_in_a_wrong_directory_makes_no_installation(run: Run, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    done = run(wrong, "api-key", "create", "erp", "--scope", "read", code=2)
    assert "QINGKA_DATA_DIR" in done.stderr
    assert done.stdout == ""
    assert not list(wrong.iterdir())


def test_the_audit_trail_names_who_was_at_the_shell(run: Run, old: Path) -> None:
    run(old, "api-key", "create", "erp", "--scope", "read", SUDO_USER="wang")
    trail = run(old, "audit", "export").stdout
    (record,) = [line for line in trail.splitlines() if "api_key.created" in line]
    assert "命令行 wang@" in record


@pytest.mark.skipif(os.name == "nt", reason="POSIX modes")
def test_files_are_their_owners_alone_also_under_the_usual_umask(run: Run, old: Path) -> None:
    run(old, "backup", "create", "--system")
    paths = [old, *old.rglob("*")]
    open_to_others = [path for path in paths if stat.S_IMODE(path.stat().st_mode) & 0o077]
    assert open_to_others == []
    assert any(path.suffix == ".zip" for path in paths)
