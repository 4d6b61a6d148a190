"""The agent's HTTP API, in process and over a socket, on top of the fake device."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount

from app.agent.api import create_agent_app
from app.contracts import CONTRACT_VERSION
from app.contracts.devices import AgentStatus, DeviceReading, DeviceSummary
from app.contracts.operations import Operation
from app.core.ids import new_id

if TYPE_CHECKING:
    from tests.agent.conftest import Lab

TOKEN = "t0ken"
NUMBER = "661814461322"
Ask = Callable[..., httpx.Response]


def ask_app(app: Any, method: str, path: str, **more: Any) -> httpx.Response:
    """One request in an event loop of its own, as the server does it."""

    async def ask() -> httpx.Response:
        headers = {"Authorization": f"Bearer {TOKEN}"} | more.pop("headers", {})
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://agent") as client:
            return await client.request(method, path, headers=headers, **more)

    return asyncio.run(ask())


@pytest.fixture
def app(lab: Lab) -> FastAPI:
    return create_agent_app(lab.start(), TOKEN)


@pytest.fixture
def ask(app: FastAPI) -> Ask:
    return lambda method, path, **more: ask_app(app, method, f"/agent/v1{path}", **more)


def operation_body(kind: str = "clear", **more: Any) -> dict[str, Any]:
    return {"id": str(new_id()), "kind": kind, "period": "2026-10"} | more


def done(ask: Ask, location: str) -> Operation:
    path = location.removeprefix("/agent/v1")
    return Operation.model_validate(ask("GET", f"{path}?wait=10").json())


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"bearer {TOKEN}x"]
)
@pytest.mark.parametrize("path", ["/status", "/devices", "/events", "/nothing"])
def test_no_token_no_answer(ask: Ask, path: str, header: str) -> None:
    answer = ask("GET", path, headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["code"] == "agent.unauthorized"


def test_an_agent_without_a_token_does_not_start(lab: Lab) -> None:
    with pytest.raises(ValueError, match="token"):
        create_agent_app(lab.start(), "")


def test_status(ask: Ask) -> None:
    status = AgentStatus.model_validate(ask("GET", "/status").json())
    assert status.contract_version == CONTRACT_VERSION
    assert status.devices == 1
    assert "tax_server" in status.drivers
    assert not status.simulated


def test_device_is_read_now(ask: Ask) -> None:
    answer = ask("GET", f"/devices/{NUMBER}")
    assert answer.status_code == 200
    reading = DeviceReading.model_validate(answer.json())
    assert reading.info.invoice_types == ("004", "007")
    assert [monitor.invoice_type for monitor in reading.monitors] == ["004", "007"]
    assert reading.sent_at is not None
    assert reading.sent_at <= reading.read_at
    [summary] = [DeviceSummary.model_validate(item) for item in ask("GET", "/devices").json()]
    assert (summary.number, summary.state) == (NUMBER, "connected")


def test_statistics_and_invoices(ask: Ask) -> None:
    statistics = ask("GET", f"/devices/{NUMBER}/statistics?from=2026-10-01&to=2026-10-31").json()
    assert [item["invoice_type"] for item in statistics] == ["004", "007"]
    assert statistics[0]["periods"][0]["issued_amount"] == "12.50"
    invoices = ask("GET", f"/devices/{NUMBER}/invoices?period=2026-10").json()
    assert [item["total"] for item in invoices] == ["-11.30", "-11.30"]


@pytest.mark.parametrize(
    "path",
    [
        f"/devices/{NUMBER}/statistics?from=2026-10-31&to=2026-10-01",
        f"/devices/{NUMBER}/statistics?from=x&to=2026-10-01",
        f"/devices/{NUMBER}/invoices?period=2026-13",
        f"/devices/{NUMBER}/invoices",
        "/operations/17",
        "/events?after=-1",
    ],
)
def test_invalid_queries(ask: Ask, path: str) -> None:
    answer = ask("GET", path)
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid"
    assert answer.json()["errors"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        operation_body(period=None),
        operation_body(kind="erase"),
        operation_body(invoice_types=["999"]),
        operation_body(period="2026-1"),
        operation_body(id="17"),
    ],
)
def test_invalid_operations(ask: Ask, lab: Lab, body: dict[str, Any]) -> None:
    answer = ask("POST", f"/devices/{NUMBER}/operations", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"]
    assert lab.world.names() == []


@pytest.mark.parametrize(
    "path", ["/devices/000000000000", "/devices/", "/devices/x/invoices?period=2026-10"]
)
def test_unknown_device(ask: Ask, path: str) -> None:
    answer = ask("GET", path)
    assert answer.status_code in (404, 307)
    if answer.status_code == 404:
        assert answer.json()["code"] == "device.not_found"
        assert answer.json()["remedy"]


def test_unknown_paths_and_operations(ask: Ask) -> None:
    assert ask("GET", f"/operations/{new_id()}").json()["code"] == "agent.operation_not_found"
    assert ask("GET", f"/operations/{new_id()}/events").status_code == 404
    assert ask("GET", "/nothing").json()["code"] == "not_found"
    assert ask("DELETE", "/devices").json()["code"] == "method_not_allowed"


@pytest.mark.parametrize(
    ("effect", "more", "code"),
    [
        ("not_sent", {}, "device.disconnected"),
        ("lost_before", {}, "device.timeout"),
        ("garbage", {}, "device.answer_invalid"),
        ("refuse", {"code": "0963c3", "text": "证书口令错误"}, "device.password_wrong"),
        ("refuse", {"code": "5555", "text": "奇怪"}, "device.refused"),
    ],
)
def test_unreadable_device(
    ask: Ask, lab: Lab, effect: str, more: dict[str, str], code: str
) -> None:
    lab.world.will("SKPXXCX", effect, **more)
    answer = ask("GET", f"/devices/{NUMBER}")
    assert answer.status_code == 502
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == code
    assert problem["remedy"]
    assert problem["device_code"] == more.get("code", "")
    assert problem["instance"] == f"/agent/v1/devices/{NUMBER}"


def test_report_and_clear(ask: Ask, lab: Lab) -> None:
    for kind in ("report", "clear"):
        body = operation_body(kind, tax_no=lab.world.tax_no, origin="测试")
        answer = ask("POST", f"/devices/{NUMBER}/operations", json=body)
        assert answer.status_code == 202
        assert answer.headers["location"] == f"/agent/v1/operations/{body['id']}"
        operation = done(ask, answer.headers["location"])
        assert (operation.state, operation.fault) == ("succeeded", None)
        again = ask("POST", f"/devices/{NUMBER}/operations", json=body)
        assert again.status_code == 202
        assert again.json()["state"] == "succeeded"
    assert lab.world.clears() == ["004", "007"]


def test_the_same_id_with_another_content(ask: Ask) -> None:
    body = operation_body("report")
    ask("POST", f"/devices/{NUMBER}/operations", json=body)
    answer = ask("POST", f"/devices/{NUMBER}/operations", json=body | {"kind": "clear"})
    assert answer.status_code == 409
    assert answer.json()["code"] == "agent.operation_conflict"


def events_of(text: str) -> list[tuple[str, Any]]:
    parts = [part.split("\n") for part in text.split("\n\n") if "data: " in part]
    return [
        (
            next(line[7:] for line in part if line.startswith("event: ")),
            json.loads(next(line[6:] for line in part if line.startswith("data: "))),
        )
        for part in parts
    ]


def test_operation_events_end_with_the_operation(ask: Ask) -> None:
    answer = ask("POST", f"/devices/{NUMBER}/operations", json=operation_body("report"))
    path = answer.headers["location"].removeprefix("/agent/v1")
    stream = ask("GET", f"{path}/events")
    assert stream.headers["content-type"].startswith("text/event-stream")
    events = events_of(stream.text)
    assert events[-1] == ("end", {"state": "succeeded"})
    assert Operation.model_validate(events[-2][1]).steps[-1].name == "WLCB"


def test_events_from_the_beginning_and_from_a_number(ask: Ask, lab: Lab) -> None:
    ask("GET", f"/devices/{NUMBER}")
    lab.world.plugged = False
    ask("GET", f"/devices/{NUMBER}")
    events = events_of(ask("GET", "/events?after=0&timeout=0.1").text)
    assert [name for name, _ in events] == ["device.connected", "device.disconnected"]
    assert events[1][1]["device"]["error_code"] == "device.disconnected"
    later = ask("GET", "/events?timeout=0.1", headers={"Last-Event-ID": "1"})
    assert [name for name, _ in events_of(later.text)] == ["device.disconnected"]
    assert "id: 2" in later.text
    assert events_of(ask("GET", "/events?timeout=0.1").text) == []


def test_a_device_in_use_is_busy(ask: Ask, lab: Lab) -> None:
    import threading

    gate = threading.Event()
    device = lab.running[-1]._devices[0]
    device.port.submit(lambda: gate.wait(20))
    lab.running[-1]._read_wait = 0.05
    answer = ask("GET", f"/devices/{NUMBER}")
    gate.set()
    assert (answer.status_code, answer.json()["code"]) == (502, "device.busy")


def test_mistakes_of_ours_show_no_stack_trace(
    ask: Ask, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise ZeroDivisionError("secret details")

    monkeypatch.setattr(lab.running[-1], "devices", broken)
    answer = ask("GET", "/devices")
    assert (answer.status_code, answer.json()["code"]) == (500, "agent.failed")
    assert "secret" not in answer.text


def test_mounted_in_another_application(app: FastAPI) -> None:
    outer = Starlette(routes=[Mount("/inner", app)])
    answer = ask_app(outer, "GET", "/inner/agent/v1/status")
    assert answer.status_code == 200
    body = operation_body("report")
    answer = ask_app(outer, "POST", f"/inner/agent/v1/devices/{NUMBER}/operations", json=body)
    assert answer.status_code == 202
    path = f"/inner/agent/v1/operations/{body['id']}?wait=10"
    assert ask_app(outer, "GET", path).json()["state"] == "succeeded"


def test_openapi_names_every_path(ask: Ask, app: FastAPI) -> None:
    paths = app.openapi()["paths"]
    assert set(paths) == {
        f"/agent/v1{path}"
        for path in (
            "/status",
            "/devices",
            "/devices/{number}",
            "/devices/{number}/statistics",
            "/devices/{number}/invoices",
            "/devices/{number}/bureau",
            "/devices/{number}/operations",
            "/operations/{operation_id}",
            "/operations/{operation_id}/events",
            "/events",
        )
    }
