"""/metrics: what it says, and to whom."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families
from sqlmodel import select
from starlette.testclient import TestClient

from app import error_handlers
from app.accounts import service as accounts_service
from app.accounts.principal import SYSTEM, Permission
from app.core.db import Database
from app.core.metrics import Measured, RequestMetrics
from app.devices import service as devices_service
from app.devices.models import Agent, AgentState
from app.settings import Settings
from app.system import metrics, probes

NOW = datetime(2026, 12, 9, 2, 0, tzinfo=UTC)


@pytest.fixture
def app(database: Database, tmp_path: Path) -> FastAPI:
    app = FastAPI()
    app.state.database = database
    app.state.settings = Settings(data_dir=tmp_path)
    app.state.clock = lambda: NOW
    app.state.metrics = RequestMetrics()
    app.state.layout = lambda _: {
        "me": None,
        "nav": [],
        "deadline": None,
        "simulated": False,
        "version": "",
    }
    error_handlers.install(app)
    app.include_router(probes.router)
    app.include_router(metrics.router)
    app.add_middleware(Measured, metrics=app.state.metrics)
    return app


@pytest.fixture
def local(app: FastAPI) -> Iterator[TestClient]:
    """From this machine."""
    with TestClient(app, client=("127.0.0.1", 4711)) as client:
        yield client


@pytest.fixture
def remote(app: FastAPI) -> TestClient:
    """From elsewhere."""
    return TestClient(app, client=("203.0.113.9", 4711))


def _values(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_requests_are_counted_by_route(local: TestClient) -> None:
    for _ in range(3):
        local.get("/healthz")
    local.get("/no/such/page/4711")
    local.request("BREW", "/healthz")
    values = _values(local.get("/metrics").text)
    assert values["qingka_http_requests_total", ("GET", "/healthz", "200")] == 3
    assert values["qingka_http_requests_total", ("GET", "other", "404")] == 1
    assert values["qingka_http_request_duration_seconds_count", ("GET", "/healthz")] == 3
    assert not [key for key in values if "4711" in str(key) or "BREW" in str(key)]


def test_gauges_tell_every_state(local: TestClient, app: FastAPI, database: Database) -> None:
    with database.transaction() as session:
        devices_service.ensure_mounted(
            session, token="t" * 20, settings=app.state.settings, at=NOW, simulated=False
        )
        session.exec(select(Agent)).one().state = AgentState.ONLINE
    values = _values(local.get("/metrics").text)
    assert values["qingka_clearing_requests", ("running",)] == 0
    assert values["qingka_agent_up", ("本机设备代理",)] == 1
    assert values["qingka_queue_length", ("deliveries",)] == 0
    assert values["qingka_deliveries", ("dead",)] == 0


def test_elsewhere_needs_a_key(remote: TestClient, app: FastAPI, database: Database) -> None:
    assert remote.get("/metrics").status_code == 401
    for scope, status in (
        (Permission.READ, 200),
        (Permission.ADMIN, 200),
        (Permission.AUDIT_READ, 403),
    ):
        with database.transaction() as session:
            key = accounts_service.create_api_key(
                session,
                by=SYSTEM,
                name=scope.value,
                scopes=frozenset({scope}),
                expires_at=None,
                at=NOW,
            ).key
        answer = remote.get("/metrics", headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == status, scope


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded"])
def test_a_proxy_on_this_machine_speaks_for_others(local: TestClient, header: str) -> None:
    assert local.get("/metrics", headers={header: "for=203.0.113.9"}).status_code == 401
