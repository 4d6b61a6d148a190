"""Targets: directories and S3, copies on several of them, full and read-only ones."""

import errno
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from app.accounts.principal import SYSTEM
from app.backups import service
from app.backups.errors import BackupSettingsInvalid
from app.backups.local_target import LocalTarget
from app.backups.models import Backup, BackupCopy, BackupState, CopyState
from app.backups.s3_target import S3Target, s3_options
from app.backups.storage import Storage, free_space, storage_of
from app.backups.targets import Target, configured
from app.core.db import Database
from app.settings import Settings, load_settings


@pytest.fixture(params=["local", "s3"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    if request.param == "local":
        return LocalTarget("local", tmp_path / "deep" / "target")
    found: Target = request.getfixturevalue("s3_target")
    return found


def test_keeps_files(target: Target, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x" * 100_000)
    assert not target.exists("2026-11/a.zip")
    with pytest.raises(FileNotFoundError):
        target.open("2026-11/a.zip")
    target.put(source, "2026-11/a.zip")
    assert target.exists("2026-11/a.zip")
    with target.open("2026-11/a.zip") as file:
        assert file.read() == b"x" * 100_000
    target.delete("2026-11/a.zip")
    target.delete("2026-11/a.zip")
    assert not target.exists("2026-11/a.zip")


@pytest.mark.parametrize("size", [5, 20 << 20])
def test_a_file_that_is_there_is_never_replaced(target: Target, tmp_path: Path, size: int) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"before the clearing")
    target.put(source, "2026-11/a.zip")
    source.write_bytes(b"x" * size)
    with pytest.raises(FileExistsError):
        target.put(source, "2026-11/a.zip")
    with target.open("2026-11/a.zip") as file:
        assert file.read() == b"before the clearing"
    if isinstance(target, LocalTarget):
        assert [path.name for path in target.root.rglob("*.*")] == ["a.zip"]


def test_a_share_without_links_replaces_nothing_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "links are not supported")

    monkeypatch.setattr(os, "link", refuse)
    test_a_file_that_is_there_is_never_replaced(LocalTarget("share", tmp_path / "s"), tmp_path, 5)


def test_a_large_file_goes_up_in_parts(s3_target: S3Target, tmp_path: Path) -> None:
    source = tmp_path / "large"
    source.write_bytes(os.urandom(20 << 20))
    s3_target.put(source, "large.zip")
    with s3_target.open("large.zip") as file:
        assert file.read() == source.read_bytes()


def test_free_space_leaves_nothing_behind(target: Target) -> None:
    assert target.free_space() is None or (target.free_space() or 0) > 0
    if isinstance(target, LocalTarget):
        assert list(target.root.iterdir()) == []


@pytest.mark.parametrize("path", ["../outside", "a/../../b", "/etc/passwd", ""])
def test_no_path_leads_out_of_a_directory(tmp_path: Path, path: str) -> None:
    with pytest.raises(OSError, match="备份路径无效"):
        LocalTarget("local", tmp_path / "root").open(path)


def test_many_ask_for_free_space_at_once(tmp_path: Path) -> None:
    failures: list[Exception] = []

    def ask() -> None:
        try:
            for _ in range(50):
                free_space(tmp_path / "backups")
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []


def test_bucket_that_is_not_there_cannot_be_written(s3_server: str, tmp_path: Path) -> None:
    options = (("endpoint", s3_server), ("region", "us-east-1"), ("key", "k"), ("secret", "s"))
    storage = Storage((S3Target("s3", "no-such-bucket", "", options),), tmp_path / "spool")
    with pytest.raises(service.BackupFailed):
        free_space(storage)


def test_server_that_does_not_answer_is_an_error_of_the_system(tmp_path: Path) -> None:
    options = (("endpoint", "http://127.0.0.1:9"), ("region", "r"), ("key", "k"), ("secret", "s"))
    with pytest.raises(OSError, match="对象存储不可用"):
        S3Target("s3", "bucket", "", options).exists("a")


# -- settings --------------------------------------------------------------------------------------


def _settings(tmp_path: Path, targets: str = "", **more: Any) -> Settings:
    return Settings(data_dir=tmp_path, backup_targets=targets, **more)


def test_the_default_is_one_directory(tmp_path: Path) -> None:
    (target,) = configured(_settings(tmp_path))
    assert isinstance(target, LocalTarget)
    assert (target.name, target.root) == ("local", tmp_path / "backups")


@pytest.mark.parametrize(
    "text",
    [
        "first=file:///mnt/a%20b;nas=/mnt/nas;office=s3://bucket/some/prefix",
        '{"first": "file:///mnt/a%20b", "nas": "/mnt/nas", "office": "s3://bucket/some/prefix"}',
        '[{"name": "first", "url": "file:///mnt/a%20b"}, {"name": "nas", "url": "/mnt/nas"},'
        ' {"name": "office", "url": "s3://bucket/some/prefix"}]',
    ],
)
def test_targets_by_configuration(tmp_path: Path, text: str) -> None:
    first, nas, office = configured(_settings(tmp_path, text))
    assert isinstance(first, LocalTarget)
    assert (first.name, first.root) == ("first", Path("/mnt/a b"))
    assert isinstance(nas, LocalTarget)
    assert nas.root == Path("/mnt/nas")
    assert isinstance(office, S3Target)
    assert office.name == "office"


@pytest.mark.parametrize(
    "text",
    [
        "nas",
        "nas=",
        "=file:///a",
        "a/b=file:///a",
        "a=ftp://host/x",
        "a=s3://",
        "a=/x;a=/y",
        "{nonsense",
        "[1]",
        '[{"name": "x"}]',
    ],
)
def test_nonsense_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BackupSettingsInvalid):
        storage_of(_settings(tmp_path, text))


