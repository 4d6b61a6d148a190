"""Every tampering with a copy of the trail is found, and named by the first bad number."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.audit import chain, tree
from app.audit.actor import SYSTEM
from app.audit.canonical import GENESIS
from app.audit.checkpoint import CheckpointInvalid, Signer
from app.audit.verification import Problem, Verification, verify
from app.core.db import Database, Session

START = datetime(2026, 11, 2, 1, 30, tzinfo=UTC)
COLUMNS = [
    "at",
    "actor_kind",
    "actor_id",
    "actor_name",
    "action",
    "object_type",
    "object_id",
    "ip",
    "details",
    "version",
    "algorithm",
    "prev_hash",
    "hash",
]
Append = Callable[[Session, int], None]
Tamper = Callable[[Database, str], None]


def _verify(database: Database, signer: Signer, kept: str | None = None) -> Verification:
    with database.reading() as session:
        return verify(session, signer=signer, kept=kept)


def _checkpoint(database: Database, signer: Signer) -> str:
    with database.transaction() as session:
        return tree.issue(session, signer, actor=SYSTEM, at=START).text


def test_a_whole_trail(any_database: Database, append: Append, signer: Signer) -> None:
    assert _verify(any_database, signer) == Verification(True, 0, None, GENESIS)
    with any_database.transaction() as session:
        append(session, 12)
    kept = _checkpoint(any_database, signer)
    result = _verify(any_database, signer, kept)
    assert (result.ok, result.checked, result.first_bad_seq) == (True, 13, None)
    assert result.checkpoint_size == 12
    assert result.sentence == "审计记录 13 条，首尾相接"


def test_a_trail_of_several_chunks(
    trail: Database, signer: Signer, monkeypatch: pytest.MonkeyPatch, tamper: Tamper
) -> None:
    monkeypatch.setattr(chain, "CHUNK", 5)
    _checkpoint(trail, signer)
    assert _verify(trail, signer).checked == 13
    tamper(trail, "UPDATE audit_records SET ip = 'x' WHERE seq = 11")
    assert _verify(trail, signer).first_bad_seq == 11


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("seq", [1, 7, 12])
def test_one_changed_byte_of_any_column(
    trail: Database, signer: Signer, tamper: Tamper, column: str, seq: int
) -> None:
    changed = "version + 1" if column == "version" else _flip(column)
    tamper(trail, f"UPDATE audit_records SET {column} = {changed} WHERE seq = {seq}")
    result = _verify(trail, signer)
    assert (result.ok, result.first_bad_seq, result.problem) == (False, seq, Problem.RECORD)
    assert result.checked == seq - 1
    assert result.sentence.startswith(f"第 {seq} 条记录与链不符")


def _flip(column: str) -> str:
    """Another last character, the rest as it is."""
    last = f"substr({column}, length({column}))"
    return (
        f"substr({column}, 1, length({column}) - 1) || CASE {last} WHEN '0' THEN '1' ELSE '0' END"
    )


@pytest.mark.parametrize(
    ("assignment", "what"),
    [
        ("actor_name = CAST('张三' AS BLOB)", "bytes in place of text"),
        ("actor_name = CAST(x'ff' AS TEXT)", "bytes that are no UTF-8"),
        ("version = 1.5", "a number that is cut to the right one"),
        ("details = details || ' '", "space outside the canonical form"),
        ("action = upper(action)", "letters of another case"),
        ("hash = upper(hash)", "the hash in another spelling"),
        ("actor_id = actor_id || char(0)", "a hidden character"),
    ],
)
def test_changes_that_are_hard_to_see(
    trail: Database, signer: Signer, tamper: Tamper, assignment: str, what: str
) -> None:
    tamper(trail, f"UPDATE audit_records SET {assignment} WHERE seq = 7")
    assert _verify(trail, signer).first_bad_seq == 7, what


@pytest.mark.parametrize(
    ("script", "seq", "problem"),
    [
        ("DELETE FROM audit_records WHERE seq = 1", 1, Problem.RECORD),
        ("DELETE FROM audit_records WHERE seq = 5", 5, Problem.RECORD),
        ("DELETE FROM audit_records WHERE seq >= 10", 10, Problem.MISSING),
        ("DELETE FROM audit_records", 1, Problem.MISSING),
        ("UPDATE audit_records SET seq = -seq WHERE seq = 3", -3, Problem.EXTRA),
        ("UPDATE audit_records SET seq = 0 WHERE seq = 12", 0, Problem.EXTRA),
        ("UPDATE audit_head SET seq = 11", 12, Problem.EXTRA),
        ("UPDATE audit_head SET seq = 13", 13, Problem.MISSING),
        ("UPDATE audit_head SET hash = prev_hash FROM audit_records r WHERE r.seq = 9", 12, "head"),
        ("UPDATE audit_head SET seq = 'x'", 1, Problem.HEAD),
        ("UPDATE audit_head SET hash = CAST(x'ff' AS TEXT)", 1, Problem.HEAD),
        ("DELETE FROM audit_head", 1, Problem.HEAD),
    ],
)
def test_deletion_truncation_and_the_head(
    trail: Database, signer: Signer, tamper: Tamper, script: str, seq: int, problem: str
) -> None:
    tamper(trail, script)
    result = _verify(trail, signer)
    assert (result.ok, result.first_bad_seq, result.problem) == (False, seq, problem)


SHIFT = "UPDATE audit_records SET seq = -seq WHERE seq >= 5; UPDATE audit_records SET seq = 1 - seq"
COPY = (
    "CREATE TABLE copy AS SELECT * FROM audit_records WHERE seq = 4; UPDATE copy SET seq = {to};"
    "INSERT INTO audit_records SELECT * FROM copy;"
)


@pytest.mark.parametrize(
    ("script", "seq"),
    [
        (f"{SHIFT} WHERE seq < 0;" + COPY.format(to=5), 5),
        (COPY.format(to=13), 13),
        (COPY.format(to=13) + "UPDATE audit_head SET seq = 13", 13),
        (
            "UPDATE audit_records SET seq = 99 WHERE seq = 6;"
            "UPDATE audit_records SET seq = 6 WHERE seq = 7;"
            "UPDATE audit_records SET seq = 7 WHERE seq = 99",
            6,
        ),
    ],
)
def test_insertion_and_another_order(
    trail: Database, signer: Signer, tamper: Tamper, script: str, seq: int
) -> None:
    tamper(trail, script)
    result = _verify(trail, signer)
    assert (result.ok, result.first_bad_seq) == (False, seq)


def _rewrite(database: Database, tamper: Tamper, append: Append, keep: int) -> None:
    """Cut the trail after `keep` records, head and all: what follows is written anew."""
    tamper(
        database,
        f"DELETE FROM audit_records WHERE seq > {keep};"
        "UPDATE audit_head SET (seq, hash) ="
        " (SELECT seq, hash FROM audit_records ORDER BY seq DESC LIMIT 1)",
    )
    with database.transaction() as session:
        append(session, 20 - keep)


def test_a_rewritten_trail_contradicts_the_stored_checkpoint(
    trail: Database, signer: Signer, tamper: Tamper, append: Append
) -> None:
    _checkpoint(trail, signer)
    _rewrite(trail, tamper, append, keep=5)
    result = _verify(trail, signer)
    assert (result.first_bad_seq, result.problem) == (12, Problem.CHECKPOINT)


def test_a_rewritten_trail_without_its_checkpoints_contradicts_the_kept_one(
    trail: Database, signer: Signer, tamper: Tamper, append: Append
) -> None:
    kept = _checkpoint(trail, signer)
    tamper(trail, "DELETE FROM audit_checkpoints")
    _rewrite(trail, tamper, append, keep=5)
    assert _verify(trail, signer).ok
    assert _verify(trail, signer, kept).problem == Problem.ANCHOR


def test_a_trail_cut_with_its_head_contradicts_the_checkpoint(
    trail: Database, signer: Signer, tamper: Tamper
) -> None:
    _checkpoint(trail, signer)
    tamper(
        trail,
        "DELETE FROM audit_records WHERE seq > 9; UPDATE audit_head SET (seq, hash) ="
        " (SELECT seq, hash FROM audit_records WHERE seq = 9)",
    )
    result = _verify(trail, signer)
    assert (result.first_bad_seq, result.problem) == (10, Problem.CHECKPOINT)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("text = replace(text, char(10) || '12' || char(10), char(10) || '11' || char(10))", "s"),
        ("text = ''", "s"),
        ("text = x'00'", "s"),
        ("text = CAST(x'ff' AS TEXT)", "s"),
        ("size = 11", "c"),
        ("root = replace(root, substr(root, 1, 1), 'g')", "c"),
        ("frontier = replace(frontier, substr(frontier, 1, 1), 'g')", "c"),
    ],
)
def test_a_changed_checkpoint(
    trail: Database, signer: Signer, tamper: Tamper, change: str, problem: str
) -> None:
    _checkpoint(trail, signer)
    tamper(trail, f"UPDATE audit_checkpoints SET {change}")
    wanted = {"s": Problem.SIGNATURE, "c": Problem.CHECKPOINT}[problem]
    assert _verify(trail, signer).problem == wanted


def test_a_checkpoint_of_another_key_is_a_problem_until_a_new_one_is_signed(
    trail: Database, signer: Signer
) -> None:
    _checkpoint(trail, Signer(b"the secret of before"))
    assert _verify(trail, signer).problem == Problem.SIGNATURE
    _checkpoint(trail, signer)
    assert _verify(trail, signer).ok


def test_a_kept_text_that_is_no_checkpoint(trail: Database, signer: Signer) -> None:
    with pytest.raises(CheckpointInvalid):
        _verify(trail, signer, "nonsense")


def test_a_file_that_is_no_database_is_an_error_and_no_finding(
    trail: Database, signer: Signer
) -> None:
    trail.dispose()
    Path(str(trail.url.database)).write_bytes(b"not a database" * 100)
    with pytest.raises(Exception, match="not a database"):
        _verify(trail, signer)


@contextmanager
def _copy(path: Path, name: str) -> Iterator[tuple[Database, Path]]:
    copy = path.with_name(name)
    shutil.copy(path, copy)
    database = Database(f"sqlite:///{copy}")
    try:
        yield database, copy
    finally:
        database.dispose()


def test_flipped_bits_of_the_stored_records(
    database: Database, append: Append, signer: Signer
) -> None:
    """Whatever bit of a record's bytes in the file flips: found, unless no reader would see it."""
    with database.transaction() as session:
        append(session, 5)
    database.dispose()
    path = Path(str(database.url.database))
    raw, before, found = path.read_bytes(), _rows(path), 0
    # SQLite fills a page from its end: the last record comes first.
    places = range(raw.index(b'"n":4,'), raw.index(b'"n":0,'), 5)
    for place in places:
        with _copy(path, "flipped.db") as (copied, copy):
            copy.write_bytes(_flipped(raw, place))
            result = _verify(copied, signer)
            assert not result.ok or _rows(copy) == before, place
            found += not result.ok
    assert found > 0.98 * len(places) > 200


def _flipped(raw: bytes, place: int) -> bytes:
    changed = bytearray(raw)
    changed[place] ^= 1 << place % 8
    return bytes(changed)


def _rows(path: Path) -> list[tuple[object, ...]] | None:
    connection = sqlite3.connect(path)
    connection.text_factory = bytes
    try:
        return connection.execute("SELECT * FROM audit_records ORDER BY seq").fetchall()
    except sqlite3.DatabaseError:
        return None
    finally:
        connection.close()
