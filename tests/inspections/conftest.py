"""An inspection's context over a migrated database, and an application with its routes."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app import error_handlers
from app.accounts.principal import ROLE_PERMISSIONS, Principal, PrincipalKind, Role
from app.core.db import Database
from app.core.ids import new_id
from app.core.metrics import RequestMetrics
from app.core.process import Process
from app.inspections.api import router as api
from app.inspections.pages import router as pages
from app.layout import layout
from app.settings import Settings
from tests.acting import act_as

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


def principal_of(role: Role = Role.ADMIN, enterprises: frozenset[UUID] | None = None) -> Principal:
    return Principal(
        kind=PrincipalKind.ACCOUNT,
        id=new_id(),
        name="lin",
        display_name="林会计",
        roles=frozenset({role}),
        permissions=ROLE_PERMISSIONS[role],
        enterprise_ids=enterprises,
    )


@pytest.fixture
def admin() -> Principal:
    return principal_of()


@pytest.fixture
def make_principal() -> Callable[..., Principal]:
    return principal_of


@pytest.fixture
def app(database: Database, settings: Settings, clock: MovedClock, admin: Principal) -> FastAPI:
    app = FastAPI()
    app.state.database = database
    app.state.settings = settings
    app.state.clock = clock
    app.state.layout = layout
    app.state.simulated = False
    app.state.principal = admin

    act_as(app, lambda: app.state.principal)
    error_handlers.install(app)
    app.include_router(api, prefix="/api/v1")
    app.include_router(pages)
    return app


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, follow_redirects=False) as client:
        yield client
