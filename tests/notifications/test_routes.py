"""Pages and REST API of notifications: who may, what they answer, and that secrets are shown once."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlmodel import select
from starlette.testclient import TestClient

from app.accounts.models import Account
from app.accounts.principal import Principal, PrincipalKind, Role
from app.audit.models import AuditRecord
from app.core.db import Database
from app.errors import QingkaError
from app.notifications import errors
from app.notifications.models import Channel, Webhook
from app.notifications.sender import Sender
from app.settings import Settings
from app.system.pages import help_entries

API = "/api/v1"
CONFIRMED = {"password": "correct horse battery"}


@pytest.fixture
def any_database(database: Database) -> Database:
    """Routes are the same on both: SQLite is enough here."""
    return database


@pytest.fixture
def told(
    any_database: Database, world: Any, sender: Sender, publish_failure: Callable[..., UUID]
) -> UUID:
    """A failed clearing in the admin's inbox."""
    operator = world.operator()
    with any_database.transaction() as session:
        event_id = publish_failure(session, operator)
    sender.run_all()
    return event_id


def test_inbox_over_the_api(client: TestClient, told: UUID) -> None:
    answer = client.get(f"{API}/notifications").json()
    (item,) = answer["items"]
    assert item["id"] == str(told)
    assert (item["kind"], item["read_at"]) == ("clearing.failed", None)
    assert item["link"] == "/clearing/requests/r1"
    assert client.post(f"{API}/notifications", json={"ids": [str(told)]}).json() == {
        "marked": 1,
        "unread": 0,
    }
    assert client.get(f"{API}/notifications", params={"unread": True}).json()["items"] == []
    assert client.post(f"{API}/notifications", json={}).json() == {"marked": 0, "unread": 0}


def test_inbox_is_ones_own(
    app: FastAPI,
    client: TestClient,
    told: UUID,
    world: Any,
    make_principal: Callable[..., Principal],
) -> None:
    app.state.principal = make_principal(world.account(Role.ADMIN))
    assert client.get(f"{API}/notifications").json()["items"] == []
    client.post(f"{API}/notifications", json={"ids": [str(told)]})
    opened = client.post(f"/notifications/{told}/open")
    assert opened.headers["location"] == "/notifications"


def test_pages_of_the_inbox(client: TestClient, told: UUID) -> None:
    page = client.get("/notifications").text
    assert "清卡失败：" in page
    assert 'href="/help?q=bureau.not_filed"' in page
    assert re.search(r'href="/notifications"[^>]*>.*?<span class="count">1</span>', page)
    assert client.post(f"/notifications/{told}/open").headers["location"] == "/clearing/requests/r1"
    assert '<span class="count">' not in client.get("/notifications").text
    assert client.post("/notifications/read").status_code == 303


def test_cursor_of_the_inbox(
    client: TestClient,
    any_database: Database,
    world: Any,
    sender: Sender,
    publish_failure: Callable[..., UUID],
) -> None:
    operator = world.operator()
    with any_database.transaction() as session:
        ids = [str(publish_failure(session, operator)) for _ in range(5)]
    sender.run_all()
    first = client.get(f"{API}/notifications", params={"limit": 3}).json()
    query = {"limit": 3, "cursor": first["next_cursor"]}
    second = client.get(f"{API}/notifications", params=query).json()
    assert [one["id"] for one in first["items"] + second["items"]] == sorted(ids, reverse=True)
    assert second["next_cursor"] is None
    assert client.get(f"{API}/notifications", params={"cursor": "x"}).status_code == 400


def test_preferences_change_what_is_heard(
    client: TestClient, any_database: Database, world: Any, sender: Sender,
    publish_failure: Callable[..., UUID],
) -> None:  # fmt: skip
    choice = {"kind": "clearing.failed", "in_app": False, "email": False}
    answer = client.patch(
        f"{API}/notifications/preferences", json={"email": "a@b.cn", "kinds": [choice]}
    ).json()
    assert answer["email"] == "a@b.cn"
    assert choice in answer["kinds"]
    operator = world.operator()
    with any_database.transaction() as session:
        publish_failure(session, operator)
    sender.run_all()
    assert client.get(f"{API}/notifications").json()["items"] == []


