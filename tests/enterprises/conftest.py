"""An application with the routes of enterprises, and who uses it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app import error_handlers
from app.accounts.principal import ROLE_PERMISSIONS, Principal, PrincipalKind, Role
from app.core.db import Database
from app.core.ids import new_id
from app.enterprises.api import router
from app.settings import Settings
from tests.acting import act_as

NOW = datetime(2026, 12, 9, 2, 0, tzinfo=UTC)


def principal_of(role: Role, enterprise_ids: frozenset[UUID] | None = None) -> Principal:
    return Principal(
        kind=PrincipalKind.ACCOUNT,
        id=new_id(),
        name=role.value,
        display_name=role.value,
        roles=frozenset({role}),
        permissions=ROLE_PERMISSIONS[role],
        enterprise_ids=enterprise_ids,
    )


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def admin() -> Principal:
    return principal_of(Role.ADMIN)


@pytest.fixture
def app(database: Database, tmp_path: Path, admin: Principal) -> FastAPI:
    """Its requests come from `app.state.principal`."""
    app = FastAPI()
    app.state.database = database
    app.state.settings = Settings(data_dir=tmp_path)
    app.state.clock = lambda: NOW
    app.state.principal = admin
    act_as(app, lambda: app.state.principal)
    error_handlers.install(app)
    app.include_router(router, prefix="/api/v1")
    return app


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


@pytest.fixture
def auditor(app: FastAPI) -> Principal:
    return principal_of(Role.AUDITOR)
