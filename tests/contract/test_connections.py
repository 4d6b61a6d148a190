"""No request takes a second connection beside its first: with few of them all could wait for each other."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from app.accounts import service as accounts_service
from app.accounts.principal import SYSTEM, Permission
from app.core.db import Database
from app.main import create_app
from app.settings import Settings

if TYPE_CHECKING:
    from tests.office import MovableClock

FORMS = ("/settings/enterprises", "/settings/operators", "/settings/webhooks")


@pytest.fixture
def app(postgres_url: str, settings: Settings, clock: "MovableClock") -> Iterator[FastAPI]:
    """An application with one connection, for which a request waits a second."""
    database = Database(postgres_url, connections=1, busy_seconds=1.0)
    yield create_app(settings, clock=clock, database=database)
    database.dispose()


@pytest.fixture
def client(app: FastAPI, clock: "MovableClock") -> TestClient:
    """With a key that may see everything."""
    database: Database = app.state.database
    with database.transaction() as session:
        key = accounts_service.create_api_key(
            session,
            by=SYSTEM,
            name="one",
            scopes={Permission.ADMIN},
            expires_at=None,
            at=clock(),
        ).key
    headers = {"Authorization": f"Bearer {key}", "Origin": "http://testserver"}
    return TestClient(app, headers=headers, follow_redirects=False)


def test_every_page_and_list_is_served_on_one_connection(app: FastAPI, client: TestClient) -> None:
    paths = [
        route.path
        for route in app.router.routes
        if isinstance(route, APIRoute) and "GET" in (route.methods or ()) and "{" not in route.path
    ]
    assert len(paths) > 60
    failed = {
        path: status
        for path in paths
        # a stream of events ends only with who follows it
        if not path.endswith("/events") and (status := client.get(path).status_code) >= 500
    }
    assert failed == {"/readyz": 503}, "the engine is not running here, which is what it says"


@pytest.mark.parametrize("path", FORMS)
def test_a_refused_form_is_shown_again_on_one_connection(client: TestClient, path: str) -> None:
    assert client.post(path, data={}).status_code in (403, 422)
