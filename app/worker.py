"""`qingka worker`: workflows and background work only, for several processes on PostgreSQL."""

import signal
import threading
from types import FrameType

import typer

from app import features
from app.background import Background
from app.batches.portion_thread import Portions
from app.core import migrate
from app.core.clock import utc_now
from app.core.db import Database
from app.core.installation import require_secret
from app.core.logging import get_logger
from app.core.metrics import RequestMetrics
from app.devices import queries as devices_queries
from app.devices.connections import AgentClients
from app.devices.models import MOUNTED
from app.files import tighten
from app.requests.run.context import Context
from app.requests.run.engine import Engine
from app.requests.run.processes import take_worker_slot
from app.settings import Settings
from app.system.rules import Rules

log = get_logger(__name__)


class NeedsPostgres(Exception):
    """SQLite is for one process; several share PostgreSQL."""


def work(settings: Settings) -> None:
    """Execute clearings until interrupted. Raises NeedsPostgres, processes.NoSlot, StartRefused."""
    features.compose()
    database = Database(settings.resolved_database_url, connections=settings.own_connections)
    if database.is_sqlite:
        raise NeedsPostgres("qingka worker 需要 PostgreSQL：请设置 QINGKA_DATABASE_URL")
    tighten(settings.data_dir)
    migrate.upgrade(database)
    require_secret(database, settings)
    _warn_of_mounted_agent(database)
    slot = take_worker_slot(settings)
    context = Context(database, settings, utc_now, AgentClients(database, settings, patient=True))
    engine = Engine(context, executor_id=slot.executor_id, companions=(Portions(context),))
    background = Background(database, settings, utc_now, RequestMetrics(), Rules(settings))
    engine.start()
    background.start()
    typer.echo(f"worker ready {slot.executor_id}")
    try:
        _wait_for_signal()
    finally:
        background.stop()
        engine.stop()
        slot.release()
        database.dispose()


def _wait_for_signal() -> None:
    stopped = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    stopped.wait()


def _warn_of_mounted_agent(database: Database) -> None:
    """A worker can't reach an agent inside another process; such devices need an agent of their own."""
    with database.reading() as session:
        agent = devices_queries.agent_by_url(session, MOUNTED)
        devices = devices_queries.in_use_of_agent(session, agent.id) if agent else []
    if devices:
        log.warning(
            "devices of the mounted agent can't be reached from a worker", count=len(devices)
        )
