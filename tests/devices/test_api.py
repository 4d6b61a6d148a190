"""The routes of devices and agents."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.accounts.principal import Permission, Principal, PrincipalKind
from app.contracts.devices import DeviceReading
from app.contracts.faults import fault
from app.core.db import Database
from app.devices import service
from app.operators.models import Operator
from app.settings import Settings

URL = "/api/v1/devices"
NUMBER = "661814461322"


@pytest.fixture
def body(database: Database, add_operator: Callable[..., Operator]) -> dict[str, Any]:
    with database.transaction() as session:
        operator_id = str(add_operator(session).id)
    return {"number": NUMBER, "kind": "tax_disk", "operator_id": operator_id}


@pytest.fixture
def agent_id(database: Database, agent: Any, settings: Settings, now: datetime) -> str:
    with database.transaction() as session:
        mounted = service.ensure_mounted(session, token=agent.token, settings=settings, at=now)
        return str(mounted.id)


def test_register_read_change_list(client: TestClient, body: dict[str, Any]) -> None:
    created = client.post(URL, json=body)
    assert created.status_code == 201
    shown = created.json()
    assert (shown["state"], shown["monitors"], shown["clearing_state"]) == (
        "disconnected",
        [],
        None,
    )
    location, etag = created.headers["Location"], created.headers["ETag"]
    assert client.get(location).json() == shown
    changed = client.patch(location, json={"machine_no": 2}, headers={"If-Match": etag})
    assert changed.json() == shown | {"machine_no": 2}
    assert (
        client.patch(location, json={"machine_no": 3}, headers={"If-Match": etag}).status_code
        == 412
    )
    for params in ({"q": "4461"}, {"operator_id": body["operator_id"]}, {"kind": "tax_disk"}):
        assert client.get(URL, params=params).json()["items"] == [changed.json()]
    for params in ({"q": "9999"}, {"state": "retired"}, {"q": "%"}):
        assert client.get(URL, params=params).json()["items"] == []


def test_refresh_answers_the_device_and_what_changed(
    client: TestClient,
    body: dict[str, Any],
    agent: Any,
    agent_id: str,
    make_reading: Callable[..., DeviceReading],
) -> None:
    location = client.post(URL, json=body | {"agent_id": agent_id}).headers["Location"]
    agent.readings[NUMBER] = make_reading()
    first = client.post(f"{location}/refresh")
    assert first.status_code == 200
    shown = first.json()
    assert shown["changes"] == []
    assert (shown["state"], shown["clearing_state"]) == ("connected", "not_reported")
    assert shown["clock_at"] == "2026-12-09T10:00:03+08:00"
    assert shown["monitors"][1] == {
        "invoice_type": "007",
        "state": "not_reported",
        "report_from": "2026-11-01T00:00:00+08:00",
        "report_to": None,
        "last_reported_at": "2026-11-04T09:30:00+08:00",
        "lock_date": "2026-12-15",
        "upload_due_day": 15,
        "offline_hours": 72,
        "offline_amount": "1000000.00",
        "single_limit": "100000.00",
        "free_space": 4096,
    }
    agent.readings[NUMBER] = make_reading(version="V9")
    assert client.post(f"{location}/refresh").json()["changes"] == [
        {"field": "version", "label": "设备版本", "before": "V2.0.1", "after": "V9", "saved": True}
    ]


def test_refresh_of_a_device_that_cannot_be_read_is_502(
    client: TestClient, body: dict[str, Any], agent: Any, agent_id: str
) -> None:
    location = client.post(URL, json=body | {"agent_id": agent_id}).headers["Location"]
    agent.faults[NUMBER] = fault("device.disconnected", device_code="09c000")
    answer = client.post(f"{location}/refresh")
    assert (answer.status_code, answer.json()["code"]) == (502, "device.disconnected")
    assert client.get(location).json()["fault_code"] == "device.disconnected"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"number": "12345678901"}, "number"),
        ({"number": "１２３４５６７８９０１２"}, "number"),
        ({"kind": "toaster"}, "kind"),
        ({"machine_no": -1}, "machine_no"),
        ({"machine_no": 10**9}, "machine_no"),
        ({"operator_id": "00000000-0000-7000-8000-000000000000"}, "operator_id"),
        ({"state": "connected"}, "state"),
    ],
)
def test_wrong_input_names_the_field(
    client: TestClient, body: dict[str, Any], change: dict[str, Any], field: str
) -> None:
    answer = client.post(URL, json=body | change)
    assert answer.status_code == 422
    assert field in answer.json()["errors"]


def test_agents(client: TestClient) -> None:
    created = client.post("/api/v1/agents", json={"name": "前台", "base_url": "https://a.lan:8711"})
    assert created.status_code == 201
    shown = created.json()
    assert len(shown.pop("token")) >= 32
    location = created.headers["Location"]
    assert client.get(location).json() == shown
    assert client.get("/api/v1/agents").json()["items"] == [shown]
    changed = client.patch(location, json={"name": "后台"}, headers={"If-Match": '"1"'})
    assert changed.json()["name"] == "后台"
    assert client.delete(location).status_code == 204
    assert client.get(location).status_code == 404


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a",
        "http://",
        "http://user:secret@a",
        "http://a/?q=1",
        "http://a:99999",
        "http://169.254.169.254",
        "http://2852039166",
        "http://0xa9fea9fe",
        "http://[::ffff:169.254.169.254]",
        "http://[fe80::1%25eth0]",
        "http://a b",
        "javascript:alert(1)",
        "http://[::1",
    ],
)
def test_addresses_that_are_none(client: TestClient, url: str) -> None:
    answer = client.post("/api/v1/agents", json={"name": "前台", "base_url": url})
    assert answer.status_code == 422
    assert "base_url" in answer.json()["errors"]


def test_checking_an_agent(client: TestClient, agent: Any, agent_id: str) -> None:
    answer = client.post(f"/api/v1/agents/{agent_id}/check")
    assert (answer.json()["state"], answer.json()["version"]) == ("online", "1.2.3")
    agent.contract_version = 99
    refused = client.post(f"/api/v1/agents/{agent_id}/check")
    assert (refused.status_code, refused.json()["code"]) == (502, "agent.version")
    assert client.get(f"/api/v1/agents/{agent_id}").json()["state"] == "incompatible"


def test_discovery(
    client: TestClient,
    agent: Any,
    agent_id: str,
    make_reading: Callable[..., DeviceReading],
) -> None:
    agent.readings[NUMBER] = make_reading()
    (found,) = client.get(f"{URL}/discovered").json()
    assert (found["number"], found["agent_id"]) == (NUMBER, agent_id)


def test_what_a_permission_allows(
    app: FastAPI, client: TestClient, body: dict[str, Any], admin: Principal
) -> None:
    app.state.principal = replace(admin, permissions=frozenset({Permission.READ}))
    assert client.get(URL).status_code == 200
    assert client.get("/api/v1/agents").status_code == 200
    assert client.post(URL, json=body).status_code == 403
    writer = frozenset({Permission.READ, Permission.DEVICES_WRITE})
    app.state.principal = replace(admin, permissions=writer)
    assert client.post(URL, json=body).status_code == 201
    agent = {"name": "前台", "base_url": "http://a.lan"}
    assert client.post("/api/v1/agents", json=agent).status_code == 403


def test_pages_follow_the_cursor(client: TestClient, body: dict[str, Any]) -> None:
    numbers = [f"66181446132{digit}" for digit in range(5)]
    for number in reversed(numbers):
        client.post(URL, json=body | {"number": number})
    seen: list[str] = []
    cursor: str | None = None
    while True:
        params = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = client.get(URL, params=params).json()
        seen += [item["number"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == numbers
    assert client.get(URL, params={"cursor": "e30"}).status_code == 400


def test_a_person_hands_a_device_over_only_with_the_password(
    app: FastAPI, client: TestClient, admin: Principal, body: dict[str, Any]
) -> None:
    location = client.post("/api/v1/devices", json=body).headers["location"]
    app.state.principal = replace(admin, kind=PrincipalKind.ACCOUNT)
    answer = client.patch(location, json={"operator_id": body["operator_id"]})
    assert (answer.status_code, answer.json()["errors"]) == (422, {"password": "请输入密码"})
    assert client.patch(location, json={"machine_no": 2}).status_code == 200