def test_preferences_page_keeps_the_whole_form(client: TestClient) -> None:
    form = {"in_app": ["clearing.failed"], "by_email": ["backup.failed"], "email": "a@b.cn"}
    assert client.post("/notifications/preferences", data=form).status_code == 303
    kinds = {
        one["kind"]: (one["in_app"], one["email"])
        for one in client.get(f"{API}/notifications/preferences").json()["kinds"]
    }
    assert kinds["clearing.failed"] == (True, False)
    assert kinds["backup.failed"] == (False, True)
    assert kinds["clearing.succeeded"] == (False, False)
    refused = client.post("/notifications/preferences", data={"email": "nobody"})
    assert refused.status_code == 422
    assert "格式不正确" in refused.text


def _delete(client: TestClient, address: str) -> Any:
    return client.request("DELETE", address, json=CONFIRMED)


def _new_webhook(client: TestClient, url: str) -> Any:
    answer = client.post(
        f"{API}/webhooks", json={"url": url, "kinds": ["clearing.failed"]} | CONFIRMED
    )
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_webhook_from_registration_to_delivery(
    client: TestClient,
    any_database: Database,
    world: Any,
    sender: Sender,
    receiver: Any,
    publish_failure: Callable[..., UUID],
) -> None:
    made = _new_webhook(client, receiver.url())
    receiver.expect(made["secret"])
    assert "secret" not in client.get(f"{API}/webhooks/{made['id']}").json()
    assert made["secret"] not in client.get(f"{API}/webhooks").text
    assert client.post(f"{API}/webhooks/{made['id']}/test").status_code == 202
    operator = world.operator()
    with any_database.transaction() as session:
        publish_failure(session, operator)
    assert sender.run_all() == 2
    assert [one["signed"] for one in receiver.requests] == [True, True]
    items = client.get(f"{API}/notification-deliveries", params={"target_id": made["id"]}).json()
    assert [(one["kind"], one["state"]) for one in items["items"]] == [
        ("clearing.failed", "delivered"),
        ("test", "delivered"),
    ]
    detail = client.get(f"{API}/notification-deliveries/{items['items'][0]['id']}").json()
    assert [(one["number"], one["status"], one["ok"]) for one in detail["tries"]] == [
        (1, 200, True)
    ]
    again = client.post(f"{API}/notification-deliveries/{detail['id']}/replay")
    assert (again.status_code, again.json()["state"]) == (202, "pending")
    assert sender.run_all() == 1
    ids = [one["headers"]["webhook-id"] for one in receiver.requests]
    assert ids[1] == ids[2] != ids[0]


def test_new_secret_signs_from_now_on(client: TestClient, sender: Sender, receiver: Any) -> None:
    made = _new_webhook(client, receiver.url())
    new = client.post(f"{API}/webhooks/{made['id']}/rotate-secret", json=CONFIRMED).json()
    assert new["secret"] != made["secret"]
    receiver.expect(new["secret"])
    client.post(f"{API}/webhooks/{made['id']}/test")
    sender.run_all()
    assert receiver.requests[0]["signed"]


def test_stale_change_is_refused(client: TestClient, receiver: Any) -> None:
    made = _new_webhook(client, receiver.url())
    address = f"{API}/webhooks/{made['id']}"
    tag = client.get(address).headers["etag"]
    assert client.patch(
        address, json={"description": "ERP"} | CONFIRMED, headers={"If-Match": tag}
    ).is_success
    stale = client.patch(address, json={"description": "x"} | CONFIRMED, headers={"If-Match": tag})
    assert (stale.status_code, stale.json()["code"]) == (412, "stale")


def test_removed_webhook_is_gone_and_its_log_stays(
    client: TestClient, sender: Sender, receiver: Any, any_database: Database
) -> None:
    made = _new_webhook(client, receiver.url())
    client.post(f"{API}/webhooks/{made['id']}/test")
    sender.run_all()
    assert _delete(client, f"{API}/webhooks/{made['id']}").status_code == 204
    gone = client.get(f"{API}/webhooks/{made['id']}")
    assert (gone.status_code, gone.json()["code"]) == (404, "webhook.not_found")
    (item,) = client.get(f"{API}/notification-deliveries").json()["items"]
    refused = client.post(f"{API}/notification-deliveries/{item['id']}/replay")
    assert (refused.status_code, refused.json()["code"]) == (409, "notification.target_off")
    with any_database.reading() as session:
        assert session.exec(select(Webhook)).one().sealed_secret == ""


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"url": "ftp://x", "kinds": ["clearing.failed"]}, "url"),
        ({"url": "http://127.0.0.1/", "kinds": []}, "kinds"),
        ({"url": "http://127.0.0.1/", "kinds": ["test"]}, "kinds"),
        ({"url": "http://127.0.0.1/", "kinds": ["clearing.unknown"]}, "kinds.0"),
    ],
)
def test_webhooks_that_are_refused(client: TestClient, body: dict[str, Any], field: str) -> None:
    answer = client.post(f"{API}/webhooks", json=body | CONFIRMED)
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])


