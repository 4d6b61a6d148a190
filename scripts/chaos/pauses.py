"""SIGSTOP at every boundary of a clearing at once, and SIGCONT after every lease and time-out has run out.

On PostgreSQL the workers are stopped, another process takes over and ends what they had in hand, and they go
on: they change nothing any more. On SQLite one process executes: it, its agent, or both are stopped, and go
on themselves where they stood.
"""

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlmodel import select

from app.backups import archive
from app.backups.ledger import parts_of
from app.backups.models import Backup, BackupKind
from app.requests.run.processes import SILENT_AFTER
from scripts.chaos.kills import MOMENTS, VICTIMS, Moment, begin_held, reach
from scripts.chaos.tally import Tally
from scripts.chaos.truth import Case, patiently, settle_all, verify_whole
from scripts.rig import Rig, RigPlan, at_once
from scripts.rig_daemon import Daemon
from scripts.rig_postgres import postgres
from tests.e2e.harness import Subject

TAKEN = "another process takes it over"
PAUSED = "paused at the moment"
STATE_BEFORE = "the backup of before shows the state before"

HELD = 12.0
"""Seconds a device is held up at its moment: all have to come to theirs meanwhile."""
TIMEOUT = 15.0
"""Of a device's answer and of an operation: longer than a device is held, shorter than a pause."""
PAUSED_SECONDS = SILENT_AFTER.total_seconds() + 5.0
AWAKE_SECONDS = 4.0
"""How long the process that was paused has to do harm before it is counted."""
TRIES = 4
"""A clearing may be late for its moment, and on PostgreSQL the server, which is not paused, may have it."""
EACH = 2
"""Clearings of each moment on PostgreSQL, as three processes share them."""
THREADS = 16
SETTINGS = {"QINGKA_OPERATION_TIMEOUT_SECONDS": str(TIMEOUT)}


@dataclass(frozen=True, slots=True)
class Held:
    """A clearing, and the moment it is held up at. `there`: it came to it, and is there still."""

    moment: Moment
    case: Case
    there: bool


def pauses(tally: Tally, folder: Path, *, rounds: int, on_postgres: bool) -> None:
    """Every moment so many times, for each process that can be paused."""
    _on_sqlite(tally, folder / "pauses-sqlite", rounds)
    if on_postgres:
        _on_postgres(tally, folder, rounds)


def _on_sqlite(tally: Tally, folder: Path, rounds: int) -> None:
    devices = len(VICTIMS) * rounds * TRIES * len(MOMENTS)
    rig = Rig(folder, _plan(devices))
    try:
        rig.start()
        for victims in VICTIMS * rounds:
            part = f"SQLite, {' and '.join(victims)} paused, continued"
            left: set[Moment] = set(MOMENTS)
            for _ in range(TRIES):
                left -= _continue_where_it_stood(rig, tally, part, victims, left) if left else left
            _count_moments(tally, part, left)
        verify_whole(rig, tally, "SQLite, paused, afterwards")
    finally:
        rig.close()


def _on_postgres(tally: Tally, folder: Path, rounds: int) -> None:
    part = "PostgreSQL, workers paused, taken over, continued"
    devices = EACH * rounds * TRIES * len(MOMENTS)
    with postgres(folder / "pauses-postgres") as server:
        plan = _plan(devices, workers=2, database_url=server.new_database())
        rig = Rig(folder / "pauses", plan)
        try:
            rig.start()
            for _ in range(rounds):
                left: set[Moment] = set(MOMENTS)
                for _ in range(TRIES):
                    left -= _take_over(rig, tally, part, left) if left else left
                _count_moments(tally, part, left)
            verify_whole(rig, tally, part)
        finally:
            rig.close()


def _plan(devices: int, *, workers: int = 0, database_url: str = "") -> RigPlan:
    return RigPlan(
        devices=devices,
        seconds=0.4,
        settle=HELD,  # a lost answer is looked into only after that: its moment lasts as long as the others
        timeout=TIMEOUT,
        split=True,
        workers=workers,
        database_url=database_url,
        settings=SETTINGS,
    )


def _count_moments(tally: Tally, part: str, left: Collection[Moment]) -> None:
    for moment in MOMENTS:
        tally.check(part, PAUSED, moment not in left, moment.name)


def _continue_where_it_stood(
    rig: Rig, tally: Tally, part: str, victims: Sequence[str], moments: Collection[Moment]
) -> set[Moment]:
    """Pause these processes with a device held at each of the moments; gives those it was paused at."""
    held = _hold(rig, moments, 1)
    with _paused([rig.daemons[name] for name in victims]):
        _mend(rig, held)
        time.sleep(PAUSED_SECONDS)
    _settle(rig, tally, part, held)
    _count_backups(rig, tally, part, held)
    return {one.moment for one in held if one.there}


