"""A small agent inside the process, devices to register, and an application with their routes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, Response
from starlette.testclient import TestClient

from app.accounts.principal import Permission, Principal
from app.contracts import CONTRACT_VERSION
from app.contracts.devices import (
    AgentStatus,
    DeviceInfo,
    DeviceKind,
    DeviceReading,
    DeviceSummary,
    InvoiceType,
    LinkState,
    Monitor,
)
from app.contracts.faults import fault
from app.contracts.operations import Fault
from app.core.db import Database, Session
from app.devices import agents, agents_api, api, service
from app.devices.models import Device
from app.enterprises.models import Enterprise
from app.operators.models import Operator
from app.settings import Settings
from tests.acting import app_of, key_of

NOW = datetime(2026, 12, 9, 2, 0, tzinfo=UTC)
CLOCK = datetime(2026, 12, 9, 10, 0, 3)
TOKEN = "a-token-for-tests-0123456789"


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def admin() -> Principal:
    """By key: nobody who could be asked for a password."""
    return key_of(*Permission, name="lin", display_name="林会计")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


@pytest.fixture
def add_operator() -> Callable[..., Operator]:
    """Adds an operator in an enterprise of its own, or in the one given."""
    numbers = iter(range(10**6))

    def add(session: Session, enterprise_id: UUID | None = None) -> Operator:
        number = next(numbers)
        if enterprise_id is None:
            enterprise = Enterprise(
                tax_no=f"{number:015d}", name=f"企业{number}", created_at=NOW, updated_at=NOW
            )
            session.add(enterprise)
            session.flush()
            enterprise_id = enterprise.id
        operator = Operator(
            code=f"KP{number}",
            name=f"操作员{number}",
            enterprise_id=enterprise_id,
            created_at=NOW,
            updated_at=NOW,
        )
        session.add(operator)
        session.flush()
        return operator

    return add


@pytest.fixture
def add_device() -> Callable[..., Device]:
    """Adds a registered device of the operator."""
    numbers = iter(range(10**6))

    def add(session: Session, operator: Operator, **values: Any) -> Device:
        given: dict[str, Any] = {"number": f"{661814461322 + next(numbers)}"} | values
        device = Device(
            kind=DeviceKind.TAX_DISK,
            enterprise_id=operator.enterprise_id,
            operator_id=operator.id,
            created_at=NOW,
            updated_at=NOW,
            **given,
        )
        session.add(device)
        session.flush()
        service.refresh_operator(session, operator.id, at=NOW)
        return device

    return add


def monitor_of(invoice_type: str = "007", **values: Any) -> Monitor:
    given: dict[str, Any] = {
        "invoice_type": InvoiceType(invoice_type),
        "lock_date": date(2026, 12, 15),
        "report_from": datetime(2026, 11, 1),
        "last_reported_at": datetime(2026, 11, 4, 9, 30),
        "single_limit": Decimal("100000.00"),
        "offline_amount": Decimal("1000000"),
        "offline_hours": 72,
        "upload_due_day": 15,
        "free_space": 4096,
    }
    return Monitor(**given | values)


@pytest.fixture
def make_monitor() -> Callable[..., Monitor]:
    return monitor_of


@pytest.fixture
def make_reading() -> Callable[..., DeviceReading]:
    """A reading of a device whose clock is 3 seconds fast."""

    def make(
        number: str = "661814461322",
        *,
        monitors: tuple[Monitor, ...] | None = None,
        clock_at: datetime = CLOCK,
        state: LinkState = LinkState.CONNECTED,
        **info: Any,
    ) -> DeviceReading:
        summary = DeviceSummary(
            number=number,
            kind=DeviceKind.TAX_DISK,
            driver="tax_server",
            transport="http://127.0.0.1:8712",
            state=state,
            simulated=True,
        )
        shown = (monitor_of("004"), monitor_of("007")) if monitors is None else monitors
        given: dict[str, Any] = {
            "tax_no": "91320118MA20LU6N3P",
            "taxpayer_name": "南京德茂商贸有限公司",
            "version": "V2.0.1",
            "machine_no": 0,
            "invoice_types": tuple(monitor.invoice_type for monitor in shown),
        }
        return DeviceReading(
            summary=summary,
            info=DeviceInfo(number=number, clock_at=clock_at, **given | info),
            monitors=shown,
            read_at=NOW + timedelta(milliseconds=200),
            sent_at=NOW,
        )

    return make


@dataclass
class FakeAgent:
    """What the agent answers, and what it was asked."""

    readings: dict[str, DeviceReading] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)
    answers: dict[str, Response] = field(default_factory=dict)
    contract_version: int = CONTRACT_VERSION
    token: str = TOKEN
    asked: list[str] = field(default_factory=list)

    def app(self) -> FastAPI:
        app = FastAPI()
        app.add_api_route("/agent/v1/{path:path}", self._answer, methods=["GET", "POST"])
        return app

    async def _answer(self, request: Request) -> Response:
        path = request.url.path.removeprefix("/agent/v1")
        query = f"?{request.url.query}" if request.url.query else ""
        self.asked.append(f"{request.method} {path}{query}")
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return _problem(401, fault("agent.unauthorized"))
        if path in self.answers:
            return self.answers[path]
        if path == "/status":
            status = AgentStatus(
                version="1.2.3",
                contract_version=self.contract_version,
                drivers=("tax_server",),
                uptime_seconds=1.0,
                devices=len(self.readings),
                simulated=True,
            )
            return _json(status.model_dump(mode="json"))
        if path == "/devices":
            return _json([r.summary.model_dump(mode="json") for r in self.readings.values()])
        return self._device(path.split("/")[2])

    def _device(self, number: str) -> Response:
        if number in self.faults:
            return _problem(502, self.faults[number])
        if number not in self.readings:
            return _problem(404, fault("device.not_found"))
        return _json(self.readings[number].model_dump(mode="json"))


def _json(body: Any) -> Response:
    return JSONResponse(body)


def _problem(status: int, reason: Fault) -> Response:
    body = {
        "title": reason.message,
        "status": status,
        "detail": reason.device_message or reason.message,
        "code": reason.code,
        "device_code": reason.device_code,
        "device_message": reason.device_message,
    }
    return JSONResponse(body, status, media_type="application/problem+json")


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> FakeAgent:
    """An agent that is called as the mounted one."""
    agent = FakeAgent()
    app = agent.app()
    monkeypatch.setattr(agents, "agent_transports", {})
    agents.register_mounted(lambda: httpx.ASGITransport(app))
    return agent


@pytest.fixture
def app(database: Database, settings: Settings, admin: Principal) -> FastAPI:
    """Its requests come from `app.state.principal`."""
    routers = [api.router, agents_api.router]
    return app_of(database, settings, lambda: NOW, admin, api=routers)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client
