"""Nothing is cleared without a verified backup: a target that can't be used stops a clearing first."""

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import NewWorld
    from tests.e2e.harness import Subject, World

NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")
TINY = 'mkdir -p "$0" && mount -t tmpfs -o size=12k tmpfs "$0" && exec "$@"'
"""A file system of 12 KiB in a mount namespace of the server's own: really full, for nobody else."""


def _may_mount(folder: Path) -> bool:
    if shutil.which(NAMESPACE[0]) is None:
        return False
    command = [*NAMESPACE, "sh", "-c", TINY, str(folder), "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _assert_refused(world: "World", subject: "Subject", code: str, stage: str) -> None:
    before = world.simulation.view(subject.number)
    failed = world.ended(world.begin(subject))
    assert (failed["state"], failed["stage"]) == ("failed", stage)
    assert failed["error"]["code"] == code
    assert failed["error"]["remedy"]
    assert failed["backup_id"] is None
    assert world.simulation.view(subject.number) == before
    assert not world.simulation.log(subject.number, "SJCB", "JKHC", acted=False)
    assert [one["result"] for one in world.records(subject)] == ["failed"]
    invoices = world.get("/invoices", device_id=subject.device_id)["items"]
    assert {one["clearing_status"] for one in invoices} == {"uncleared"}


def _world(new_world: "NewWorld", folder: Path, **settings: Any) -> "World":
    return new_world(devices=1, settings={"QINGKA_BACKUP_DIR": str(folder)} | settings)


def test_a_place_that_is_no_directory(new_world: "NewWorld", tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    world = _world(new_world, tmp_path / "file" / "backups")
    _assert_refused(world, world.subject(), "backup.target_unwritable", "init")


def test_less_space_than_is_asked_for(new_world: "NewWorld", tmp_path: Path) -> None:
    world = _world(new_world, tmp_path / "backups", QINGKA_BACKUP_MIN_FREE_MB="1000000000")
    _assert_refused(world, world.subject(), "backup.disk_full", "init")


def test_a_disk_that_is_full_while_the_backup_is_written(
    new_world: "NewWorld", tmp_path: Path
) -> None:
    folder = tmp_path / "backups"
    if not _may_mount(folder):
        pytest.skip("no mount namespaces for this user here")
    world = new_world(
        devices=1,
        settings={"QINGKA_BACKUP_DIR": str(folder), "QINGKA_BACKUP_MIN_FREE_MB": "0"},
        server_prefix=(*NAMESPACE, "sh", "-c", TINY, str(folder)),
    )
    _assert_refused(world, world.subject(invoices=20), "backup.disk_full", "backup")
