"""An application with the routes of enterprises, and who uses it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.accounts.principal import Principal, Role
from app.core.db import Database
from app.enterprises.api import router
from app.settings import Settings
from tests.acting import app_of, person_of

NOW = datetime(2026, 12, 9, 2, 0, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def admin() -> Principal:
    return person_of(Role.ADMIN)


@pytest.fixture
def app(database: Database, tmp_path: Path, admin: Principal) -> FastAPI:
    """Its requests come from `app.state.principal`."""
    return app_of(database, Settings(data_dir=tmp_path), lambda: NOW, admin, api=[router])


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


@pytest.fixture
def auditor(app: FastAPI) -> Principal:
    return person_of(Role.AUDITOR)