def test_inner_addresses_need_a_setting(client: TestClient, settings: Settings) -> None:
    settings.webhook_allow_private = False
    answer = client.post(
        f"{API}/webhooks",
        json={"url": "http://127.0.0.1/", "kinds": ["clearing.failed"]} | CONFIRMED,
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "webhook.target_forbidden")
    page = client.post(
        "/settings/webhooks",
        data={"url": "http://127.0.0.1/", "kinds": ["clearing.failed"]} | CONFIRMED,
    )
    assert page.status_code == 422
    assert "目标指向内部网络" in page.text


def test_pages_of_webhooks(
    client: TestClient, receiver: Any, any_database: Database, sender: Sender
) -> None:
    form = {"url": receiver.url("fail"), "kinds": ["clearing.failed"], "description": "ERP"}
    made = client.post("/settings/webhooks", data=form | CONFIRMED)
    assert made.status_code == 201
    secret = re.search(r"whsec_[A-Za-z0-9+/=]+", made.text)
    assert secret is not None
    assert secret.group() not in client.get("/settings/webhooks").text
    with any_database.reading() as session:
        webhook_id = session.exec(select(Webhook)).one().id
    tested = client.post(f"/settings/webhooks/{webhook_id}/test")
    assert tested.headers["location"] == f"/settings/deliveries?target_id={webhook_id}"
    sender.run_all()
    listed = client.get(tested.headers["location"]).text
    assert 'href="/help?q=webhook.failed"' in listed
    detail = re.search(r'href="(/settings/deliveries/[0-9a-f-]+)"', listed)
    assert detail is not None
    shown = client.get(detail.group(1)).text
    assert "应答 500" in shown
    assert "检查接收方" in shown
    assert client.post(f"{detail.group(1)}/replay").status_code == 303
    assert client.post(f"/settings/webhooks/{webhook_id}/switch", data=CONFIRMED).status_code == 303
    assert "停用" in client.get("/settings/webhooks").text
    assert client.post(f"/settings/webhooks/{webhook_id}/rotate", data=CONFIRMED).status_code == 200
    assert client.post(f"/settings/webhooks/{webhook_id}/remove", data=CONFIRMED).status_code == 303
    assert "还没有 Webhook" in client.get("/settings/webhooks").text


CHANGES = [
    ("POST", f"{API}/webhooks"),
    ("PATCH", f"{API}/webhooks/{{webhook}}"),
    ("POST", f"{API}/webhooks/{{webhook}}/rotate-secret"),
    ("DELETE", f"{API}/webhooks/{{webhook}}"),
    ("POST", f"{API}/notification-channels"),
    ("PATCH", f"{API}/notification-channels/{{channel}}"),
    ("DELETE", f"{API}/notification-channels/{{channel}}"),
    ("POST", "/settings/webhooks"),
    ("POST", "/settings/webhooks/{webhook}/rotate"),
    ("POST", "/settings/webhooks/{webhook}/switch"),
    ("POST", "/settings/webhooks/{webhook}/remove"),
    ("POST", "/settings/channels"),
    ("POST", "/settings/channels/{channel}"),
    ("POST", "/settings/channels/{channel}/switch"),
    ("POST", "/settings/channels/{channel}/remove"),
]
"""Where data are sent is decided here."""


