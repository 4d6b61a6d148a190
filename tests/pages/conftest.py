"""All pages of the server over a migrated database, and who looks at them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.accounts.principal import Role
from app.core.db import Database
from app.settings import Settings
from tests.acting import person_of, product_of

NOW = datetime(2026, 12, 9, 2, 0, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def app(database: Database, tmp_path: Path) -> FastAPI:
    """Its requests come from `app.state.principal`, an admin unless a test says otherwise."""
    settings = Settings(data_dir=tmp_path)
    app = product_of(database, settings, lambda: NOW, person_of(Role.ADMIN))
    app.state.started_at = NOW
    return app


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


@pytest.fixture
def as_auditor(app: FastAPI) -> None:
    """An auditor looks: everything is shown, nothing can be changed."""
    app.state.principal = person_of(Role.AUDITOR)
