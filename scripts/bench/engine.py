"""Figures of the engine: whole clearings of devices that answer at once, against bare workflows."""

from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa
from sqlmodel import col

from app.clearing.models import ClearingRequest
from app.clearing.states import RequestState
from scripts.bench.memory import measured
from scripts.bench.options import Options
from scripts.bench.table import Figure, at_least
from scripts.rig import Rig, RigPlan
from scripts.rig_daemon import plain_environment
from scripts.rig_postgres import postgres
from tests.e2e.harness import until

INVOICES_OF_TYPE = 50
"""Of each of the two types: a hundred a clearing."""

LIMIT = 600.0
WARM = 2


def figures(options: Options, folder: Path) -> Iterator[Figure]:
    """On SQLite, and on PostgreSQL when asked for."""
    if "engine" not in options.only:
        return
    bare_url = f"sqlite:///{folder / 'bare.db'}"
    yield _figure("SQLite", "", bare_url, options, folder)
    if options.postgres:
        with postgres(folder / "engine-postgres") as server:
            bare = server.new_database().replace("+psycopg", "")
            yield _figure("PostgreSQL", server.new_database(), bare, options, folder)


def _figure(name: str, url: str, bare_url: str, options: Options, folder: Path) -> Figure:
    ours = _clearings_per_second(folder / f"engine-{name}", url, options.clearings)
    run = measured(
        ["scripts.bench.engine_bare", bare_url, str(options.clearings)],
        plain_environment(),
        limit=LIMIT,
    )
    theirs = options.clearings / float(run.output.rsplit("seconds ", 1)[1])
    title = f"engine on {name}: {options.clearings} clearings against bare workflows"
    return at_least(title, ours, theirs, unit="/s", least=0.6)


def _clearings_per_second(folder: Path, url: str, count: int) -> float:
    rig = Rig(folder, RigPlan(devices=count + WARM, database_url=url))
    try:
        rig.start()
        subjects = rig.subjects(count + WARM, invoices=INVOICES_OF_TYPE)
        rig.batch(subjects[:WARM])
        wait_for_succeeded(rig, WARM, LIMIT)
        rig.batch(subjects[WARM:])
        wait_for_succeeded(rig, count + WARM, LIMIT)
        return count / _seconds_of_newest(rig, count)
    finally:
        rig.close()


def count_succeeded(rig: Rig) -> int:
    """How many requests have succeeded. Raises RuntimeError once one has ended otherwise."""
    with rig.database.reading() as session:
        statement = sa.select(col(ClearingRequest.state), sa.func.count()).group_by(
            col(ClearingRequest.state)
        )
        counts = {state: number for state, number in session.execute(statement)}
    bad = set(counts) & {RequestState.FAILED, RequestState.NEEDS_ATTENTION}
    if bad:
        raise RuntimeError(f"a clearing ended as {sorted(bad)}")
    return int(counts.get(RequestState.SUCCEEDED, 0))


def wait_for_succeeded(rig: Rig, count: int, seconds: float) -> None:
    """Until so many requests of the site have succeeded."""
    until(lambda: count_succeeded(rig) >= count, seconds=seconds, what=f"{count} clearings")


def _seconds_of_newest(rig: Rig, count: int) -> float:
    """From the making of the newest requests until the last of them was finished."""
    with rig.database.reading() as session:
        rows = session.execute(
            sa.select(col(ClearingRequest.created_at), col(ClearingRequest.finished_at))
            .order_by(col(ClearingRequest.id).desc())
            .limit(count)
        ).all()
    last, first = max(row[1] for row in rows), min(row[0] for row in rows)
    return float((last - first).total_seconds())