def test_access_to_s3_comes_from_settings_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text("from-file\n", encoding="utf-8")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "from-environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY_FILE", str(tmp_path / "secret"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert dict(s3_options(_settings(tmp_path))) == {
        "endpoint": "http://127.0.0.1:1",
        "key": "from-environment",
        "secret": "from-file",
    }
    monkeypatch.setenv("QINGKA_BACKUP_S3_SECRET_KEY_FILE", str(tmp_path / "secret"))
    given = load_settings(data_dir=tmp_path, backup_s3_access_key="k", backup_s3_region="cn")
    assert dict(s3_options(given)) == {
        "endpoint": "http://127.0.0.1:1",
        "region": "cn",
        "key": "k",
        "secret": "from-file",
    }


# -- copies ----------------------------------------------------------------------------------------


def _copies(database: Database) -> dict[str, CopyState]:
    with database.reading() as session:
        return {copy.target: copy.state for copy in session.exec(select(BackupCopy))}


def _backups(database: Database) -> list[Backup]:
    with database.reading() as session:
        return list(session.exec(select(Backup)))


def _root(target: Target) -> Path:
    assert isinstance(target, LocalTarget)
    return target.root


@pytest.fixture
def blocked(tmp_path: Path) -> LocalTarget:
    """A directory that cannot be made, for whoever: a file stands in its place."""
    place = tmp_path / "file"
    place.write_bytes(b"")
    return LocalTarget("blocked", place)


def test_every_target_has_the_same_file(
    database: Database, local: Storage, s3_target: S3Target, populate: Any, back_up: Any
) -> None:
    both = replace(local, targets=(local.first, s3_target))
    backup = back_up(database, both, populate(database))
    assert _copies(database) == {"local": CopyState.VERIFIED, "office-s3": CopyState.VERIFIED}
    with s3_target.open(backup.path) as remote, local.first.open(backup.path) as here:
        assert remote.read() == here.read()
    assert list(local.spool.iterdir()) == []


def test_failure_of_a_further_target_is_kept_and_audited(
    database: Database,
    local: Storage,
    blocked: LocalTarget,
    populate: Any,
    back_up: Any,
    actions: Any,
) -> None:
    backup = back_up(database, replace(local, targets=(local.first, blocked)), populate(database))
    assert backup.state is BackupState.VERIFIED
    assert _copies(database) == {"local": CopyState.VERIFIED, "blocked": CopyState.FAILED}
    assert actions(database)[-2:] == ["backup.created", "backup.failed"]


@pytest.mark.parametrize("order", ["first", "all"])
def test_failure_of_a_required_target_leaves_nothing(
    database: Database,
    local: Storage,
    blocked: LocalTarget,
    populate: Any,
    back_up: Any,
    order: str,
) -> None:
    if order == "first":
        storage = replace(local, targets=(blocked, local.first))
    else:
        storage = replace(local, targets=(local.first, blocked), require_all=True)
    with pytest.raises(service.BackupTargetUnwritable):
        back_up(database, storage, populate(database))
    assert _backups(database) == []
    assert list(_root(local.first).rglob("*.zip*")) == []
    assert list(local.spool.iterdir()) == []


class _Lying(LocalTarget):
    """A disk that loses a byte of what it was given."""

    def put(self, source: Path, path: str) -> None:
        super().put(source, path)
        place = self.root / path
        place.write_bytes(place.read_bytes()[:-1])


def test_each_copy_is_read_back_before_it_counts(
    database: Database, local: Storage, tmp_path: Path, populate: Any, back_up: Any
) -> None:
    lying = _Lying("lying", tmp_path / "lying")
    subject = populate(database)
    back_up(database, replace(local, targets=(local.first, lying)), subject)
    assert _copies(database)["lying"] is CopyState.FAILED
    with pytest.raises(service.BackupFailed, match="SHA-256"):
        back_up(database, replace(local, targets=(lying, local.first)), subject)
    assert len(_backups(database)) == 1
    assert list(lying.root.rglob("*.zip")) == []


def test_another_copy_helps_when_the_first_is_damaged(
    database: Database,
    local: Storage,
    s3_target: S3Target,
    populate: Any,
    back_up: Any,
    clock: Any,
) -> None:
    both = replace(local, targets=(local.first, s3_target))
    backup = back_up(database, both, populate(database))
    path = _root(local.first) / backup.path
    path.write_bytes(path.read_bytes()[:-3])
    checked = service.verify(database, both, backup.id, actor=SYSTEM.actor, clock=clock)
    assert checked.state is BackupState.DAMAGED
    assert "office-s3：SHA-256 一致" in checked.check_message
    assert _copies(database) == {"local": CopyState.DAMAGED, "office-s3": CopyState.VERIFIED}
    plan = service.preview(database, both, backup.id)
    assert (plan.target, plan.total) == ("office-s3", 8)


def test_a_target_that_left_the_settings_is_said(
    database: Database, local: Storage, tmp_path: Path, populate: Any, back_up: Any, clock: Any
) -> None:
    backup = back_up(database, local, populate(database))
    elsewhere = replace(local, targets=(LocalTarget("other", tmp_path / "other"),))
    checked = service.verify(database, elsewhere, backup.id, actor=SYSTEM.actor, clock=clock)
    assert (checked.state, "不在设置中" in checked.check_message) == (BackupState.DAMAGED, True)
    with pytest.raises(service.BackupMissing, match="不在设置中"):
        service.preview(database, elsewhere, backup.id)


def test_a_change_during_the_backup_is_found(
    database: Database, local: Storage, populate: Any
) -> None:
    """The second look at the database differs from the first: nothing is registered."""
    from app.backups.models import BackupKind

    rows = iter([[{"a": 1}], [{"a": 2}]])
    content = service.Content(
        BackupKind.ON_DEMAND, "changing", (service.Table("t", lambda _: iter(next(rows))),)
    )
    with pytest.raises(service.BackupFailed, match="备份期间数据有变化"):
        service.create(database, local, content, actor=SYSTEM.actor, clock=lambda: _now())
    assert _backups(database) == []
    assert list(_root(local.first).rglob("*.zip")) == []


def _now() -> Any:
    from datetime import UTC, datetime

    return datetime(2026, 12, 9, 2, 0, tzinfo=UTC)


# -- full and read-only, for real ------------------------------------------------------------------

_FULL = """
import resource, sys
from pathlib import Path
from app.backups.local_target import LocalTarget
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
target = LocalTarget("local", Path(sys.argv[1]))
try:
    target.put(Path(sys.argv[2]), "2026-11/a.zip")
except OSError as error:
    print(error.errno)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_full_disk_leaves_no_half_file(tmp_path: Path) -> None:
    """The operating system itself refuses to write on."""
    source = tmp_path / "source"
    source.write_bytes(os.urandom(100_000))
    root = tmp_path / "root"
    done = subprocess.run(
        [sys.executable, "-c", _FULL, str(root), str(source)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert int(done.stdout) == errno.EFBIG
    assert [path for path in root.rglob("*") if path.is_file()] == []


_FULL_BACKUP = """
import resource, sys
from datetime import UTC, datetime
from pathlib import Path
from app.accounts.principal import SYSTEM
from app.backups import service
from app.backups.models import BackupKind
from app.core.db import Database
import app.models
database = Database(sys.argv[1])
rows = [{"number": f"{index * 2654435761 % 10**9}"} for index in range(60_000)]
content = service.Content(BackupKind.ON_DEMAND, "big", (service.Table("t", lambda _: iter(rows)),))
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
now = datetime(2026, 12, 9, tzinfo=UTC)
try:
    service.create(database, Path(sys.argv[2]), content, actor=SYSTEM.actor, clock=lambda: now)
except service.BackupFailed as error:
    print(error.code)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_backup_on_a_full_disk_is_refused_whole(
    database: Database, sqlite_url: str, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    done = subprocess.run(
        [sys.executable, "-c", _FULL_BACKUP, sqlite_url, str(root)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == "backup.disk_full"
    assert [path for path in root.rglob("*") if path.is_file()] == []
    assert _backups(database) == []


def test_a_read_only_target_is_refused(blocked: LocalTarget, tmp_path: Path) -> None:
    with pytest.raises(service.BackupTargetUnwritable):
        free_space(Storage((blocked,), tmp_path / "spool"))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_without_write_permission_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir(mode=0o555)
    with pytest.raises(service.BackupTargetUnwritable):
        free_space(Storage((LocalTarget("local", root),), tmp_path / "spool"))
