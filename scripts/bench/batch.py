"""Figures of making a batch: how long somebody else waits to write while thousands of requests are made."""

import multiprocessing
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import sqlalchemy as sa
from sqlmodel import col, select

from app.accounts.principal import SYSTEM
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.batches import service as batches
from app.batches.portion_thread import PAUSE_SECONDS
from app.batches.portions import next_portion
from app.batches.schemas import BatchCreate
from app.clearing.models import ClearingRequest
from app.core import migrate
from app.core.clock import utc_now
from app.core.db import Database
from app.operators.models import Operator
from app.settings import Settings
from scripts.bench.options import Options
from scripts.bench.seed import seed_operators
from scripts.bench.table import Figure, below
from scripts.rig_postgres import postgres

LEAST = 20
"""Writes of the other process that make a figure."""


def figures(options: Options, folder: Path) -> Iterator[Figure]:
    """On SQLite, and on PostgreSQL when asked for."""
    if "batch" not in options.only:
        return
    yield _figure("SQLite", f"sqlite:///{folder / 'batch.db'}", options, folder)
    if options.postgres:
        with postgres(folder / "batch-postgres") as server:
            yield _figure("PostgreSQL", server.new_database(), options, folder)


def _figure(name: str, url: str, options: Options, folder: Path) -> Figure:
    database = Database(url)
    migrate.upgrade(database)
    seed_operators(database, options.batch)
    settings = Settings(data_dir=folder, database_url=url)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    other = context.Process(target=_write_on_and_on, args=(url, theirs))
    other.start()
    ours.recv()
    started = time.monotonic()
    _make(database, settings, options.batch)
    seconds = time.monotonic() - started
    ours.send("enough")
    waits = ours.recv()
    other.join(30)
    if len(waits) < LEAST:
        raise RuntimeError(f"the other process wrote {len(waits)} times only")
    with database.reading() as session:
        made = session.execute(sa.select(sa.func.count()).select_from(ClearingRequest)).scalar_one()
    database.dispose()
    return below(
        f"batch of {made} on {name}: longest wait of another writer",
        max(waits) * 1000,
        unit="ms",
        most=500,
        median=sorted(waits)[len(waits) // 2] * 1000,
        writes=len(waits),
        seconds=seconds,
    )


def _make(database: Database, settings: Settings, count: int) -> None:
    """As the API and then the engine do."""
    with database.reading() as session:
        ids = list(session.exec(select(Operator.id).order_by(col(Operator.id)).limit(count)))
        data = BatchCreate(operator_ids=ids, reason="月末", accepted_warnings=["*"])
        planned = batches.plan(
            session, principal=SYSTEM, settings=settings, clock=utc_now, data=data
        )
    with database.transaction() as session:
        batches.open_batch(
            session,
            planned,
            principal=SYSTEM,
            settings=settings,
            clock=utc_now,
            data=data,
            proven=True,
        )
    while next_portion(database, settings, utc_now):
        time.sleep(PAUSE_SECONDS)


def _write_on_and_on(url: str, told: Connection) -> None:
    """Write to the audit trail, which every change does, until told that it is enough; tells all waits."""
    database = Database(url)
    waits = []
    told.send("ready")
    while not told.poll(0.02):
        started = time.monotonic()
        with database.transaction() as session:
            audit.record(
                session,
                actor=SYSTEM.actor,
                action=AuditAction.SESSION_ENDED,
                object_type="account",
                object_id="bench",
                at=utc_now(),
            )
        waits.append(time.monotonic() - started)
    told.send(waits)
    database.dispose()
