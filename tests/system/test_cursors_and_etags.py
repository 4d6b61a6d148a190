"""A cursor of somebody's own making is a 400 on every list; two admins do not overwrite each other's settings."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from app.accounts import service as accounts_service
from app.accounts.principal import SYSTEM, Permission
from app.core.db import Database
from app.main import create_app
from app.settings import AgentMode, Settings

NOW = datetime(2026, 11, 5, 2, 0, tzinfo=UTC)
NULLS = ("W251bGxd", "W251bGwsbnVsbF0")
"""[null] and [null,null]."""


@pytest.fixture
def client(any_database: Database, tmp_path: Path) -> TestClient:
    """By a key that may do everything."""
    settings = Settings(
        data_dir=tmp_path,
        agent=AgentMode.OFF,
        secret_key=SecretStr("a root secret for tests of thirty-two bytes"),
    )
    with any_database.transaction() as session:
        made = accounts_service.create_api_key(
            session, by=SYSTEM, name="ERP", scopes=[Permission.ADMIN], expires_at=None, at=NOW
        )
    app = create_app(settings, clock=lambda: NOW, database=any_database)
    return TestClient(app, headers={"Authorization": f"Bearer {made.key}"})


def test_no_list_fails_for_a_cursor_that_is_none(client: TestClient) -> None:
    paths = [
        path
        for path, operations in client.get("/openapi.json").json()["paths"].items()
        if "{" not in path
        and any(one["name"] == "cursor" for one in operations.get("get", {}).get("parameters", []))
    ]
    assert len(paths) > 10
    for path in paths:
        codes = {
            (answer.status_code, answer.json()["code"])
            for answer in (client.get(path, params={"cursor": one}) for one in NULLS)
        }
        assert codes <= {(400, "cursor.invalid"), (403, "forbidden")}, path


def test_settings_seen_before_somebody_elses_change_are_not_overwritten(client: TestClient) -> None:
    url = "/api/v1/settings"
    seen = client.get(url).headers["etag"]
    first = client.patch(url, json={"reminder_days": "6,2"}, headers={"If-Match": seen})
    assert first.status_code == 200, first.text
    assert first.headers["etag"] == client.get(url).headers["etag"] != seen
    late = client.patch(url, json={"reminder_days": "7,1"}, headers={"If-Match": seen})
    assert (late.status_code, late.json()["code"]) == (412, "stale")
    assert client.patch(url, json={"reminder_days": "7,1"}).status_code == 200