def _take_over(rig: Rig, tally: Tally, part: str, moments: Collection[Moment]) -> set[Moment]:
    """The same with the workers; while they are paused another process ends what they had in hand."""
    held = _hold(rig, moments, EACH)
    workers = {one.address: one for name, one in rig.daemons.items() if name.startswith("worker-")}
    with _paused(list(workers.values())):
        owners = {one.case.request_id: _owner(rig, one.case) for one in held}
        theirs = [one for one in held if one.there and owners[one.case.request_id] in workers]
        _mend(rig, held)
        for one in theirs:
            taken = _is_taken(rig, one.case, workers)
            tally.check(part, TAKEN, taken, one.case.name)
        settle_all(rig, tally, part, [one.case for one in held])
    time.sleep(AWAKE_SECONDS)
    _settle(rig, tally, part, held)
    _count_backups(rig, tally, part, held)
    return {one.moment for one in theirs}


def _is_taken(rig: Rig, case: Case, paused: Collection[str]) -> bool:
    return bool(patiently(lambda: _owner(rig, case) not in ("", *paused), seconds=60))


def _hold(rig: Rig, moments: Collection[Moment], each: int) -> list[Held]:
    """So many clearings held up at each of the moments, all at the same time.

    First those whose device is held in the pre-checks as well: they take twice as long to come there.
    """
    wanted = [one for one in MOMENTS if one in moments for _ in range(each)]
    slow = _begin(rig, [one for one in wanted if one.times is None])
    began = time.monotonic()
    fast = _begin(rig, [one for one in wanted if one.times is not None])
    is_early = time.monotonic() - began < HELD
    return [Held(one.moment, one.case, one.there and is_early) for one in (*slow, *fast)]


def _begin(rig: Rig, moments: Sequence[Moment]) -> list[Held]:
    subjects = rig.subjects(len(moments))
    return at_once(
        THREADS, range(len(moments)), lambda place: _one(rig, moments[place], subjects[place])
    )


def _one(rig: Rig, moment: Moment, subject: Subject) -> Held:
    request_id = begin_held(rig, subject, moment, seconds=HELD)
    case = Case(subject, request_id, f"pause, {moment.name}, device {subject.number}")
    return Held(moment, case, reach(rig, moment, case))


@contextmanager
def _paused(daemons: Collection[Daemon]) -> Iterator[None]:
    for one in daemons:
        one.pause()
    try:
        yield
    finally:
        for one in daemons:
            one.go_on()


def _mend(rig: Rig, held: Sequence[Held]) -> None:
    for one in held:
        rig.simulation.mend(one.case.subject.number)


def _settle(rig: Rig, tally: Tally, part: str, held: Sequence[Held]) -> None:
    """All came to a true end, and it is the same a while later."""
    cases = [one.case for one in held]
    settle_all(rig, tally, part, cases)
    time.sleep(AWAKE_SECONDS)
    settle_all(rig, tally, part, cases)


def _count_backups(rig: Rig, tally: Tally, part: str, held: Sequence[Held]) -> None:
    for one in held:
        wrong = _wrong_backup(rig, one.case)
        tally.check(part, STATE_BEFORE, not wrong, f"{one.case.name}: {wrong}")


_OWNER = sa.text("SELECT executor_id FROM dbos.workflow_status WHERE workflow_uuid LIKE :identity")


def _owner(rig: Rig, case: Case) -> str:
    """The process that has the request's workflow, by the engine's own table."""
    try:
        with rig.database.reading() as session:
            found = session.execute(_OWNER, {"identity": f"clearing-{case.request_id}-%"})
            return str(found.scalars().first() or "")
    except (DBAPIError, psycopg.Error) as error:
        raise RuntimeError("the database is away") from error


def _wrong_backup(rig: Rig, case: Case) -> str:
    """What is wrong with the backups of before the clearing; empty when nothing is."""
    with rig.database.reading() as session:
        wanted = select(Backup).where(Backup.kind == BackupKind.PRE_CLEARING)
        made = [one for one in session.exec(wanted) if str(one.request_id) == case.request_id]
    if not made:
        return "there is none"
    root = rig.data_dir / "backups"
    for backup in made:
        path = root / backup.path
        if archive.file_digest(path) != (backup.size, backup.sha256):
            return f"{backup.path} is not what was registered"
        for _, part in parts_of(backup.summary):
            if any(row["clearing_status"] == "cleared" for row in archive.read_lines(path, part)):
                return f"{backup.path} holds what was there after the clearing"
    return ""
