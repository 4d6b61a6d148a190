"""Operators to search and list, and an application with their routes."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.accounts.principal import Principal
from app.core.db import Database, Session
from app.enterprises.models import Enterprise
from app.operators.api import router
from app.operators.models import NEVER_READ, Attention, Operator
from app.operators.search_index import index_operator
from app.settings import Settings
from tests.acting import app_of, person_of

NOW = datetime(2026, 12, 9, 2, 0, tzinfo=UTC)
TODAY = date(2026, 12, 9)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def today() -> date:
    return TODAY


@pytest.fixture
def admin() -> Principal:
    return person_of(name="lin", display_name="林会计")


AddEnterprise = Callable[[Session], UUID]
AddOperator = Callable[..., Operator]


@pytest.fixture
def add_enterprise() -> AddEnterprise:
    """Adds an enterprise with a number of its own."""
    numbers = iter(range(10**6))

    def add(session: Session) -> UUID:
        number = next(numbers)
        enterprise = Enterprise(
            tax_no=f"{number:015d}", name=f"企业{number}", created_at=NOW, updated_at=NOW
        )
        session.add(enterprise)
        session.flush()
        return enterprise.id

    return add


@pytest.fixture
def add_operator() -> AddOperator:
    """Adds an operator with the facts its row keeps, found by the search."""
    numbers = iter(range(10**6))

    def add(
        session: Session,
        enterprise_id: UUID,
        *,
        name: str = "王晓梅",
        code: str = "",
        department: str = "",
        lock_date: date | None = None,
        attention: Attention = Attention.NONE,
        active: bool = True,
        devices: str = "",
    ) -> Operator:
        operator = Operator(
            code=code or f"KP{next(numbers):04d}",
            name=name,
            enterprise_id=enterprise_id,
            department=department,
            lock_date=lock_date,
            urgency=lock_date or NEVER_READ,
            attention=attention,
            active=active,
            device_numbers=devices,
            device_count=len(devices.split()),
            created_at=NOW,
            updated_at=NOW,
        )
        session.add(operator)
        index_operator(session, operator)
        return operator

    return add


@pytest.fixture
def app(database: Database, tmp_path: Path, admin: Principal) -> FastAPI:
    """Its requests come from `app.state.principal`."""
    return app_of(database, Settings(data_dir=tmp_path), lambda: NOW, admin, api=[router])


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client
