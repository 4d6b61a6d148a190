"""A byte of the audit trail that is changed in the database file behind the product's back is found."""

import shutil
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import NewWorld
    from tests.e2e.harness import World

PLACES = ("first", "middle", "last")


@pytest.fixture(scope="module")
def world(new_shared_world: "NewWorld") -> "World":
    """A world with a clearing in its trail; its server is stopped, its database one whole file."""
    world = new_shared_world(devices=1)
    subject = world.subject()
    world.assert_cleared_once(subject, world.begin(subject))
    world.stop()
    world.database.dispose()
    with sqlite3.connect(world.data_dir / "qingka.db") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return world


def test_the_untouched_trail_verifies(world: "World") -> None:
    done = world.qingka("audit", "verify")
    assert done.returncode == 0, done.stderr
    assert "首尾相接" in done.stdout
    assert "没有库外检查点" in done.stdout or "个库外检查点一致" in done.stdout


@pytest.mark.parametrize("place", PLACES)
def test_one_changed_byte_is_named(world: "World", place: str, tmp_path: Path) -> None:
    shutil.copytree(world.data_dir, tmp_path / "copy")
    seq = _change_one_byte(tmp_path / "copy" / "qingka.db", place)
    done = world.qingka("audit", "verify", data_dir=tmp_path / "copy")
    assert done.returncode == 1, done.stdout
    assert f"第 {seq} 条记录与链不符" in done.stderr


def _change_one_byte(path: Path, place: str) -> int:
    """Flip a bit of what one stored row says; gives the row's number.

    The two hashes stand side by side in the row's bytes and nowhere else; its details stand before them.
    """
    connection = sqlite3.connect(path)
    query = "SELECT seq, details, prev_hash || hash FROM audit_records ORDER BY seq"
    rows = connection.execute(query).fetchall()
    connection.close()
    seq, details, hashes = rows[{"first": 0, "middle": len(rows) // 2, "last": -1}[place]]
    content = bytearray(path.read_bytes())
    assert content.count(hashes.encode()) == 1
    position = content.rindex(details.encode(), 0, content.index(hashes.encode()))
    content[position + 1] ^= 1
    path.write_bytes(content)
    return int(seq)
