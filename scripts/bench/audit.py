"""Figures of the audit trail: appending, verifying, and the memory of verifying."""

import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.audit.actor import SYSTEM
from app.core import migrate
from app.core.clock import utc_now
from app.core.db import Database, Session
from scripts.bench.memory import measured
from scripts.bench.options import Options
from scripts.bench.table import Figure, above, at_least, below
from scripts.rig_daemon import plain_environment

APPENDS = 200
"""Commits of one round; each waits for the disk."""

IN_ONE_TRANSACTION = 5000
VERIFY_LIMIT = 600.0
SMALL_PART = 10
"""The memory of verifying is compared with that for a tenth of the records."""


def figures(options: Options, folder: Path) -> Iterator[Figure]:
    """Append and verify."""
    if "audit" not in options.only:
        return
    path = folder / "audit.db"
    database = Database(f"sqlite:///{path}")
    try:
        migrate.upgrade(database)
        yield _append(database, folder, options.rounds)
        yield from _verify(database, path, options.records)
    finally:
        database.dispose()


def _append(database: Database, folder: Path, rounds: int) -> Figure:
    bare = _bare_commits(folder / "commits.db")
    pairs = [(_rate(lambda: _append_one(database)), _rate(bare)) for _ in range(2 * rounds)]
    ours = statistics.median(pair[0] for pair in pairs)
    theirs = statistics.median(pair[1] for pair in pairs)
    name = "audit: appending against bare durable commits"
    return at_least(name, ours, theirs, unit="/s", least=0.3)


def _rate(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    for _ in range(APPENDS):
        call()
    return APPENDS / (time.perf_counter() - started)


def _append_one(database: Database) -> None:
    with database.transaction() as session:
        _record(session, 0)


def _record(session: Session, number: int) -> None:
    audit.record(
        session,
        actor=SYSTEM,
        action=AuditAction.OPERATOR_CHANGED,
        object_type="operator",
        object_id=number,
        at=utc_now(),
        details={"name": ["王晓梅", "王小梅"], "number": number},
    )


def _bare_commits(path: Path) -> Callable[[], object]:
    """One row of about the same size and one commit that is on the disk, straight to sqlite3."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE log (seq INTEGER PRIMARY KEY, text TEXT NOT NULL)")
    text = "x" * 400

    def commit() -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO log (text) VALUES (?)", (text,))
        connection.execute("COMMIT")

    return commit


def _verify(database: Database, path: Path, records: int) -> Iterator[Figure]:
    _fill(database, records // SMALL_PART)
    _, _, few = _verified(path)
    _fill(database, records)
    checked, seconds, many = _verified(path)
    yield above(
        f"audit: verifying {checked:,} records",
        checked / seconds,
        unit="records/s",
        least=200_000,
        seconds=seconds,
    )
    yield below(
        f"audit: more memory for {checked:,} records than for a tenth",
        many - few,
        unit="MB",
        most=10,
        few=few,
        many=many,
    )


def _fill(database: Database, until: int) -> None:
    """Append records until there are so many."""
    with database.transaction() as session:
        done = audit.lock_head(session)[0]
    while done < until:
        step = min(IN_ONE_TRANSACTION, until - done)
        with database.transaction() as session:
            for number in range(step):
                _record(session, done + number)
        done += step


def _verified(path: Path) -> tuple[int, float, float]:
    """Records, seconds and MB of a verification in a fresh process."""
    run = measured(["scripts.bench.verify", str(path)], plain_environment(), limit=VERIFY_LIMIT)
    checked, seconds, grown = run.output.rsplit("verified ", 1)[1].split()
    return int(checked), float(seconds), float(grown)
