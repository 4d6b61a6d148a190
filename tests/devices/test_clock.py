"""校准时钟: through the agent, on record, and only where the device can."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI, Request
from sqlmodel import select
from starlette.testclient import TestClient

from app.accounts.principal import ROLE_PERMISSIONS, Role
from app.audit.models import AuditRecord
from app.contracts.devices import DeviceReading
from app.contracts.faults import fault
from app.core.db import Database
from app.devices import agents, service
from app.devices.models import Device
from app.devices.transports import InProcess
from app.operators.models import Operator
from app.settings import Settings
from tests.acting import key_of
from tests.devices.conftest import NOW, TOKEN, FakeAgent


@pytest.fixture
def device(
    database: Database,
    settings: Settings,
    agent: FakeAgent,
    add_operator: Callable[..., Operator],
    add_device: Callable[..., Device],
    make_reading: Callable[..., DeviceReading],
) -> Device:
    with database.transaction() as session:
        row = service.ensure_mounted(session, token=TOKEN, settings=settings, at=NOW)
        device = add_device(session, add_operator(session), agent_id=row.id, can_set_clock=True)
        session.expunge_all()
    agent.readings[device.number] = make_reading(device.number)
    return device


class Setting:
    """The agent's operations: takes one, and ends it as told."""

    def __init__(self, fake: FakeAgent) -> None:
        self.taken: list[dict[str, Any]] = []
        self.why: str | None = None
        self._app = FastAPI()
        self._app.add_api_route(
            "/agent/v1/devices/{number}/operations", self._submit, methods=["POST"]
        )
        self._app.add_api_route("/agent/v1/operations/{operation}", self._ended)
        self._app.mount("", fake.app())
        agents.register_mounted(lambda: InProcess(self._app))

    async def _submit(self, number: str, request: Request) -> dict[str, Any]:
        self.taken.append(await request.json() | {"device": number})
        return self._operation("running")

    def _ended(self, operation: str) -> dict[str, Any]:
        assert operation == self.taken[-1]["id"]
        return self._operation("failed" if self.why else "succeeded")

    def _operation(self, state: str) -> dict[str, Any]:
        taken = self.taken[-1]
        why = fault(self.why).model_dump(mode="json") if self.why and state == "failed" else None
        times = dict.fromkeys(("created_at", "updated_at"), NOW.isoformat())
        return {
            "id": taken["id"],
            "device_number": taken["device"],
            "kind": "set_clock",
            "period": None,
            "state": state,
            "fault": why,
        } | times


@pytest.fixture
def setting(agent: FakeAgent, device: Device) -> Setting:
    return Setting(agent)


def recorded(database: Database) -> dict[str, Any]:
    with database.reading() as session:
        query = select(AuditRecord).where(AuditRecord.action == "device.clock_set")
        row = session.exec(query).one()
        details = row.details
    found: dict[str, Any] = json.loads(details) if isinstance(details, str) else dict(details)
    return found


def test_it_is_set_read_again_and_on_record(
    client: TestClient, database: Database, device: Device, setting: Setting
) -> None:
    answer = client.post(f"/api/v1/devices/{device.id}/clock")
    assert answer.status_code == 200, answer.text
    assert answer.json()["clock_drift_seconds"] == 3
    (taken,) = setting.taken
    assert (taken["kind"], taken["device"], taken["origin"]) == ("set_clock", device.number, "lin")
    assert recorded(database)["result"] == "succeeded"


def test_a_failure_says_why_and_is_on_record(
    client: TestClient, database: Database, device: Device, setting: Setting
) -> None:
    setting.why = "device.busy"
    answer = client.post(f"/api/v1/devices/{device.id}/clock")
    assert answer.status_code == 502
    assert answer.json()["code"] == "device.busy"
    assert recorded(database)["result"] == "device.busy"


def test_a_device_that_cannot(
    client: TestClient, database: Database, device: Device, setting: Setting
) -> None:
    with database.transaction() as session:
        session.get_one(Device, device.id).can_set_clock = False
    answer = client.post(f"/api/v1/devices/{device.id}/clock")
    assert answer.status_code == 409
    assert answer.json()["code"] == "device.operation_unsupported"
    assert setting.taken == []


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.ADMIN}))
def test_who_may_not(
    app: FastAPI, client: TestClient, device: Device, setting: Setting, role: Role
) -> None:
    app.state.principal = key_of(*ROLE_PERMISSIONS[role], id=app.state.principal.id)
    assert client.post(f"/api/v1/devices/{device.id}/clock").status_code == 403
    assert setting.taken == []
