"""An inspection's context over a migrated database, and an application with its routes."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.accounts.principal import Principal
from app.core.db import Database
from app.core.metrics import RequestMetrics
from app.core.process import Process
from app.inspections.api import router as api
from app.inspections.pages import router as pages
from app.settings import Settings
from tests.acting import app_of, person_of

NOW = datetime(2026, 12, 9, 2, 0, tzinfo=UTC)


class MovedClock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, secret_key="a root secret for tests of thirty-two bytes")


@pytest.fixture
def context(any_database: Database, settings: Settings, clock: MovedClock) -> Process:
    """On both databases."""
    return Process(any_database, settings, clock, RequestMetrics())


@pytest.fixture
def admin() -> Principal:
    return person_of(name="lin", display_name="林会计")


@pytest.fixture
def make_principal() -> Callable[..., Principal]:
    return person_of


@pytest.fixture
def app(database: Database, settings: Settings, clock: MovedClock, admin: Principal) -> FastAPI:
    return app_of(database, settings, clock, admin, api=[api], pages=[pages])


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, follow_redirects=False) as client:
        yield client
