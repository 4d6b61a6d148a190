"""Group robots: which one an address belongs to, and what a real HTTP server is posted."""

import base64
import hashlib
import hmac
import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from app.errors import Invalid
from app.notifications.errors import ChannelUrlInvalid, TargetForbidden
from app.notifications.sending import robots
from app.notifications.sending.robot_addresses import (
    PLACES,
    Robot,
    RobotKind,
    address_of,
    recognise,
    shown,
    without_key,
)

AT = datetime(2026, 12, 9, 2, 0, tzinfo=UTC)
NOTE = robots.Note("标题", "正文", AT)
KEY = "693a91f6-7xxx-4bc4-97a0-0ec2sifa5aaa"
TOKEN = "566cc69da782ec33e42541b09b08551f09fbe864eb8008112e994b43887"
SECRET = "SECd0a1b2c3"
WECOM = f"https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key={KEY}"
DINGTALK = f"https://oapi.dingtalk.com/robot/send?access_token={TOKEN}"
FEISHU = f"https://open.feishu.cn/open-apis/bot/v2/hook/{KEY}"

WeCom, DingTalk, Feishu = RobotKind.WECOM, RobotKind.DINGTALK, RobotKind.FEISHU


@pytest.mark.parametrize(
    ("address", "secret", "robot"),
    [
        (WECOM, None, Robot(WeCom, KEY)),
        (f"  {WECOM}&debug=1\n", "", Robot(WeCom, KEY)),
        (DINGTALK, None, Robot(DingTalk, TOKEN)),
        (DINGTALK, f" {SECRET} ", Robot(DingTalk, TOKEN, SECRET)),
        (FEISHU, None, Robot(Feishu, KEY)),
        (FEISHU + "/", "mtqzjM3g", Robot(Feishu, KEY, "mtqzjM3g")),
        (f"wecombot://{KEY}", None, Robot(WeCom, KEY)),
        ("wecombot://AbC-1", None, Robot(WeCom, "AbC-1")),
        (f"wecombot://?key={KEY}", None, Robot(WeCom, KEY)),
        (f"dingtalk://{TOKEN}", None, Robot(DingTalk, TOKEN)),
        (f"dingtalk://{SECRET}@{TOKEN}", None, Robot(DingTalk, TOKEN, SECRET)),
        (f"dingtalk://{SECRET}@{TOKEN}", "", Robot(DingTalk, TOKEN)),
        (f"dingtalk://{SECRET}@{TOKEN}", "other1", Robot(DingTalk, TOKEN, "other1")),
        (
            f"dingtalk://{TOKEN}/13800138000/12?to=%2B8613900139000",
            None,
            Robot(DingTalk, TOKEN, "", ("13800138000", "8613900139000")),
        ),
        (f"feishu://{KEY}", None, Robot(Feishu, KEY)),
        ("jsons://example.com/x", None, Robot(RobotKind.JSON, "jsons://example.com/x")),
    ],
)
def test_which_robot_it_is(address: str, secret: str | None, robot: Robot) -> None:
    assert recognise(address, secret) == robot
    assert recognise(address_of(robot)) == robot
    assert KEY not in shown(robot)
    assert TOKEN not in shown(robot)
    assert robot.kind.label in shown(robot)


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("", "例如：企业微信 https://qyapi.weixin.qq.com"),
        ("https://example.com/hook", "例如：企业微信 https://qyapi.weixin.qq.com"),
        ("https://hooks.slack.com/services/T0/B0/X", "飞书 https://open.feishu.cn"),
        ("https://qyapi.weixin.qq.com.evil.example/cgi-bin/webhook/send?key=a", "例如"),
        (f"https://user@qyapi.weixin.qq.com/cgi-bin/webhook/send?key={KEY}", "例如"),
        ("https://qyapi.weixin.qq.com:8443/cgi-bin/webhook/send?key=a", "例如"),
        (KEY, "例如"),
        ("exec://rm", "例如"),
        ("syslog://localhost", "例如"),
        ("https://[::1", "例如"),
        ("https://qyapi.weixin.qq.com/cgi-bin/webhook/send", "企业微信群机器人的地址不完整"),
        ("https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=a%20b", "密钥格式不正确"),
        ("https://qyapi.weixin.qq.com/cgi-bin/gettoken?key=a", "不是企业微信群机器人的"),
        ("https://oapi.dingtalk.com/robot/send?access_token=", "钉钉群机器人的地址不完整"),
        ("https://open.feishu.cn/open-apis/bot/v2/hook/", "飞书群机器人的地址不完整"),
        ("https://open.feishu.cn/open-apis/bot/v2/hook/a/b", "密钥格式不正确"),
        ("wecombot://", "企业微信群机器人的地址不完整"),
        ("jsons://", "JSON 接收方"),
        ("jsons://a:99999", "例如"),
    ],
)
def test_addresses_of_no_robot(address: str, says: str) -> None:
    with pytest.raises(ChannelUrlInvalid) as caught:
        recognise(address)
    assert says in caught.value.errors["url"]


