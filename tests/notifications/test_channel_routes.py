"""Channels on page and REST: mail servers by fields, robots by what is pasted, secrets never shown again."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlmodel import select
from starlette.testclient import TestClient

from app.core.db import Database
from app.notifications import secrets
from app.notifications.models import Channel, ChannelKind
from app.notifications.sender import Sender
from app.notifications.sending.robot_addresses import PLACES, RobotKind
from app.settings import Settings

API = "/api/v1"
CONFIRMED = {"password": "correct horse battery"}
KEY = "693a91f6-7abc-4bc4-97a0-0ec2sifa5aaa"
TOKEN = "566cc69da782ec33e42541b09b08551f09fbe864eb8008112e994b43887"
ROBOTS = [
    (f"https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key={KEY}", "", "wecom", "企业微信"),
    (f"https://oapi.dingtalk.com/robot/send?access_token={TOKEN}", "", "dingtalk", "钉钉"),
    (f"https://oapi.dingtalk.com/robot/send?access_token={TOKEN}", "SECab12", "dingtalk", "钉钉"),
    (f"https://open.feishu.cn/open-apis/bot/v2/hook/{KEY}", "", "feishu", "飞书"),
    (f"https://open.feishu.cn/open-apis/bot/v2/hook/{KEY}", "mtqz12", "feishu", "飞书"),
]


@pytest.fixture
def any_database(database: Database) -> Database:
    """Routes are the same on both: SQLite is enough here."""
    return database


def _channel(database: Database) -> Channel:
    with database.reading() as session:
        channel = session.exec(select(Channel)).one()
        session.expunge(channel)
        return channel


def _sealed(database: Database, settings: Settings) -> str:
    """What the only channel keeps."""
    channel = _channel(database)
    return secrets.unseal(settings, channel.sealed_url, owner=channel.id)


def _mail_form(mail_server: Any, **more: str) -> dict[str, Any]:
    return {
        "name": "财务邮件",
        "kind": "email",
        "host": "127.0.0.1",
        "port": str(mail_server.controller.port),
        "encryption": "none",
        "sender": "qingka@example.com",
        "sender_name": "清卡",
        "kinds": ["clearing.failed"],
        "finance": "cw@example.com，kj@example.com",
        "to_accounts": "true",
        **more,
    }


@pytest.mark.parametrize(("url", "secret", "robot", "words"), ROBOTS)
def test_a_robots_address_is_pasted_into_the_page(
    client: TestClient,
    any_database: Database,
    settings: Settings,
    url: str,
    secret: str,
    robot: str,
    words: str,
) -> None:
    """What 企业微信, 钉钉 and 飞书 give to copy is taken, and said back as what it is."""
    assert "https://oapi.dingtalk.com/robot/send?access_token=" in (
        client.get("/settings/channels/new?kind=robot").text
    )
    form = {"name": "群", "kind": "robot", "url": url, "secret": secret, "kinds": ["backup.failed"]}
    made = client.post("/settings/channels", data=form | CONFIRMED)
    assert made.status_code == 303
    page = client.get("/settings/channels").text
    assert f"{words}群机器人" in page
    assert ("加签" in page) == bool(secret)
    answer = client.get(f"{API}/notification-channels").json()["items"][0]
    assert (answer["robot"], answer["signed"], answer["smtp"]) == (robot, bool(secret), None)
    detail = client.get(f"/settings/channels/{answer['id']}").text
    for hidden in (KEY, TOKEN, secret or KEY):
        assert hidden not in page + detail + str(answer) + _channel(any_database).sealed_url
    kept = _sealed(any_database, settings)
    assert (KEY in kept or TOKEN in kept, secret in kept) == (True, True)


@pytest.mark.parametrize(("url", "secret", "robot", "words"), ROBOTS)
def test_a_robots_address_is_sent_over_the_api(
    client: TestClient, url: str, secret: str, robot: str, words: str
) -> None:
    body: dict[str, Any] = {"name": "群", "kind": "robot", "url": url, "kinds": ["backup.failed"]}
    if secret:
        body["secret"] = secret
    made = client.post(f"{API}/notification-channels", json=body | CONFIRMED)
    assert made.status_code == 201
    assert (made.json()["robot"], made.json()["signed"]) == (robot, bool(secret))
    assert words in made.json()["address"]


def test_a_strange_address_is_refused_with_examples(client: TestClient) -> None:
    form = {
        "name": "群",
        "kind": "robot",
        "url": "https://example.com/h",
        "kinds": ["backup.failed"],
    }
    page = client.post("/settings/channels", data=form | CONFIRMED)
    said = client.post(f"{API}/notification-channels", json=form | CONFIRMED)
    assert (page.status_code, said.status_code) == (422, 422)
    for place in PLACES.values():
        assert place in page.text
        assert place in said.json()["errors"]["url"]


def test_a_refusal_keeps_all_but_the_secrets(client: TestClient) -> None:
    form = {
        "name": "值班群",
        "kind": "robot",
        "url": f"https://oapi.dingtalk.com/robot/send?access_token={TOKEN}",
        "secret": "SECgeheim",
        "kinds": ["backup.failed"],
    }
    answer = client.post("/settings/channels", data=form | {"password": "wrong"})
    assert answer.status_code == 422
    assert 'value="值班群"' in answer.text
    assert 'value="https://oapi.dingtalk.com/robot/send?access_token="' in answer.text
    assert 'value="backup.failed" checked' in answer.text
    assert "请重新粘贴" in answer.text
    assert TOKEN not in answer.text
    assert "SECgeheim" not in answer.text


def test_a_refused_mail_server_keeps_all_but_its_password(
    client: TestClient, mail_server: Any
) -> None:
    form = _mail_form(mail_server, user="u@example.com", smtp_password="pa55word", port="99999")
    answer = client.post("/settings/channels", data=form | CONFIRMED)
    assert answer.status_code == 422
    for kept in ("财务邮件", "127.0.0.1", "99999", "u@example.com", "qingka@example.com", "清卡"):
        assert f'value="{kept}"' in answer.text
    assert "cw@example.com，kj@example.com" in answer.text
    assert '<option value="none" selected>' in answer.text
    assert "请重新粘贴或填写" in answer.text
    assert "pa55word" not in answer.text
    long = _mail_form(mail_server, smtp_password="x" * 300) | CONFIRMED
    assert 'id="smtp_password-error"' in client.post("/settings/channels", data=long).text
    right = client.post("/settings/channels", data=_mail_form(mail_server) | {"password": ""})
    assert (right.status_code, "请重新粘贴" in right.text) == (422, False)


def test_a_mail_channel_by_its_fields(
    client: TestClient,
    mail_server: Any,
    any_database: Database,
    settings: Settings,
    sender: Sender,
) -> None:
    made = client.post("/settings/channels", data=_mail_form(mail_server) | CONFIRMED)
    assert made.status_code == 303
    page = client.get("/settings/channels").text
    assert "财务 2 人、相关账号" in page
    address = f"/settings/channels/{_channel(any_database).id}"
    missing = client.post(f"{address}/test", data={"recipients": ""})
    assert (missing.status_code, "请填写收件地址" in missing.text) == (422, True)
    to = {"recipients": "me@example.com，you@example.com"}
    assert client.post(f"{address}/test", data=to).status_code == 303
    sender.run_all()
    sent = sorted(letter["To"] for letter in mail_server.letters)
    assert sent == ["me@example.com", "you@example.com"]
    assert "qingka@example.com" in mail_server.letters[0]["From"]
    assert client.post(f"{address}/switch", data=CONFIRMED).status_code == 303
    assert client.post(f"{address}/remove", data=CONFIRMED).status_code == 303


def test_the_password_is_kept_when_it_is_left_empty(
    client: TestClient, mail_server: Any, any_database: Database, settings: Settings
) -> None:
    form = _mail_form(mail_server, user="u@example.com", smtp_password="p:/ä%55")
    assert client.post("/settings/channels", data=form | CONFIRMED).status_code == 303
    address = f"/settings/channels/{_channel(any_database).id}"
    page = client.get(address).text
    assert 'value="u@example.com"' in page
    assert "留空则保留原来的" in page
    assert "p:/ä%55" not in page
    changed = form | {"smtp_password": "", "sender": "new@example.com", "name": "新名"} | CONFIRMED
    assert client.post(address, data=changed).status_code == 303
    kept = _sealed(any_database, settings)
    assert "p%3A%2F%C3%A4%2555" in kept
    assert "new%40example.com" in kept
    assert _channel(any_database).name == "新名"
    elsewhere = client.post(address, data=changed | {"host": "localhost"})
    assert (elsewhere.status_code, "更换服务器后请重新填写密码" in elsewhere.text) == (422, True)
    assert client.post(address, data=changed | {"smtp_password": "other77"}).status_code == 303
    assert "other77" in _sealed(any_database, settings)
    assert client.post(address, data=changed | {"user": ""}).status_code == 303
    assert "other77" not in _sealed(any_database, settings)


def test_a_robots_secrets_are_kept_when_they_are_left_empty(
    client: TestClient, any_database: Database, settings: Settings
) -> None:
    url = f"https://oapi.dingtalk.com/robot/send?access_token={TOKEN}"
    form = {"name": "群", "kind": "robot", "url": url, "secret": "SEC1", "kinds": ["backup.failed"]}
    client.post("/settings/channels", data=form | CONFIRMED)
    address = f"/settings/channels/{_channel(any_database).id}"
    before = _sealed(any_database, settings)
    left = form | {"url": "", "secret": "", "name": "新名"} | CONFIRMED
    assert client.post(address, data=left).status_code == 303
    assert (_sealed(any_database, settings), _channel(any_database).name) == (before, "新名")
    assert client.post(address, data=left | {"secret": "SEC2"}).status_code == 303
    assert _sealed(any_database, settings) == f"dingtalk://SEC2@{TOKEN}"
    refused = client.post(address, data=left | {"url": "https://example.com/x1y2z3"})
    assert (refused.status_code, "x1y2z3" in refused.text) == (422, False)
    assert client.post(address, data=left | {"url": url}).status_code == 303
    assert _sealed(any_database, settings) == f"dingtalk://{TOKEN}"


@pytest.mark.parametrize("url", ["{url}", "smtps://u%40x:pa55@127.0.0.1:{port}?from=a@b.cn"])
def test_a_channel_of_one_address_shows_as_fields(
    client: TestClient, any_database: Database, settings: Settings, mail_server: Any, url: str
) -> None:
    """As channels of before are kept; both ways make the same."""
    port = mail_server.controller.port
    body = {"name": "旧", "kind": "email", "kinds": ["clearing.failed"]}
    body["url"] = url.format(url=mail_server.url, port=port)
    made = client.post(f"{API}/notification-channels", json=body | CONFIRMED).json()
    implicit = url.startswith("smtps")
    assert made["smtp"] == {
        "host": "127.0.0.1",
        "port": port,
        "encryption": "tls" if implicit else "none",
        "user": "u@x" if implicit else "",
        "has_password": implicit,
        "sender": "a@b.cn" if implicit else "qingka@example.com",
        "sender_name": "清卡管理",
    }
    page = client.get(f"/settings/channels/{made['id']}").text
    assert f'value="{port}"' in page
    assert "pa55" not in page


def test_what_cannot_be_read_is_asked_for_again(
    client: TestClient, any_database: Database, settings: Settings, mail_server: Any
) -> None:
    form = _mail_form(mail_server)
    client.post("/settings/channels", data=form | CONFIRMED)
    with any_database.transaction() as session:
        session.exec(select(Channel)).one().sealed_url = "no seal"
    identity = _channel(any_database).id
    item = client.get(f"{API}/notification-channels/{identity}").json()
    assert (item["smtp"], item["robot"]) == (None, None)
    assert "保存的地址无法读取" in client.get(f"/settings/channels/{identity}").text
    lacking = client.patch(
        f"{API}/notification-channels/{identity}", json={"smtp": {"port": 25}} | CONFIRMED
    )
    assert set(lacking.json()["errors"]) == {"smtp.host", "smtp.sender"}
    assert client.post(f"/settings/channels/{identity}", data=form | CONFIRMED).status_code == 303
    assert "127.0.0.1" in _sealed(any_database, settings)


def test_mail_servers_over_the_api(
    client: TestClient, mail_server: Any, any_database: Database, settings: Settings, sender: Sender
) -> None:
    server = {
        "host": "127.0.0.1",
        "port": mail_server.controller.port,
        "encryption": "none",
        "sender": "qingka@example.com",
    }
    body = {"name": "邮件", "kind": "email", "smtp": server, "kinds": ["backup.failed"]}
    made = client.post(f"{API}/notification-channels", json=body | CONFIRMED)
    assert made.status_code == 201
    assert made.json()["smtp"] == server | {
        "user": "",
        "has_password": False,
        "sender_name": "清卡管理",
    }
    address = made.headers["location"]
    client.post(f"{address}/test", json={"recipients": ["x@b.cn"]})
    sender.run_all()
    assert [letter["To"] for letter in mail_server.letters] == ["x@b.cn"]
    named = {"smtp": {"user": "u", "password": "pa55word"}} | CONFIRMED
    assert client.patch(address, json=named).json()["smtp"]["has_password"] is True
    moved = client.patch(address, json={"smtp": {"encryption": "tls", "port": 465}} | CONFIRMED)
    assert (moved.json()["smtp"]["port"], moved.json()["smtp"]["has_password"]) == (465, True)
    assert "pa55word" in _sealed(any_database, settings)
    assert "pa55word" not in moved.text
    away = client.patch(address, json={"smtp": {"host": "localhost"}} | CONFIRMED)
    assert (away.status_code, list(away.json()["errors"])) == (422, ["smtp.password"])


def test_the_usual_ports_are_taken_when_none_is_named(client: TestClient) -> None:
    for encryption, port in (("tls", 465), ("starttls", 587), ("none", 25)):
        server = {"host": "127.0.0.1", "encryption": encryption, "sender": "a@b.cn"}
        body = {"name": "邮件", "kind": "email", "smtp": server, "kinds": ["backup.failed"]}
        made = client.post(f"{API}/notification-channels", json=body | CONFIRMED)
        assert made.json()["smtp"]["port"] == port
        form = {k: v for k, v in body.items() if k != "smtp"} | server | CONFIRMED
        client.post("/settings/channels", data=form)
        newest = client.get(f"{API}/notification-channels").json()["items"][0]
        assert (newest["id"] != made.json()["id"], newest["smtp"]["port"]) == (True, port)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"kind": "robot"}, ""),
    ({"kind": "email"}, ""),
    ({"kind": "robot", "smtp": {"host": "a", "sender": "a@b.cn"}}, ""),
    ({"kind": "email", "url": "smtp://a?from=a@b.cn", "secret": "s"}, ""),
    ({"kind": "email", "smtp": {"host": "a b", "sender": "a@b.cn"}}, "smtp.host"),
    ({"kind": "email", "smtp": {"host": "http://a", "sender": "a@b.cn"}}, "smtp.host"),
    ({"kind": "email", "smtp": {"host": "a", "sender": "a"}}, "smtp.sender"),
    ({"kind": "email", "smtp": {"host": "a", "sender": ""}}, "smtp.sender"),
    ({"kind": "email", "smtp": {"host": "a", "port": 0, "sender": "a@b.cn"}}, "smtp.port"),
    (
        {"kind": "email", "smtp": {"host": "a", "sender": "a@b.cn", "encryption": "ssl"}},
        "smtp.encryption",
    ),
    (
        {"kind": "email", "smtp": {"host": "a", "sender": "a@b.cn", "password": "a\r\nb"}},
        "smtp.password",
    ),
]


@pytest.mark.parametrize(("given", "field"), WRONG)
def test_what_is_no_channel(client: TestClient, given: dict[str, Any], field: str) -> None:
    body = {"name": "x", "kinds": ["backup.failed"]} | given | CONFIRMED
    answer = client.post(f"{API}/notification-channels", json=body)
    assert answer.status_code == 422
    if field:
        assert list(answer.json()["errors"]) == [field]


@pytest.mark.parametrize("changes", [{"smtp": {"host": "a"}}, {"smtp": {}}])
def test_a_robot_has_no_mail_server(client: TestClient, changes: dict[str, Any]) -> None:
    body = {"name": "群", "kind": "robot", "url": ROBOTS[0][0], "kinds": ["backup.failed"]}
    made = client.post(f"{API}/notification-channels", json=body | CONFIRMED)
    answer = client.patch(made.headers["location"], json=changes | CONFIRMED)
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["smtp"])


def test_mail_servers_in_the_own_network_need_the_setting(
    client: TestClient, app: FastAPI, mail_server: Any
) -> None:
    app.state.settings.webhook_allow_private = False
    body = {"name": "邮件", "kind": "email", "kinds": ["backup.failed"]}
    smtp = {"host": "127.0.0.1", "sender": "a@b.cn"}
    for way, field in (({"smtp": smtp}, "smtp.host"), ({"url": mail_server.url}, "url")):
        answer = client.post(f"{API}/notification-channels", json=body | way | CONFIRMED)
        assert (answer.status_code, answer.json()["code"]) == (422, "webhook.target_forbidden")
        assert list(answer.json()["errors"]) == [field]
    page = client.post("/settings/channels", data=_mail_form(mail_server) | CONFIRMED)
    assert (page.status_code, "目标指向内部网络" in page.text) == (422, True)
    assert "QINGKA_WEBHOOK_ALLOW_PRIVATE=true" in page.text


def test_a_pasted_robot_is_posted_to(
    client: TestClient,
    any_database: Database,
    sender: Sender,
    receiver: Any,
    monkeypatch: pytest.MonkeyPatch,
    world: Any,
    publish_failure: Callable[..., UUID],
) -> None:
    """From the page to the wire: a failed clearing arrives in the group."""
    form = {"name": "群", "kind": "robot", "url": ROBOTS[0][0], "kinds": ["clearing.failed"]}
    assert client.post("/settings/channels", data=form | CONFIRMED).status_code == 303
    assert _channel(any_database).kind is ChannelKind.ROBOT
    monkeypatch.setitem(PLACES, RobotKind.WECOM, receiver.url("errcode?key="))
    receiver.robots_accept()
    operator = world.operator()
    with any_database.transaction() as session:
        publish_failure(session, operator)
    assert sender.run_all() == 1
    (request,) = receiver.requests
    assert request["path"] == f"/errcode?key={KEY}"
    assert "bureau.not_filed" in request["body"]


def test_channels_over_the_api(client: TestClient, mail_server: Any) -> None:
    body = {"name": "邮件", "kind": "email", "url": mail_server.url, "kinds": ["backup.failed"]}
    made = client.post(f"{API}/notification-channels", json=body | CONFIRMED)
    assert made.status_code == 201
    address = made.headers["location"]
    assert "url" not in made.json()
    changed = client.patch(
        address, json={"kinds": ["clearing.failed"], "finance": ["a@b.cn"]} | CONFIRMED
    )
    assert changed.json()["finance"] == ["a@b.cn"]
    assert client.get(f"{API}/notification-channels").json()["items"] == [changed.json()]
    sent = client.post(f"{address}/test", json={"recipients": ["x@b.cn"]})
    assert sent.status_code == 202
    assert client.patch(address, json={"enabled": False} | CONFIRMED).json()["enabled"] is False
    off = client.post(f"{address}/test", json={"recipients": ["x@b.cn"]})
    assert (off.status_code, off.json()["code"]) == (409, "notification.target_off")
    assert client.request("DELETE", address, json=CONFIRMED).status_code == 204
    assert client.get(address).json()["code"] == "notification.channel_not_found"
