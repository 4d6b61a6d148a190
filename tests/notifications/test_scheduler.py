"""Recurring jobs: on time, once among many, again after a failure, state kept with its work."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from sqlmodel import select

from app.core.db import Database
from app.jobs.models import Job
from app.jobs.scheduler import RETRY, JobPlan, Run, Scheduler, daily, every

HOUR = timedelta(hours=1)


def _row(database: Database, name: str) -> Job:
    with database.reading() as session:
        return session.exec(select(Job).where(Job.name == name)).one()


def test_runs_when_due_and_not_before(any_database: Database, clock: Any) -> None:
    runs: list[datetime] = []

    def work(run: Run) -> str:
        runs.append(run.at)
        return "好"

    scheduler = Scheduler(any_database, clock, [JobPlan("watch", work, every(HOUR))])
    scheduler.register()
    assert scheduler.run_due() == ["watch"]
    assert scheduler.run_due() == []
    clock.move(minutes=59)
    assert scheduler.run_due() == []
    clock.move(minutes=1)
    assert scheduler.run_due() == ["watch"]
    assert runs == [clock() - HOUR, clock()]
    row = _row(any_database, "watch")
    assert (row.last_result, row.failures, row.leased_until) == ("好", 0, None)


def test_what_was_due_while_nothing_ran_is_due_at_the_next_start(
    any_database: Database, clock: Any
) -> None:
    done: list[str] = []

    def work(run: Run) -> str:
        done.append("x")
        return ""

    job = JobPlan("x", work, every(HOUR), first_at_once=False)
    Scheduler(any_database, clock, [job]).register()
    clock.move(days=3)
    later = Scheduler(any_database, clock, [job])
    later.register()
    assert later.run_due() == ["x"]
    assert later.run_due() == []
    assert done == ["x"]


def test_a_failing_job_is_tried_again_soon(any_database: Database, clock: Any) -> None:
    def work(run: Run) -> str:
        raise RuntimeError("磁盘已满")

    scheduler = Scheduler(any_database, clock, [JobPlan("x", work, every(HOUR))])
    scheduler.register()
    scheduler.run_due()
    row = _row(any_database, "x")
    assert (row.failures, row.last_result) == (1, "RuntimeError: 磁盘已满")
    assert row.due_at == clock() + RETRY


def test_one_of_many_runs_it(any_database: Database, clock: Any) -> None:
    runs: list[int] = []
    barrier = threading.Barrier(4)

    def work(run: Run) -> str:
        runs.append(1)
        return ""

    schedulers = [
        Scheduler(any_database, clock, [JobPlan("x", work, every(HOUR))]) for _ in range(4)
    ]
    schedulers[0].register()

    def go(scheduler: Scheduler) -> None:
        barrier.wait()
        scheduler.run_due()

    threads = [threading.Thread(target=go, args=(one,)) for one in schedulers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert runs == [1]


@pytest.mark.parametrize("any_database", ["postgresql"], indirect=True)
@pytest.mark.parametrize(("holder", "other"), [(0, 300), (-300, 0)])
def test_a_process_whose_clock_is_wrong_takes_nobodys_job_and_loses_none(
    any_database: Database, clock: Any, holder: int, other: int
) -> None:
    """Two processes on machines whose clocks are 300 s apart; the lease is shorter than that."""

    def off_by(seconds: int) -> Callable[[], datetime]:
        return lambda: clock() + timedelta(seconds=seconds)

    def plan(work: Callable[[Run], str]) -> list[JobPlan]:
        return [JobPlan("x", work, every(HOUR), lease=timedelta(minutes=1))]

    second = Scheduler(any_database, off_by(other), plan(lambda run: "second"))
    meanwhile: list[list[str]] = []

    def work(run: Run) -> str:
        meanwhile.append(second.run_due())
        return "first"

    first = Scheduler(any_database, off_by(holder), plan(work))
    first.register()
    assert first.run_due() == ["x"]
    assert meanwhile == [[]]
    assert _row(any_database, "x").last_result == "first"


def _end_lease(database: Database, name: str) -> None:
    with database.transaction() as session:
        row = session.get_one(Job, name)
        assert row.leased_until is not None
        row.leased_until -= timedelta(minutes=10)
        session.add(row)


def test_a_lease_that_ended_is_taken_over(any_database: Database, clock: Any) -> None:
    """A process that died in the middle of a job: another does it, and the dead one has no say."""
    inside = Scheduler(any_database, clock, [JobPlan("x", lambda run: "second", every(HOUR))])

    def dies(run: Run) -> str:
        clock.move(minutes=10)
        _end_lease(any_database, "x")
        assert inside.run_due() == ["x"]
        return "first"

    first = Scheduler(any_database, clock, [JobPlan("x", dies, every(timedelta(minutes=5)))])
    first.register()
    first.run_due()
    row = _row(any_database, "x")
    assert (row.last_result, row.due_at) == ("second", clock() + HOUR)


def test_state_is_kept_with_the_work_or_not_at_all(any_database: Database, clock: Any) -> None:
    seen: list[object] = []

    def work(run: Run) -> str:
        seen.append(run.state.get("count", 0))
        with any_database.transaction() as session:
            run.keep(session, count=len(seen))
            if len(seen) == 2:
                raise RuntimeError
        return ""

    scheduler = Scheduler(any_database, clock, [JobPlan("x", work, every(timedelta(minutes=1)))])
    scheduler.register()
    for _ in range(3):
        scheduler.run_due()
        clock.move(minutes=1)
    assert seen == [0, 1, 1]


@pytest.mark.parametrize(
    ("now", "wanted"),
    [
        (datetime(2026, 12, 9, 0, 59, tzinfo=UTC), datetime(2026, 12, 9, 1, 0, tzinfo=UTC)),
        (datetime(2026, 12, 9, 1, 0, tzinfo=UTC), datetime(2026, 12, 10, 1, 0, tzinfo=UTC)),
        (datetime(2026, 12, 31, 20, 0, tzinfo=UTC), datetime(2027, 1, 1, 1, 0, tzinfo=UTC)),
    ],
)
def test_daily_is_in_shanghai(now: datetime, wanted: datetime) -> None:
    assert daily(time(9, 0))(now) == wanted


def test_starts_and_stops(any_database: Database, clock: Any) -> None:
    ran = threading.Event()

    def work(run: Run) -> str:
        ran.set()
        return ""

    ticked = threading.Event()
    scheduler = Scheduler(
        any_database, clock, [JobPlan("x", work, every(HOUR))], each_tick=ticked.set
    )
    scheduler.start()
    assert ran.wait(20)
    assert ticked.is_set()
    scheduler.stop()