@pytest.mark.parametrize(("address", "secret"), [(WECOM, "SEC1"), (DINGTALK, "geheim 1")])
def test_secrets_that_are_none(address: str, secret: str) -> None:
    with pytest.raises(ChannelUrlInvalid) as caught:
        recognise(address, secret)
    assert list(caught.value.errors) == ["secret"]


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        (WECOM, "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key="),
        (f"https://qyapi.weixin.qq.com/x/{KEY}", PLACES[WeCom]),
        (DINGTALK, "https://oapi.dingtalk.com/robot/send?access_token="),
        (FEISHU, "https://open.feishu.cn/open-apis/bot/v2/hook/"),
        (f"https://u:p@example.com:8443/{KEY}?a=b", "https://example.com:8443/"),
        (f"jsons://u:p@example.com/{KEY}", "jsons://example.com/"),
        (f"wecombot://{KEY}", "wecombot://"),
        (KEY, ""),
        (f"slack://{KEY}", ""),
        ("https://[::1", ""),
    ],
)
def test_what_is_shown_again_of_a_refused_address(address: str, kept: str) -> None:
    assert without_key(address) == kept


Live = Callable[[RobotKind, str], None]


@pytest.fixture
def live(receiver: Any, monkeypatch: pytest.MonkeyPatch) -> Live:
    """Moves a robot's place to the receiver; the rest of its address stays."""

    def move(kind: RobotKind, path: str) -> None:
        place = PLACES[kind]
        moved = place.replace(f"https://{urlsplit(place).netloc}/", receiver.url(path + "/"))
        monkeypatch.setitem(PLACES, kind, moved)

    return move


def _sent(receiver: Any) -> tuple[str, dict[str, list[str]], dict[str, Any]]:
    """Path, query and document of the only request."""
    (request,) = receiver.requests
    assert request["headers"]["content-type"].startswith("application/json")
    parts = urlsplit(request["path"])
    return parts.path, parse_qs(parts.query), json.loads(request["body"])


def test_what_wecom_is_posted(receiver: Any, live: Live) -> None:
    """developer.work.weixin.qq.com/document/path/91770"""
    robot = recognise(WECOM)
    live(WeCom, "errcode")
    receiver.robots_accept()
    assert robots.send(robot, NOTE, allow_private=True).ok
    path, query, document = _sent(receiver)
    assert path == "/errcode/cgi-bin/webhook/send"
    assert query == {"key": [KEY]}
    assert document == {"msgtype": "text", "text": {"content": "标题\n正文"}}


@pytest.mark.parametrize("secret", ["", SECRET])
def test_what_dingtalk_is_posted(receiver: Any, live: Live, secret: str) -> None:
    """open.dingtalk.com: custom robots; 加签 stands in the address, in milliseconds."""
    robot = recognise(DINGTALK, secret)
    live(DingTalk, "errcode")
    receiver.robots_accept()
    assert robots.send(robot, NOTE, allow_private=True).ok
    path, query, document = _sent(receiver)
    assert path == "/errcode/robot/send"
    assert query.pop("access_token") == [TOKEN]
    assert document == {
        "msgtype": "text",
        "text": {"content": "标题\n正文"},
        "at": {"atMobiles": [], "isAtAll": False},
    }
    if not secret:
        assert query == {}
        return
    moment = str(int(AT.timestamp()) * 1000)
    mac = hmac.new(secret.encode(), f"{moment}\n{secret}".encode(), hashlib.sha256).digest()
    assert query == {"timestamp": [moment], "sign": [base64.b64encode(mac).decode()]}