@pytest.mark.parametrize("password", ["", "not the password"])
@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_who_decides_where_data_go_is_asked_for_the_password(
    app: FastAPI,
    client: TestClient,
    receiver: Any,
    mail_server: Any,
    any_database: Database,
    method: str,
    path: str,
    password: str,
) -> None:
    person: Principal = app.state.principal
    app.state.principal = replace(person, kind=PrincipalKind.API_KEY)
    webhook = _new_webhook(client, receiver.url())["id"]
    body = {"name": "邮件", "kind": "email", "url": mail_server.url, "kinds": ["clearing.failed"]}
    made = client.post(f"{API}/notification-channels", json=body).json()
    app.state.principal = person
    before = _targets(any_database)
    changes: dict[str, Any] = {"kinds": ["backup.failed"]}
    if method == "POST" and path.endswith(("channels", "webhooks")):
        changes = body if path.endswith("channels") else {"url": receiver.url(), **changes}
    if "secret" in path or method == "DELETE":
        changes = {}
    if path == "/settings/channels/{channel}":
        fields = {"name": "邮件", "host": "127.0.0.1", "encryption": "none", "sender": "a@b.cn"}
        changes |= fields
    sent = changes | ({"password": password} if password else {})
    place = path.format(webhook=webhook, channel=made["id"])
    what = {"json": sent} if place.startswith(API) else {"data": sent}
    answer = client.request(method, place, **what)
    assert answer.status_code == 422
    said = "密码不正确" if password else "请输入密码"
    shown = answer.json()["errors"]["password"] if place.startswith(API) else answer.text
    assert said in shown
    assert _targets(any_database) == before


def _targets(database: Database) -> list[dict[str, Any]]:
    with database.reading() as session:
        rows = [*session.exec(select(Webhook)), *session.exec(select(Channel))]
        return [row.model_dump() for row in rows]


def test_a_key_is_not_asked_for_a_password(app: FastAPI, client: TestClient, receiver: Any) -> None:
    person: Principal = app.state.principal
    app.state.principal = replace(person, kind=PrincipalKind.API_KEY)
    answer = client.post(
        f"{API}/webhooks", json={"url": receiver.url(), "kinds": ["clearing.failed"]}
    )
    assert answer.status_code == 201
    assert client.delete(f"{API}/webhooks/{answer.json()['id']}").status_code == 204


ADMIN_ONLY = [
    ("GET", f"{API}/webhooks"),
    ("POST", f"{API}/webhooks"),
    ("GET", f"{API}/notification-channels"),
    ("GET", f"{API}/notification-deliveries"),
    ("GET", "/settings/webhooks"),
    ("POST", "/settings/webhooks"),
    ("GET", "/settings/channels"),
    ("POST", "/settings/channels"),
    ("GET", "/settings/channels/new"),
    ("GET", f"/settings/channels/{UUID(int=1)}"),
    ("POST", f"/settings/channels/{UUID(int=1)}"),
    ("GET", "/settings/deliveries"),
]


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.REVIEWER, Role.AUDITOR])
@pytest.mark.parametrize(("method", "path"), ADMIN_ONLY)
def test_set_up_is_for_admins(
    app: FastAPI,
    client: TestClient,
    account: Account,
    make_principal: Callable[..., Principal],
    role: Role,
    method: str,
    path: str,
) -> None:
    app.state.principal = make_principal(account, role)
    body = {"url": "http://127.0.0.1/", "kinds": ["clearing.failed"]}
    assert client.request(method, path, json=body).status_code == 403


def test_nothing_secret_goes_on_record(
    client: TestClient, receiver: Any, mail_server: Any, any_database: Database
) -> None:
    secret = _new_webhook(client, receiver.url("ok?token=s3cr3t-in-url"))["secret"]
    url = mail_server.url.replace("smtp://", "smtp://user:pa55word@")
    body = {"name": "邮件", "kind": "email", "url": url, "kinds": ["backup.failed"]}
    client.post(f"{API}/notification-channels", json=body | CONFIRMED)
    with any_database.reading() as session:
        told = " ".join(record.details for record in session.exec(select(AuditRecord)))
    assert "127.0.0.1" in told
    for text in (secret, "s3cr3t-in-url", "pa55word"):
        assert text not in told


def test_every_code_is_on_the_help_page() -> None:
    mine = {
        error.code
        for error in vars(errors).values()
        if isinstance(error, type) and issubclass(error, QingkaError) and "." in error.code
    }
    assert len(mine) >= 12
    assert mine <= {entry.code for entry in help_entries()}


def test_database_keeps_no_secret_in_the_clear(
    client: TestClient, receiver: Any, mail_server: Any, any_database: Database, tmp_path: Path
) -> None:
    secret = _new_webhook(client, receiver.url())["secret"]
    url = mail_server.url.replace("smtp://", "smtp://user:pa55word@")
    body = {"name": "邮件", "kind": "email", "url": url, "kinds": ["backup.failed"]}
    client.post(f"{API}/notification-channels", json=body | CONFIRMED)
    files = list(tmp_path.glob("qingka.db*"))
    assert files
    for path in files:
        content = path.read_bytes()
        assert secret.encode() not in content
        assert b"pa55word" not in content
