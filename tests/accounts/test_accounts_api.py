"""REST API of accounts and API keys."""

from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.accounts.principal import Role
from app.core.db import Database
from app.settings import Profile, Settings
from tests.accounts.conftest import PASSWORD, Browse, MakeAccount, MovableClock, audited

NEW = {"name": "Bert", "roles": ["operator"], "password": PASSWORD}


@pytest.fixture
def admin(browse: Browse, make_account: MakeAccount) -> TestClient:
    make_account("root", Role.ADMIN)
    return browse("root")


def create(admin: TestClient, **more: Any) -> dict[str, Any]:
    answer = admin.post("/api/v1/accounts", json={**NEW, **more})
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_a_new_account_gets_a_one_time_password(admin: TestClient, browse: Browse) -> None:
    answer = admin.post("/api/v1/accounts", json=NEW)
    body = answer.json()
    assert answer.headers["location"] == f"/api/v1/accounts/{body['id']}"
    assert (body["name"], body["must_change_password"]) == ("bert", True)
    client = browse("bert", password=body["one_time_password"])
    assert client.get("/api/v1/me").status_code == 403
    shown = admin.get(f"/api/v1/accounts/{body['id']}").json()
    assert "one_time_password" not in shown


def test_a_given_password_is_kept_to_be_changed(admin: TestClient) -> None:
    body = create(admin, initial_password="another good phrase", enterprise_ids=[])
    assert body["one_time_password"] is None
    assert body["enterprise_ids"] == []


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"name": "a b"}, "name"),
        ({"name": ""}, "name"),
        ({"roles": []}, "roles"),
        ({"roles": ["king"]}, "roles.0"),
        ({"initial_password": "password123"}, "initial_password"),
        ({"initial_password": "short"}, "initial_password"),
        ({"password": "wrong password"}, "password"),
        ({"password": None}, "password"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_bad_input_is_named(more: dict[str, Any], field: str, admin: TestClient) -> None:
    answer = admin.post("/api/v1/accounts", json={**NEW, **more})
    assert answer.status_code == 422
    assert field in answer.json()["errors"]


def test_names_are_unique(admin: TestClient) -> None:
    create(admin)
    answer = admin.post("/api/v1/accounts", json={**NEW, "name": "BERT"})
    assert (answer.status_code, answer.json()["code"]) == (409, "account.name_taken")


def test_wrong_passwords_of_step_up_are_kept_although_the_answer_is_an_error(
    admin: TestClient, database: Database
) -> None:
    admin.post("/api/v1/accounts", json={**NEW, "password": "wrong password"})
    assert audited(database)[-1] == "step_up.failed"


def test_the_list_goes_on_by_cursor(admin: TestClient, make_account: MakeAccount) -> None:
    for name in ("a1", "a2", "a3"):
        make_account(name)
    first = admin.get("/api/v1/accounts?limit=2").json()
    second = admin.get("/api/v1/accounts", params={"limit": 2, "cursor": first["next_cursor"]})
    names = [one["name"] for one in first["items"] + second.json()["items"]]
    assert names == ["a1", "a2", "a3", "root"]
    assert second.json()["next_cursor"] is None
    assert [one["name"] for one in admin.get("/api/v1/accounts?q=A2").json()["items"]] == ["a2"]
    assert admin.get("/api/v1/accounts?q=%25").json()["items"] == []
    assert admin.get("/api/v1/accounts?cursor=xx").status_code == 400


def change(admin: TestClient, account_id: str, **changes: Any) -> Any:
    body = {"password": PASSWORD, **changes}
    return admin.patch(f"/api/v1/accounts/{account_id}", json=body)


def test_changes(admin: TestClient, database: Database) -> None:
    account_id = create(admin)["id"]
    limit = [str(UUID(int=3))]
    answer = change(
        admin,
        account_id,
        display_name="伯特",
        roles=["operator", "reviewer"],
        enterprise_ids=limit,
        operator_id=str(UUID(int=4)),
    ).json()
    assert (answer["display_name"], answer["roles"]) == ("伯特", ["operator", "reviewer"])
    assert (answer["enterprise_ids"], answer["operator_id"]) == (limit, str(UUID(int=4)))
    again = change(admin, account_id, enterprise_ids=None, operator_id=None).json()
    assert (again["enterprise_ids"], again["operator_id"]) == (None, None)
    assert again["display_name"] == "伯特"
    assert audited(database)[-3:] == [
        "account.roles_changed",
        "account.changed",
        "account.changed",
    ]


def test_disable_and_enable(admin: TestClient, browse: Browse, make_account: MakeAccount) -> None:
    account = make_account("anna")
    client = browse("anna")
    assert change(admin, str(account.id), disabled=True).json()["disabled"] is True
    assert client.get("/api/v1/me").status_code == 401
    assert change(admin, str(account.id), disabled=False).json()["disabled"] is False
    browse("anna")


def test_unlock(admin: TestClient, browse: Browse, make_account: MakeAccount) -> None:
    account = make_account("anna")
    other = browse(ip="10.0.0.7")
    for _ in range(3):
        other.post("/login", data={"username": "anna", "password": "wrong password"})
    path = f"/api/v1/accounts/{account.id}"
    assert admin.get(path).json()["locked_until"] is not None
    assert change(admin, str(account.id), locked=False).json()["locked_until"] is None


def test_changes_want_the_password(admin: TestClient) -> None:
    account_id = create(admin)["id"]
    answer = admin.patch(f"/api/v1/accounts/{account_id}", json={"roles": ["admin"]})
    assert (answer.status_code, answer.json()["code"]) == (422, "step_up.failed")


def test_stale_changes_are_refused(admin: TestClient) -> None:
    account_id = create(admin)["id"]
    path = f"/api/v1/accounts/{account_id}"
    etag = admin.get(path).headers["etag"]
    body = {"password": PASSWORD, "display_name": "B"}
    assert admin.patch(path, json=body, headers={"If-Match": etag}).status_code == 200
    assert admin.patch(path, json=body, headers={"If-Match": etag}).status_code == 412


def test_somebody_stays_admin(admin: TestClient) -> None:
    own = admin.get("/api/v1/me").json()["id"]
    assert change(admin, own, roles=["operator"]).json()["code"] == "account.last_admin"
    assert change(admin, own, disabled=True).json()["code"] == "account.own"
    create(admin, name="second", roles=["admin"])
    assert change(admin, own, roles=["operator"]).status_code == 200


def test_unknown_accounts_are_not_found(admin: TestClient) -> None:
    assert admin.get(f"/api/v1/accounts/{UUID(int=1)}").status_code == 404
    assert change(admin, str(UUID(int=1)), roles=["admin"]).status_code == 404


def test_dengbao_keeps_roles_apart(admin: TestClient, app: FastAPI, settings: Settings) -> None:
    app.state.settings = settings.model_copy(update={"profile": Profile.DENGBAO})
    for other in ("reviewer", "auditor"):
        answer = admin.post("/api/v1/accounts", json={**NEW, "roles": ["admin", other]})
        assert "roles" in answer.json()["errors"]
    create(admin, roles=["reviewer", "auditor"])


KEY = {"name": "ERP", "scopes": ["read", "clearing:request"], "password": PASSWORD}


def test_a_key_is_shown_once_and_works(admin: TestClient, browse: Browse) -> None:
    body = admin.post("/api/v1/api-keys", json=KEY).json()
    assert body["key"].startswith(body["prefix"])
    assert body["prefix"].startswith("qk_")
    listed = admin.get("/api/v1/api-keys").json()["items"]
    assert body["key"] not in str(listed)
    assert body["expires_at"].startswith("2027-11-05")
    headers = {"Authorization": f"Bearer {body['key']}"}
    me = browse().get("/api/v1/me", headers=headers).json()
    assert (me["kind"], me["permissions"]) == ("api_key", ["read", "clearing:request"])


def test_a_key_needs_no_password(admin: TestClient, browse: Browse) -> None:
    body = admin.post("/api/v1/api-keys", json={**KEY, "scopes": ["admin"]}).json()
    headers = {"Authorization": f"Bearer {body['key']}"}
    client = browse()
    made = client.post("/api/v1/api-keys", json={"name": "x", "scopes": ["read"]}, headers=headers)
    assert made.status_code == 201
    path = f"/api/v1/api-keys/{made.json()['id']}"
    assert client.delete(path, headers=headers).status_code == 204
    listed = client.get("/api/v1/api-keys", headers=headers).json()["items"]
    assert listed[0]["revoked_at"] is not None


def test_people_revoke_with_their_password(admin: TestClient) -> None:
    path = "/api/v1/api-keys/" + admin.post("/api/v1/api-keys", json=KEY).json()["id"]
    assert admin.delete(path).json()["code"] == "step_up.failed"
    answer = admin.request("DELETE", path, json={"password": PASSWORD})
    assert answer.status_code == 204


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"name": " "}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["all"]}, "scopes.0"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2027-01-01T00:00:00"}, "expires_at"),
    ],
)
def test_bad_keys_are_named(more: dict[str, Any], field: str, admin: TestClient) -> None:
    answer = admin.post("/api/v1/api-keys", json={**KEY, **more})
    assert answer.status_code == 422
    assert field in answer.json()["errors"]


def test_nobody_hands_out_what_they_do_not_have(
    admin: TestClient, app: FastAPI, settings: Settings
) -> None:
    app.state.settings = settings.model_copy(update={"profile": Profile.DENGBAO})
    answer = admin.post("/api/v1/api-keys", json={**KEY, "scopes": ["clearing:review"]})
    assert (answer.status_code, answer.json()["code"]) == (403, "api_key.scope_not_held")


def test_last_use_is_noted(admin: TestClient, browse: Browse, clock: MovableClock) -> None:
    body = admin.post("/api/v1/api-keys", json=KEY).json()
    assert body["last_used_at"] is None
    browse().get("/api/v1/me", headers={"Authorization": f"Bearer {body['key']}"})
    listed = admin.get("/api/v1/api-keys").json()["items"][0]
    assert listed["last_used_at"].startswith(f"{clock():%Y-%m-%dT%H:%M}")
