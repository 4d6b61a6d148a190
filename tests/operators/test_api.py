"""The routes of operators."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.accounts.principal import Permission, Principal
from app.core.db import Database, Session

AddEnterprise = Callable[[Session], UUID]

URL = "/api/v1/operators"


@pytest.fixture
def enterprise_id(database: Database, add_enterprise: AddEnterprise) -> UUID:
    with database.transaction() as session:
        return add_enterprise(session)


@pytest.fixture
def body(enterprise_id: UUID) -> dict[str, Any]:
    return {"code": "KP0012", "name": "王晓梅", "enterprise_id": str(enterprise_id)}


def test_create_read_change_find(client: TestClient, body: dict[str, Any]) -> None:
    created = client.post(URL, json=body)
    assert created.status_code == 201
    shown = created.json()
    assert shown["clearing_state"] == "due"
    assert (shown["device_count"], shown["device_numbers"], shown["lock_date"]) == (0, [], None)
    location, etag = created.headers["Location"], created.headers["ETag"]
    assert client.get(location).json() == shown
    changed = client.patch(location, json={"department": "财务部"}, headers={"If-Match": etag})
    assert changed.json() == shown | {"department": "财务部"}
    stale = client.patch(location, json={"name": "赵伟"}, headers={"If-Match": etag})
    assert (stale.status_code, stale.json()["code"]) == (412, "stale")
    listed = {name: value for name, value in changed.json().items() if name != "preferences"}
    for q in ("wxm", "cwb", "0012"):
        assert client.get(URL, params={"q": q}).json()["items"] == [listed]
    assert client.get(URL, params={"clearing_state": "locked"}).json()["items"] == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"code": "KP 1"}, "code"),
        ({"code": ""}, "code"),
        ({"name": "\u2028"}, "name"),
        ({"enterprise_id": "1"}, "enterprise_id"),
        ({"enterprise_id": "00000000-0000-7000-8000-000000000000"}, "enterprise_id"),
        ({"phone": "call me"}, "phone"),
        ({"clearing_state": "cleared"}, "clearing_state"),
    ],
)
def test_wrong_input_names_the_field(
    client: TestClient, body: dict[str, Any], change: dict[str, Any], field: str
) -> None:
    answer = client.post(URL, json=body | change)
    assert answer.status_code == 422
    assert field in answer.json()["errors"]


def test_lone_surrogates_are_refused(client: TestClient, body: dict[str, Any]) -> None:
    answer = client.post(
        URL,
        content=f'{{"code":"A","name":"\\ud800","enterprise_id":"{body["enterprise_id"]}"}}',
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 422


def test_personal_settings_are_kept_and_bounded(client: TestClient, body: dict[str, Any]) -> None:
    settings = {"默认票种": "007"}
    made = client.post(URL, json=body | {"preferences": settings})
    assert made.json()["preferences"] == settings
    changed = client.patch(made.headers["Location"], json={"preferences": {}})
    assert changed.json()["preferences"] == {}
    too_many = {str(number): "x" for number in range(51)}
    refused = client.patch(made.headers["Location"], json={"preferences": too_many})
    assert (refused.status_code, list(refused.json()["errors"])) == (422, ["preferences"])


def test_wrong_filters_are_refused(client: TestClient) -> None:
    for params in ({"clearing_state": "x"}, {"enterprise_id": "x"}, {"q": "x" * 201}):
        assert client.get(URL, params=params).status_code == 422
    assert client.get(URL, params={"q": "\x00'\"*"}).json()["items"] == []


def test_what_a_permission_allows(
    app: FastAPI, client: TestClient, body: dict[str, Any], admin: Principal
) -> None:
    app.state.principal = replace(admin, permissions=frozenset({Permission.READ}))
    assert client.get(URL).status_code == 200
    assert client.post(URL, json=body).status_code == 403
    app.state.principal = replace(admin, permissions=frozenset({Permission.OPERATORS_WRITE}))
    assert client.post(URL, json=body).status_code == 201
