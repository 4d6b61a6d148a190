"""The routes of enterprises."""

from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.accounts.principal import Principal

URL = "/api/v1/enterprises"
BODY = {"tax_no": "91320118ma20lu6n3p", "name": " 南京德茂商贸有限公司 "}


def test_create_read_change(client: TestClient) -> None:
    created = client.post(URL, json=BODY)
    assert created.status_code == 201
    location, etag = created.headers["Location"], created.headers["ETag"]
    body = created.json()
    assert (body["tax_no"], body["name"]) == ("91320118MA20LU6N3P", "南京德茂商贸有限公司")
    read = client.get(location)
    assert (read.json(), read.headers["ETag"]) == (body, etag)
    changed = client.patch(
        location, json={"contact_email": "a@example.cn"}, headers={"If-Match": etag}
    )
    assert changed.json() == body | {"contact_email": "a@example.cn"}
    stale = client.patch(location, json={"name": "乙"}, headers={"If-Match": etag})
    assert (stale.status_code, stale.json()["code"]) == (412, "stale")
    assert client.get(URL, params={"q": "德茂"}).json()["items"] == [changed.json()]


def test_a_second_one_with_the_number_is_a_conflict(client: TestClient) -> None:
    client.post(URL, json=BODY)
    again = client.post(URL, json=BODY)
    assert again.status_code == 409
    assert again.headers["content-type"] == "application/problem+json"
    assert again.json()["code"] == "enterprise.tax_no_taken"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"tax_no": "91320118MA20LU6N3Q"}, "tax_no"),
        ({"tax_no": "I" * 18}, "tax_no"),
        ({"name": "  "}, "name"),
        ({"name": "甲\x00乙"}, "name"),
        ({"filing_cycle": "yearly"}, "filing_cycle"),
        ({"contact_email": "nobody"}, "contact_email"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_wrong_input_names_the_field(
    client: TestClient, change: dict[str, Any], field: str
) -> None:
    answer = client.post(URL, json=BODY | change)
    assert answer.status_code == 422
    assert field in answer.json()["errors"]


@pytest.mark.parametrize("body", [{"name": None}, {"nope": 1}, {"tax_no": "1"}])
def test_wrong_changes_are_refused(client: TestClient, body: dict[str, Any]) -> None:
    location = client.post(URL, json=BODY).headers["Location"]
    assert client.patch(location, json=body).status_code == 422


def test_unknown_is_not_found(client: TestClient) -> None:
    answer = client.get(f"{URL}/00000000-0000-7000-8000-000000000000")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert client.get(f"{URL}/nonsense").status_code == 422


def test_who_may_not_write_is_refused(app: FastAPI, client: TestClient, auditor: Principal) -> None:
    app.state.principal = auditor
    assert client.get(URL).status_code == 200
    assert client.post(URL, json=BODY).status_code == 403


def test_pages_follow_the_cursor(client: TestClient) -> None:
    for index in range(3):
        client.post(URL, json={"tax_no": f"1100000000000{index:02d}", "name": f"企业{index}"})
    first = client.get(URL, params={"limit": 2}).json()
    second = client.get(URL, params={"limit": 2, "cursor": first["next_cursor"]}).json()
    names = [item["name"] for item in first["items"] + second["items"]]
    assert (names, second["next_cursor"]) == (["企业0", "企业1", "企业2"], None)
    broken = client.get(URL, params={"cursor": "x"})
    assert (broken.status_code, broken.json()["code"]) == (400, "cursor.invalid")
