"""The calendar over the API."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from sqlmodel import select
from starlette.testclient import TestClient

from app.accounts.principal import Permission
from app.audit.models import AuditRecord
from app.calendar import api
from app.core.db import Database
from app.settings import Settings
from tests.acting import app_of, person_of

NOTICE = {
    "month": "2024-02",
    "region": "131",
    "deadline": "2024-02-28",
    "notice": "沪税函〔2024〕9号",
}


@pytest.fixture
def app(database: Database, tmp_path: Path) -> FastAPI:
    principal = person_of(id=UUID(int=1), display_name="管理员")
    return app_of(
        database,
        Settings(data_dir=tmp_path),
        lambda: datetime(2024, 2, 1, tzinfo=UTC),
        principal,
        api=[api.router],
    )


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


def _february(client: TestClient, region: str = "") -> Any:
    response = client.get("/api/v1/calendar/2024", params={"region": region})
    assert response.status_code == 200
    return response.json()[1]


def test_a_year(client: TestClient) -> None:
    months = client.get("/api/v1/calendar/2022").json()
    assert [month["month"] for month in months] == [f"2022-{n:02d}" for n in range(1, 13)]
    assert months[9] == {
        "month": "2022-10",
        "deadline": "2022-10-25",
        "source": "published",
        "notice": "税总办征科函〔2021〕201号",
    }
    last = client.get("/api/v1/calendar/2099").json()
    assert {month["source"] for month in last} == {"rule"}


@pytest.mark.parametrize("year", ["1999", "2100", "year"])
def test_other_years_are_refused(client: TestClient, year: str) -> None:
    answer = client.get(f"/api/v1/calendar/{year}")
    assert (answer.status_code, answer.json()["code"]) == (422, "calendar.year_out_of_range")
    assert "2000 到 2099" in answer.json()["remedy"]


def test_set_and_remove_a_regional_override(client: TestClient, database: Database) -> None:
    created = client.post("/api/v1/calendar/overrides", json=NOTICE)
    assert created.status_code == 201
    assert _february(client, "13101150000") == {
        "month": "2024-02",
        "deadline": "2024-02-28",
        "source": "override",
        "notice": "沪税函〔2024〕9号",
    }
    assert _february(client)["source"] == "published"
    path = f"/api/v1/calendar/overrides/{created.json()['id']}"
    assert client.delete(path).status_code == 204
    assert client.delete(path).json()["code"] == "calendar.override_not_found"
    assert _february(client, "13101150000")["deadline"] == "2024-02-23"
    with database.reading() as session:
        actions = [record.action for record in session.exec(select(AuditRecord))]
    assert actions == ["calendar.overridden", "calendar.override_removed"]


@pytest.mark.parametrize(
    "change",
    [
        {"notice": ""},
        {"notice": "  "},
        {"region": "上海"},
        {"region": "1" * 12},
        {"month": "2024-13"},
        {"deadline": "2024-02-30"},
        {"deadline": "2024-01-31"},
        {"deadline": "2025-02-23"},
        {"more": 1},
    ],
)
def test_bad_overrides_are_refused(client: TestClient, change: dict[str, Any]) -> None:
    response = client.post("/api/v1/calendar/overrides", json=NOTICE | change)
    assert response.status_code == 422
    assert list(response.json()["errors"]) == list(change)
    assert _february(client, "131")["source"] == "published"


def test_who_may(app: FastAPI, client: TestClient) -> None:
    app.state.principal = person_of(permissions=frozenset({Permission.READ}))
    assert _february(client)["month"] == "2024-02"
    assert client.post("/api/v1/calendar/overrides", json=NOTICE).status_code == 403
    assert client.delete(f"/api/v1/calendar/overrides/{uuid4()}").status_code == 403
