"""Recurring work: a table of jobs with the moment each is due, shared by all processes through leases.

A job that was due while nothing ran is due at the next start. One that breaks is tried again soon; its
error is logged and stands in its row.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import partial
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from app.core.clock import SHANGHAI, Clock, local
from app.core.db import Database, Session, shared_now
from app.core.ids import new_token
from app.core.logging import get_logger
from app.core.process import Process
from app.jobs.models import Job
from app.settings import Settings

log = get_logger(__name__)

TICK_SECONDS = 1.0
"""The least between two looks at the table: a job that is due may be in the hands of another process."""
LONGEST_SECONDS = 5.0
"""The most: another process may have put a job forward, and rules are followed at every look."""
RETRY = timedelta(minutes=1)
_LONGEST_RESULT = 500


class Run:
    """One run of a job: the moment, and what the job remembers from the run before."""

    def __init__(self, name: str, at: datetime, state: dict[str, Any]) -> None:
        self.name = name
        self.at = at
        self.state = state

    def keep(self, session: Session, **state: Any) -> None:
        """Remember this for the next run, in the caller's transaction."""
        row = session.get_one(Job, self.name)
        row.state = {**row.state, **state}
        session.add(row)


@dataclass(frozen=True, slots=True)
class JobPlan:
    """A job: what to do (gives a sentence about it), when next, and how long it may take at most."""

    name: str
    work: Callable[[Run], str]
    next_due: Callable[[datetime], datetime]
    lease: timedelta = timedelta(minutes=10)
    first_at_once: bool = True


@dataclass(frozen=True, slots=True)
class RecurringJob:
    """A job of a feature, as its module lists it under JOBS; each process makes a plan of it.

    A slow one runs on the thread of those that may take minutes, beside those wanted on time.
    """

    name: str
    work: Callable[[Process, Run], str]
    next_due: Callable[[datetime], datetime]
    lease: timedelta = timedelta(minutes=10)
    first_at_once: bool = True
    slow: bool = False
    wanted: Callable[[Settings], bool] = lambda _: True

    def plan(self, process: Process) -> JobPlan:
        """Bind it to what the process holds."""
        work = partial(self.work, process)
        return JobPlan(self.name, work, self.next_due, self.lease, self.first_at_once)


def every(interval: timedelta) -> Callable[[datetime], datetime]:
    """So long after the last run."""
    return lambda now: now + interval


def daily(at: time) -> Callable[[datetime], datetime]:
    """Every day at this time of Asia/Shanghai."""

    def next_due(now: datetime) -> datetime:
        today = datetime.combine(local(now).date(), at, SHANGHAI)
        return today if today > now else today + timedelta(days=1)

    return next_due


class Scheduler:
    """Runs the jobs that are due; one thread, so that its jobs follow each other.

    `each_tick` is what every process does for itself, without a lease.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        jobs: list[JobPlan],
        *,
        each_tick: Callable[[], None] = lambda: None,
    ) -> None:
        self.each_tick = each_tick
        self.database = database
        self.clock = clock
        self.jobs = {job.name: job for job in jobs}
        self._pause = TICK_SECONDS
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run_for_ever, name="scheduler", daemon=True)

    def start(self) -> None:
        """Enter the jobs into the table and begin to run them."""
        self.register()
        self._thread.start()

    def stop(self) -> None:
        """Start no job any more; one under way is taken up again when its lease ends."""
        self._stopping.set()
        self._thread.join(timeout=3)

    def register(self) -> None:
        """Enter jobs that are new."""
        now = self.clock()
        with self.database.reading() as session:
            known = set(session.exec(select(Job.name)))
        for job in self.jobs.values():
            if job.name not in known:
                due = now if job.first_at_once else job.next_due(now)
                _enter(self.database, Job(name=job.name, due_at=due))

    def run_due(self) -> list[str]:
        """Run what is due now, on this thread; gives the names."""
        with self.database.reading() as session:
            rows = session.exec(select(Job.name, Job.due_at).order_by(col(Job.due_at)))
            mine = [(name, due_at) for name, due_at in rows if name in self.jobs]
        now = self.clock()
        wait = (
            min((due_at - now).total_seconds() for _, due_at in mine) if mine else LONGEST_SECONDS
        )
        self._pause = min(max(wait, TICK_SECONDS), LONGEST_SECONDS)
        due = [name for name, due_at in mine if due_at <= now]
        return [name for name in due if self._run(self.jobs[name])]

    def hurry(self, name: str) -> None:
        """Have the job run at the next tick."""
        with self.database.transaction() as session:
            row = session.get_one(Job, name, with_for_update=True)
            row.due_at = min(row.due_at, self.clock())
            session.add(row)
        self._pause = TICK_SECONDS

    def _run_for_ever(self) -> None:
        while not self._stopping.wait(self._pause):
            try:
                self.each_tick()
                self.run_due()
            except Exception as error:
                log.warning("could not run jobs", exc_info=error)

    def _run(self, job: JobPlan) -> bool:
        if self._stopping.is_set():
            return False
        lease = new_token(128)
        run = _claim(self.database, job, lease, self.clock)
        if run is None:
            return False
        try:
            result, failed = job.work(run), False
        except Exception as error:
            log.error("a job failed", job=job.name, exc_info=error)
            result, failed = f"{type(error).__name__}: {error}", True
        due = self.clock() + RETRY if failed else job.next_due(self.clock())
        _finish(self.database, job, lease, due, result, failed=failed)
        return True


def _enter(database: Database, row: Job) -> None:
    try:
        with database.transaction() as session:
            session.add(row)
    except IntegrityError:
        log.debug("another process has entered the job", job=row.name)


def _claim(database: Database, job: JobPlan, lease: str, clock: Clock) -> Run | None:
    """Take the job in hand, if it is due and nobody has it. Leases run by the database's clock."""
    with database.transaction() as session:
        row = session.exec(
            select(Job).where(Job.name == job.name).with_for_update(skip_locked=True)
        ).one_or_none()
        at, now = clock(), shared_now(session, clock)
        if row is None or row.due_at > at:
            return None
        if row.leased_until is not None and row.leased_until > now:
            return None
        row.lease, row.leased_until, row.last_run_at = lease, now + job.lease, at
        session.add(row)
        return Run(job.name, at, dict(row.state))


def _finish(
    database: Database, job: JobPlan, lease: str, due: datetime, result: str, *, failed: bool
) -> None:
    with database.transaction() as session:
        row = session.get_one(Job, job.name, with_for_update=True)
        if row.lease != lease:
            return
        row.lease, row.leased_until, row.due_at = "", None, due
        row.last_result = result[:_LONGEST_RESULT]
        row.failures = row.failures + 1 if failed else 0
        session.add(row)
