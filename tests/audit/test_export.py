"""Exports and the offline verifier, which shares no code with the writer."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.audit import offline, tree
from app.audit.actor import SYSTEM
from app.audit.checkpoint import Signer
from app.audit.export import export_lines
from app.audit.offline import Refused, verify
from app.audit.queries import AuditFilter
from app.core.db import Database, Session

START = datetime(2026, 11, 2, 1, 30, tzinfo=UTC)
EXCERPT = AuditFilter(action="account.locked")
Append = Callable[[Session, int], None]


def _export(database: Database, signer: Signer, wanted: AuditFilter) -> list[str]:
    with database.reading() as session:
        return list(export_lines(session, signer, wanted))


def _checkpoint(database: Database, signer: Signer) -> str:
    with database.transaction() as session:
        return tree.issue(session, signer, actor=SYSTEM, at=START).text


def _verify(lines: list[str], kept: str, signer: Signer) -> str:
    return verify(lines, kept, signer.verifier_key)


def test_a_complete_export_fits(any_database: Database, append: Append, signer: Signer) -> None:
    with any_database.transaction() as session:
        append(session, 9)
    kept = _checkpoint(any_database, signer)
    with any_database.transaction() as session:
        append(session, 5)
    lines = _export(any_database, signer, AuditFilter())
    header, first, last = (json.loads(lines[index]) for index in (0, 1, -1))
    assert (header["size"], header["complete"], last) == (15, True, {"records": 15})
    assert first["record"]["actor_name"] == "张三"
    assert first["record"]["details"]["设备"] == ["661814461322"]
    assert _verify(lines, kept, signer).startswith("all 15 records fit")
    assert _verify(lines, header["checkpoint"], signer).startswith("all 15 records fit")


def test_an_empty_trail_exports(database: Database, signer: Signer) -> None:
    lines = _export(database, signer, AuditFilter())
    kept = json.loads(lines[0])["checkpoint"]
    assert _verify(lines, kept, signer).startswith("all 0 records fit")


def test_an_excerpt_carries_proofs(any_database: Database, append: Append, signer: Signer) -> None:
    with any_database.transaction() as session:
        append(session, 20)
    lines = _export(any_database, signer, EXCERPT)
    kept = json.loads(lines[0])["checkpoint"]
    assert [json.loads(line)["record"]["seq"] for line in lines[1:-1]] == [3, 10, 17]
    assert _verify(lines, kept, signer) == "3 records are in the log of 20"


def _changed(line: str, **changes: object) -> str:
    entry = json.loads(line)
    entry["record"] |= changes
    return json.dumps(entry, ensure_ascii=False)


def _rehashed(lines: list[str], index: int) -> list[str]:
    """As somebody would who knows the format: record `index` changed and all hashes made anew."""
    lines = [*lines[:index], _changed(lines[index], ip="10.0.0.1"), *lines[index + 1 :]]
    previous = "0" * 64
    for position in range(1, len(lines) - 1):
        entry = json.loads(lines[position])
        text = json.dumps(
            entry["record"], ensure_ascii=False, sort_keys=True, separators=(",", ":")
        )
        new = hashlib.sha256(bytes.fromhex(previous) + text.encode()).hexdigest()
        lines[position] = json.dumps(entry | {"prev_hash": previous, "hash": new})
        previous = new
    return lines


TAMPERINGS: dict[str, tuple[Callable[[list[str]], list[str]], str]] = {
    "edited": (lambda x: [*x[:4], _changed(x[4], ip="10.0.0.1"), *x[5:]], "record 4 is not what"),
    "deleted": (lambda x: [*x[:4], *x[5:]], "record 4 does not follow"),
    "inserted": (lambda x: [*x[:5], x[4], *x[5:]], "record 5 does not follow"),
    "swapped": (lambda x: [*x[:4], x[5], x[4], *x[6:]], "record 4 does not follow"),
    "cut": (lambda x: x[:-3], "without its last line"),
    "cut with last line": (lambda x: [*x[:-2], '{"records":11}'], "11 records, but 12"),
    "wrong count": (lambda x: [*x[:-1], '{"records":13}'], "the last line says 13"),
    "rewritten": (lambda x: _rehashed(x, 3), "are not those of the checkpoint"),
    "other format": (lambda x: ["{}", *x[1:]], "not an export"),
    "not JSON": (lambda x: [*x[:3], "x", *x[4:]], "line 4 is not JSON"),
    "a key twice": (
        lambda x: [
            *x[:4],
            x[4].replace('"actor_name"', '"actor_name":"李四","actor_name"', 1),
            *x[5:],
        ],
        "a key stands twice",
    ),
    "a key twice around the record": (
        lambda x: [*x[:4], x[4].replace('{"record"', '{"record":{},"record"', 1), *x[5:]],
        "a key stands twice",
    ),
    "something beside a record": (
        lambda x: [*x[:4], x[4].replace('{"record"', '{"note":"李四","record"', 1), *x[5:]],
        "more beside it",
    ),
    "records after the last line": (lambda x: [*x, x[4]], "more after the last line"),
    "two last lines": (lambda x: [*x, x[-1]], "more after the last line"),
    "a last line that says more": (
        lambda x: [*x[:-1], x[-1].replace("{", '{"note":1,', 1)],
        "the last line says more",
    ),
    "not an object": (lambda x: [*x[:3], "[]", *x[4:]], "line 4 is not an object"),
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_tampered_exports_are_refused(trail: Database, signer: Signer, what: str) -> None:
    change, message = TAMPERINGS[what]
    lines = _export(trail, signer, AuditFilter())
    kept = json.loads(lines[0])["checkpoint"]
    with pytest.raises(Refused, match=message):
        _verify(change(lines), kept, signer)


EXCERPT_TAMPERINGS: dict[str, tuple[Callable[[list[str]], list[str]], str]] = {
    "edited": (lambda x: [x[0], _changed(x[1], ip=""), *x[2:]], "record 3 is not what"),
    "moved": (lambda x: [x[0], x[2], x[1], *x[3:]], "out of order"),
    "repeated": (lambda x: [x[0], x[1], *x[1:]], "out of order"),
    "forged": (lambda x: _rehashed(x, 1), "is not in the log"),
    "cut": (lambda x: x[:-1], "without its last line"),
    "records after the last line": (lambda x: [*x, x[1]], "more after the last line"),
}


@pytest.mark.parametrize("what", EXCERPT_TAMPERINGS)
def test_tampered_excerpts_are_refused(trail: Database, signer: Signer, what: str) -> None:
    change, message = EXCERPT_TAMPERINGS[what]
    lines = _export(trail, signer, EXCERPT)
    kept = json.loads(lines[0])["checkpoint"]
    with pytest.raises(Refused, match=message):
        _verify(change(lines), kept, signer)


def test_a_fork_is_found_with_the_kept_checkpoint(
    trail: Database, signer: Signer, append: Append, tamper: Callable[[Database, str], None]
) -> None:
    """The log's owner rewrites history and signs it again: only who kept a checkpoint can tell."""
    kept = _checkpoint(trail, signer)
    tamper(
        trail,
        "DELETE FROM audit_checkpoints; DELETE FROM audit_records WHERE seq > 4;"
        "UPDATE audit_head SET (seq, hash) = (SELECT seq, hash FROM audit_records WHERE seq = 4)",
    )
    short = _export(trail, signer, AuditFilter())
    with pytest.raises(Refused, match="was cut"):
        _verify(short, kept, signer)
    with trail.transaction() as session:
        append(session, 9)
    forked = _export(trail, signer, AuditFilter())
    assert _verify(forked, json.loads(forked[0])["checkpoint"], signer).startswith("all 13")
    with pytest.raises(Refused, match="the first 12 records are not those"):
        _verify(forked, kept, signer)