@pytest.mark.parametrize("secret", ["", SECRET])
def test_what_feishu_is_posted(receiver: Any, live: Live, secret: str) -> None:
    """open.feishu.cn/document/client-docs/bot-v3/add-custom-bot: 签名校验 in the document, in seconds."""
    robot = recognise(FEISHU, secret)
    live(Feishu, "code")
    receiver.robots_accept()
    assert robots.send(robot, NOTE, allow_private=True).ok
    path, query, document = _sent(receiver)
    assert (path, query) == (f"/code/open-apis/bot/v2/hook/{KEY}", {})
    if secret:
        moment = str(int(AT.timestamp()))
        mac = hmac.new(f"{moment}\n{secret}".encode(), b"", hashlib.sha256).digest()
        assert document.pop("timestamp") == moment
        assert document.pop("sign") == base64.b64encode(mac).decode()
    assert document == {"msg_type": "text", "content": {"text": "标题\n正文"}}


@pytest.mark.parametrize(
    ("kind", "address", "path"),
    [(WeCom, WECOM, "errcode"), (DingTalk, DINGTALK, "errcode"), (Feishu, FEISHU, "code")],
)
def test_robot_answers_are_read(
    receiver: Any, live: Live, kind: RobotKind, address: str, path: str
) -> None:
    """HTTP 200 with an error code is no success."""
    robot = recognise(address)
    live(kind, path)
    result = robots.send(robot, NOTE, allow_private=True)
    assert (result.ok, result.status) == (False, 200)
    assert result.message == "机器人接口返回 93000：invalid webhook url"


@pytest.mark.parametrize("allow_private", [True, False])
def test_robots_are_guarded_and_resolved_once(
    receiver: Any, live: Live, monkeypatch: pytest.MonkeyPatch, allow_private: bool
) -> None:
    """A place whose name leads into the own network is not posted to, nor looked up a second time."""
    asked: list[str] = []
    resolve = socket.getaddrinfo

    def recording(host: Any, *rest: Any, **more: Any) -> Any:
        asked.append(str(host))
        return resolve(host, *rest, **more)

    live(WeCom, "errcode")
    monkeypatch.setitem(PLACES, WeCom, PLACES[WeCom].replace("127.0.0.1", "localhost"))
    monkeypatch.setattr(socket, "getaddrinfo", recording)
    receiver.robots_accept()
    result = robots.send(recognise(f"wecombot://{KEY}"), NOTE, allow_private=allow_private)
    assert result.ok is allow_private
    assert len(receiver.requests) == int(allow_private)
    assert asked.count("localhost") == 1
    assert result.code == ("" if allow_private else "webhook.target_forbidden")


def test_a_plain_receiver_gets_what_apprise_sent(receiver: Any) -> None:
    """The document of apprise's json://, with its additions to headers, query and fields."""
    more = "?+X-Key=k1&-from=qingka&:title=subject&:type=&:room=7&method=put&verify=yes"
    address = f"json://user:p%40ss@127.0.0.1:{receiver.port}/ok/there{more}"
    robot = recognise(address)
    robots.check(robot, allow_private=True)
    assert robots.send(robot, NOTE, allow_private=True).ok
    path, query, document = _sent(receiver)
    assert (path, query) == ("/ok/there", {"from": ["qingka"]})
    assert document == {
        "version": "1.0",
        "subject": "标题",
        "message": "正文",
        "attachments": [],
        "room": "7",
    }
    (request,) = receiver.requests
    assert request["method"] == "PUT"
    assert request["headers"]["x-key"] == "k1"
    assert base64.b64decode(request["headers"]["authorization"].split()[1]) == b"user:p@ss"


def test_json_receiver_that_redirects_is_not_followed(receiver: Any) -> None:
    robot = recognise(f"json://127.0.0.1:{receiver.port}/redirect?redirect=yes")
    assert not robots.send(robot, NOTE, allow_private=True).ok
    assert [request["path"] for request in receiver.requests] == ["/redirect"]


@pytest.mark.parametrize(
    ("address", "error"),
    [
        ("json://127.0.0.1/x", TargetForbidden),
        ("jsons://8.8.8.8/x?method=BREW", ChannelUrlInvalid),
        ("jsons://8.8.8.8/x?+A%0D%0AB=c", ChannelUrlInvalid),
        ("jsons://8.8.8.8/x?+A=c%0D%0AB:d", ChannelUrlInvalid),
    ],
)
def test_plain_receivers_that_are_refused(address: str, error: type[Invalid]) -> None:
    with pytest.raises(error):
        robots.check(recognise(address), allow_private=False)
