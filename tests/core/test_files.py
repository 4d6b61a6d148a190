"""Files of ours: whole or not there, agreed on by processes that start at once, and nobody else's to read."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from app import files
from app.settings import ROOT, SecretUnusable, Settings

_SECRET = "from pathlib import Path; from app.settings import Settings; print(Settings(data_dir=Path('{}')).root_secret.decode())"


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_full_disk_leaves_no_half_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            _ = Settings(data_dir=tmp_path).root_secret
    assert list(tmp_path.iterdir()) == []
    assert len(Settings(data_dir=tmp_path).root_secret) >= 32
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]
    assert _mode(tmp_path / "secret.key") == 0o600


def test_first_starts_at_once_agree_on_one_secret(tmp_path: Path) -> None:
    program = [sys.executable, "-c", _SECRET.format(tmp_path)]
    running = [
        subprocess.Popen(program, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    told = {one.communicate()[0].strip() for one in running}
    assert told == {(tmp_path / "secret.key").read_text(encoding="ascii")}


@pytest.mark.parametrize("content", [b"", b"x", b"x" * 31])
def test_a_short_secret_file_is_refused_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "secret.key").write_bytes(content)
    with pytest.raises(SecretUnusable, match="至少应为 32"):
        _ = Settings(data_dir=tmp_path).root_secret
    assert (tmp_path / "secret.key").read_bytes() == content


def test_tightening_takes_from_others_what_earlier_versions_left_open(tmp_path: Path) -> None:
    inner = tmp_path / "backups" / "2026-11"
    inner.mkdir(parents=True)
    (inner / "one.zip").write_bytes(b"")
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.write_bytes(b"")
    outside.chmod(0o644)
    (tmp_path / "link.db").symlink_to(outside)
    for path in (tmp_path, tmp_path / "backups", inner):
        path.chmod(0o755)
    (inner / "one.zip").chmod(0o644)
    other = tmp_path / "photos"
    other.mkdir()
    other.chmod(0o755)
    files.tighten(tmp_path)
    assert {_mode(path) for path in (tmp_path, tmp_path / "backups", inner)} == {0o700}
    assert _mode(inner / "one.zip") == 0o600
    assert _mode(outside) == 0o644, "what a link points to is not ours"
    assert _mode(other) == 0o755, "nor is what else lies there"