def test_a_foreign_key_is_refused(trail: Database, signer: Signer) -> None:
    lines = _export(trail, signer, AuditFilter())
    kept = json.loads(lines[0])["checkpoint"]
    with pytest.raises(Refused, match="not signed with this key"):
        _verify(lines, kept, Signer(b"other"))


def test_as_a_program(trail: Database, signer: Signer, tmp_path: Path) -> None:
    lines = _export(trail, signer, AuditFilter())
    files = {
        "export": "".join(lines),
        "checkpoint": json.loads(lines[0])["checkpoint"],
        "key": signer.verifier_key + "\n",
        "bad": "".join(TAMPERINGS["deleted"][0](lines)),
    }
    for name, content in files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")

    def run(export: str) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, offline.__file__]
        paths = [str(tmp_path / name) for name in (export, "checkpoint", "key")]
        return subprocess.run(
            program + paths, capture_output=True, text=True, cwd=tmp_path, check=False
        )

    good, bad = run("export"), run("bad")
    assert (good.returncode, good.stdout[:21]) == (0, "all 12 records fit th")
    assert (bad.returncode, bad.stderr) == (
        1,
        "FAILED: record 4 does not follow the one before it\n",
    )
    assert offline.main([]) == 2
    assert offline.main([str(tmp_path / "key"), str(tmp_path / "key"), signer.verifier_key]) == 1
    assert offline.main([str(tmp_path / "export"), str(tmp_path / "key"), "a+b+c"]) == 1
