"""What a started server has loaded, and what it asks its databases while nobody does anything.

Counts, not times: they are the same on a busy machine.
"""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy import event

from app.core.db import Database
from app.main import create_app, start, stop
from app.requests.run import pace
from app.settings import ROOT, Settings

WATCHED_SECONDS = 10.0
ENGINE_PER_SECOND = 10
"""Of the engine of workflows when its queue has no work: three for the queue and six for its own."""
OWN_PER_SECOND = 9
"""Ours: the sweep, two schedulers, the list of agents, the sender; with their BEGINs."""

_STARTED = """
import sys
from pathlib import Path
from app.main import create_app, start, stop
from app.settings import Settings
app = create_app(Settings(data_dir=Path(sys.argv[1])))
start(app)
stop(app)
print(*sorted({name.partition(".")[0] for name in sys.modules} | set(sys.modules)))
"""

SELDOM = {
    "reportlab",
    "pygal",
    "xlsxwriter",
    "pypinyin",
    "s3fs",
    "fsspec",
    "apprise",
    "keyring",
    "alembic",
    "packaging.requirements",
}
"""What only some requests need, or only the first start."""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FastAPI]:
    """A server that has had no work for a while."""
    monkeypatch.setattr(pace, "QUIET_SECONDS", 0.0)
    settings = Settings(data_dir=tmp_path)
    app = create_app(settings, database=Database(settings.resolved_database_url))
    start(app)
    yield app
    stop(app)


def test_a_start_loads_nothing_that_only_some_requests_need(tmp_path: Path) -> None:
    prepare = [sys.executable, "-c", _STARTED, str(tmp_path)]
    subprocess.run(prepare, cwd=ROOT, capture_output=True, check=True)  # alembic makes the tables
    done = subprocess.run(prepare, cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "app.main" in loaded
    assert not SELDOM & loaded


def test_an_idle_server_asks_its_databases_little(app: FastAPI) -> None:
    time.sleep(3.0)  # until what is due at a start is done and the queue has its pace
    asked: Counter[str] = Counter()

    def count(_: Any, __: Any, statement: str, *___: Any) -> None:
        asked[_who(statement)] += 1

    event.listen(sa.Engine, "before_cursor_execute", count)
    try:
        time.sleep(WATCHED_SECONDS)
    finally:
        event.remove(sa.Engine, "before_cursor_execute", count)
    assert asked["engine"] <= ENGINE_PER_SECOND * WATCHED_SECONDS, asked
    assert asked["own"] <= OWN_PER_SECOND * WATCHED_SECONDS, asked
    assert asked["own"] > 0


def _who(statement: str) -> str:
    tables = ("main.workflow", "main.queues", "application_versions")
    return "engine" if any(table in statement for table in tables) else "own"
