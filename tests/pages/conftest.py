"""All pages of the server over a migrated database, and who looks at them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app import error_handlers
from app.accounts.principal import ROLE_PERMISSIONS, Principal, PrincipalKind, Role
from app.core.db import Database
from app.core.ids import new_id
from app.features import page_router
from app.layout import layout
from app.settings import Settings
from tests.acting import act_as

NOW = datetime(2026, 12, 9, 2, 0, tzinfo=UTC)


def principal_of(role: Role) -> Principal:
    return Principal(
        kind=PrincipalKind.ACCOUNT,
        id=new_id(),
        name=role.value,
        display_name=role.value,
        roles=frozenset({role}),
        permissions=ROLE_PERMISSIONS[role],
    )


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def app(database: Database, tmp_path: Path) -> FastAPI:
    """Its requests come from `app.state.principal`, an admin unless a test says otherwise."""
    app = FastAPI()
    app.state.database = database
    app.state.settings = Settings(data_dir=tmp_path)
    app.state.clock = lambda: NOW
    app.state.layout = layout
    app.state.simulated = False
    app.state.started_at = NOW
    app.state.principal = principal_of(Role.ADMIN)
    act_as(app, lambda: app.state.principal)
    error_handlers.install(app)
    app.include_router(page_router())
    return app


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


@pytest.fixture
def as_auditor(app: FastAPI) -> None:
    """An auditor looks: everything is shown, nothing can be changed."""
    app.state.principal = principal_of(Role.AUDITOR)
