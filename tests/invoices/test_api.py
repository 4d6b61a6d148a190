"""The routes of the ledger."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.accounts.principal import Permission, Principal
from app.core.db import Database, Session
from app.devices.models import Device

URL = "/api/v1/invoices"


@pytest.fixture
def body(database: Database, add_device: Callable[[Session], Device]) -> dict[str, Any]:
    with database.transaction() as session:
        device_id = str(add_device(session).id)
    return {
        "device_id": device_id,
        "invoice_type": "007",
        "code": "3200201130",
        "number": "00000001",
        "issued_at": "2026-11-20T11:00:00+08:00",
        "amount": "1284330.00",
        "tax": "166962.90",
    }


def test_add_read_correct_list(client: TestClient, body: dict[str, Any]) -> None:
    created = client.post(URL, json=body)
    assert created.status_code == 201
    shown = created.json()
    assert (shown["amount"], shown["period"], shown["clearing_status"]) == (
        "1284330.00",
        "2026-11",
        "uncleared",
    )
    assert shown["issued_at"] == "2026-11-20T03:00:00Z"
    location, etag = created.headers["Location"], created.headers["ETag"]
    assert client.get(location).json() == shown
    wanted = {"clearing_status": "cleared", "reason": "清卡时断电"}
    changed = client.patch(location, json=wanted, headers={"If-Match": etag})
    assert changed.json() == shown | {"clearing_status": "cleared"}
    assert client.patch(location, json=wanted, headers={"If-Match": etag}).status_code == 412
    for params in ({"q": "0000"}, {"period": "2026-11"}, {"clearing_status": "cleared"}):
        assert client.get(URL, params=params).json()["items"] == [changed.json()]
    assert client.get(URL, params={"uploaded": "true"}).json()["items"] == []
    again = client.post(URL, json=body)
    assert (again.status_code, again.json()["code"]) == (409, "invoice.exists")


@pytest.mark.parametrize(
    "change",
    [
        {"number": ""},
        {"number": "1"},
        {"code": "x"},
        {"invoice_type": "000"},
        {"issued_at": "2026-11-20T11:00:00"},
        {"issued_at": "0001-01-01T00:00:00+14:00"},
        {"issued_at": "9999-12-31T23:59:59-12:00"},
        {"amount": "1.001"},
        {"amount": "NaN"},
        {"amount": "1e30"},
        {"period": "2026-11"},
        {"device_id": "00000000-0000-7000-8000-000000000000"},
    ],
)
def test_wrong_input_is_refused(
    client: TestClient, body: dict[str, Any], change: dict[str, Any]
) -> None:
    answer = client.post(URL, json=body | change)
    assert answer.status_code == 422
    assert answer.json()["errors"]


@pytest.mark.parametrize(
    "change",
    [
        {"clearing_status": "cleared"},
        {"clearing_status": "cleared", "reason": "  "},
        {"clearing_status": None, "reason": "x"},
        {"clearing_status": "cleared", "reason": "x", "amount": "1"},
    ],
)
def test_a_correction_wants_a_reason_and_nothing_else(
    client: TestClient, body: dict[str, Any], change: dict[str, Any]
) -> None:
    location = client.post(URL, json=body).headers["Location"]
    assert client.patch(location, json=change).status_code == 422


def test_wrong_filters_are_refused(client: TestClient) -> None:
    for params in ({"period": "2026-13"}, {"invoice_type": "7"}, {"cursor": "!"}):
        assert client.get(URL, params=params).status_code in (400, 422)
    assert client.get(URL, params={"period": "2099-12"}).json()["items"] == []


def test_what_a_permission_allows(
    app: FastAPI, client: TestClient, body: dict[str, Any], admin: Principal
) -> None:
    app.state.principal = replace(admin, permissions=frozenset({Permission.READ}))
    assert client.get(URL).status_code == 200
    assert client.post(URL, json=body).status_code == 403
