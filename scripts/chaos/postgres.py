"""On PostgreSQL: it is restarted in the middle of many clearings; a worker dies for good and another takes over."""

import time
from pathlib import Path
from random import Random

import psycopg
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from scripts.chaos.tally import Tally
from scripts.chaos.truth import Case, patiently, settle_all, verify_whole
from scripts.rig import Rig, RigPlan
from scripts.rig_postgres import Postgres, postgres
from tests.e2e.harness import Subject

MODES = ("fast", "immediate")
BUSY_SECONDS = 1.0
TAKE_SECONDS = 60.0


def on_postgres(
    tally: Tally, chance: Random, folder: Path, *, clearings: int, restarts: int
) -> None:
    """Both, on one PostgreSQL."""
    with postgres(folder / "chaos-postgres") as server:
        _restarts(tally, chance, folder / "restarts", server, clearings, restarts)
        _dead_worker(tally, folder / "dead-worker", server, max(6, clearings // 10))


def _restarts(
    tally: Tally,
    chance: Random,
    folder: Path,
    server: Postgres,
    clearings: int,
    restarts: int,
) -> None:
    part = f"PostgreSQL restarted {restarts} times"
    plan = RigPlan(
        devices=clearings,
        seconds=BUSY_SECONDS,
        database_url=server.new_database(),
        settings={"QINGKA_CLEARING_CONCURRENCY": "40", "QINGKA_AGENT_CONCURRENCY": "40"},
    )
    rig = Rig(folder, plan)
    try:
        rig.start()
        cases = begun(rig, rig.subjects(clearings))
        for number in range(restarts):
            time.sleep(chance.uniform(0.5, 3.0))
            server.restart(MODES[number % len(MODES)])
        settle_all(rig, tally, part, cases)
        verify_whole(rig, tally, part)
    finally:
        rig.close()


def _dead_worker(tally: Tally, folder: Path, server: Postgres, clearings: int) -> None:
    part = "a worker dies for good"
    plan = RigPlan(
        devices=clearings,
        seconds=2 * BUSY_SECONDS,
        split=True,
        workers=2,
        database_url=server.new_database(),
    )
    rig = Rig(folder, plan)
    try:
        rig.start()
        executor = rig.daemons["worker-1"].address
        cases = begun(rig, rig.subjects(clearings))
        patiently(lambda: _in_hand(rig, executor) > 0, seconds=TAKE_SECONDS)
        rig.kill("worker-1")
        left = _in_hand(rig, executor)
        tally.check(part, "it leaves work behind", left > 0, "it had nothing in hand")
        settle_all(rig, tally, part, cases)
        still = _in_hand(rig, executor)
        tally.check(part, "others took it over", still == 0, f"{still} of {left} are left")
        verify_whole(rig, tally, part)
    finally:
        rig.close()


def begun(rig: Rig, subjects: list[Subject]) -> list[Case]:
    """Begin them all with one batch."""
    batch_id = rig.batch(subjects)
    requests = rig.prepared(batch_id)["requests"]
    ids = {one["operator_id"]: str(one["id"]) for one in requests}
    return [Case(one, ids[one.operator_id], f"device {one.number}") for one in subjects]


_PENDING = sa.text(
    "SELECT count(*) FROM dbos.workflow_status WHERE executor_id = :executor AND status = 'PENDING'"
)


def _in_hand(rig: Rig, executor: str) -> int:
    """How many workflows this process is executing, by the engine's own table."""
    try:
        with rig.database.reading() as session:
            return int(session.execute(_PENDING, {"executor": executor}).scalar_one())
    except (DBAPIError, psycopg.Error) as error:
        raise RuntimeError("the database is away") from error
