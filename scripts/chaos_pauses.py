"""SIGSTOP of the process that executes, at every boundary; another takes over; SIGCONT: it changes nothing any more."""

import time
from pathlib import Path
from random import Random

import psycopg
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlmodel import select

from app.backups import archive
from app.backups.ledger import parts_of
from app.backups.models import Backup, BackupKind
from scripts.chaos_kills import MOMENTS, Moment, hold, reach
from scripts.chaos_tally import Tally
from scripts.chaos_truth import Case, patiently, settle, verify_whole
from scripts.rig import Rig, RigPlan
from scripts.rig_daemon import Daemon
from scripts.rig_postgres import postgres

PART = "paused, taken over, continued"
TAKEN = "another process takes it over"
STATE_BEFORE = "the backup of before shows the state before"
AWAKE_SECONDS = 4.0
"""How long the process that was paused has to do harm before it is counted."""
TRIES = 4
"""The server executes as well, and is not paused: it answers our questions."""
BEFORE_WRITING = tuple(one for one in MOMENTS if one.message != "SKPXXCX")
"""Moments that are reached by holding a message up from the beginning on."""


def pauses(tally: Tally, chance: Random, folder: Path, *, moments: int) -> None:
    """So many moments, on two workers and PostgreSQL."""
    wanted = chance.sample(BEFORE_WRITING, min(moments, len(BEFORE_WRITING)))
    with postgres(folder / "pauses-postgres") as server:
        plan = RigPlan(
            devices=TRIES * len(wanted),
            seconds=0.4,
            settle=1.0,
            split=True,
            workers=2,
            database_url=server.new_database(),
        )
        rig = Rig(folder / "pauses", plan)
        try:
            rig.start()
            for moment in wanted:
                paused = any(_pause_at(rig, tally, moment) for _ in range(TRIES))
                tally.check(PART, "a worker was paused at the moment", paused, moment.name)
            verify_whole(rig, tally, PART)
        finally:
            rig.close()


def _pause_at(rig: Rig, tally: Tally, moment: Moment) -> bool:
    """Begin one clearing and pause its worker at the moment; False when it could not be."""
    (subject,) = rig.subjects(1)
    hold(rig, subject, moment)
    case = Case(subject, rig.begin(subject), f"pause, {moment.name}, device {subject.number}")
    there = reach(rig, moment, case)
    owner = _owner(rig, case)
    worker = _worker(rig, owner)
    if worker is None or not there:
        rig.simulation.mend(subject.number)
        settle(rig, tally, PART, case)
        return False
    worker.pause()
    try:
        rig.simulation.mend(subject.number)
        taken = patiently(lambda: _owner(rig, case) not in ("", owner), seconds=60)
        tally.check(PART, TAKEN, bool(taken), case.name)
        settle(rig, tally, PART, case)
    finally:
        worker.go_on()
    time.sleep(AWAKE_SECONDS)
    settle(rig, tally, PART, case)
    wrong = _wrong_backup(rig, case)
    tally.check(PART, STATE_BEFORE, not wrong, f"{case.name}: {wrong}")
    return True


def _worker(rig: Rig, executor: str) -> Daemon | None:
    workers = [one for name, one in rig.daemons.items() if name.startswith("worker-")]
    return next((one for one in workers if one.address == executor), None)


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
