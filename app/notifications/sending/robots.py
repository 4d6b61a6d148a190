"""Send one message to a group robot: 企业微信, 钉钉, 飞书, or a plain JSON receiver.

apprise reads and checks the addresses and knows where the robots live. It takes every HTTP 200 for a
success, while these robots answer 200 with an error code in the body when they refuse a message; so
the three are posted here and their answers are read. apprise is imported at the first use: it takes a
second and 25 MB, and most servers have no robot.
"""

import base64
import hashlib
import hmac
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import import_module
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpcore

from app.errors import QingkaError
from app.notifications.errors import ChannelUrlInvalid, RobotFailed
from app.notifications.sending.guarded_http import Answer, post
from app.notifications.sending.result import Result, done, failed
from app.notifications.sending.targets import resolve

ROBOTS = {
    "wecombot": "企业微信群机器人",
    "dingtalk": "钉钉群机器人",
    "feishu": "飞书群机器人",
    "json": "JSON 接收方",
    "jsons": "JSON 接收方",
}
"""Schemes that may be used; apprise knows many more, also ones that run programs or write files."""

_PLUGINS = {
    "wecombot": ("wecombot", "NotifyWeComBot"),
    "dingtalk": ("dingtalk", "NotifyDingTalk"),
    "feishu": ("feishu", "NotifyFeishu"),
    "json": ("custom_json", "NotifyJSON"),
    "jsons": ("custom_json", "NotifyJSON"),
}

_PLAIN_HTTP = {"json": 80, "jsons": 443}
"""Schemes whose host the admin names: the SSRF guard looks at these."""

logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its lines hold the robots' keys


@dataclass(frozen=True, slots=True)
class Note:
    """What is said, and when (钉钉 signs the time)."""

    title: str
    text: str
    at: datetime

    @property
    def whole(self) -> str:
        """Title and text, for robots without titles."""
        return f"{self.title}\n{self.text}"


def check_robot(url: str, *, allow_private: bool) -> str:
    """What to show of a robot's address, without its key. Raises ChannelUrlInvalid, TargetForbidden."""
    scheme = urlsplit(url).scheme.lower()
    if scheme not in ROBOTS:
        names = "、".join(f"{one}://" for one in ROBOTS)
        raise _invalid(f"机器人地址应以 {names} 之一开头")
    if _plugin(url) is None:
        raise _invalid("机器人地址不完整或密钥格式不正确")
    _check_host(url, allow_private)
    host = urlsplit(url).hostname if scheme in _PLAIN_HTTP else ""
    return f"{ROBOTS[scheme]}（{host}）" if host else ROBOTS[scheme]


def send(url: str, note: Note, *, allow_private: bool) -> Result:
    """One attempt."""
    plugin = _plugin(url)
    if plugin is None:
        return failed(ChannelUrlInvalid, "机器人地址不完整或密钥格式不正确", final=True)
    known = _request(urlsplit(url).scheme.lower(), plugin, note)
    try:
        if known is None:
            _check_host(url, allow_private)
            return _by_apprise(plugin, note)
        return _judge(_post(known, allow_private))
    except QingkaError as error:
        return failed(type(error), error.detail)
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
        return failed(RobotFailed, f"无法连接机器人接口：{type(error).__name__}")
    except OSError as error:
        return failed(RobotFailed, f"无法连接机器人接口：{error}")


@cache
def _plugin_class(scheme: str) -> Any:
    module, name = _PLUGINS[scheme]
    return getattr(import_module(f"apprise.plugins.{module}"), name)


def _plugin(url: str) -> Any:
    """apprise's object for this address, or None when the address is no good."""
    scheme = urlsplit(url).scheme.lower()
    if scheme not in _PLUGINS:
        return None
    plugin_class = _plugin_class(scheme)
    parts = plugin_class.parse_url(url)
    if parts is None:
        return None
    try:
        return plugin_class(**parts)
    except TypeError:  # what apprise raises for a key of the wrong form
        return None


Request = tuple[str, dict[str, Any]]
"""Address and document."""


def _request(scheme: str, plugin: Any, note: Note) -> Request | None:
    """The request to a robot whose answers are known, else None."""
    maker = _REQUESTS.get(scheme)
    return None if maker is None else maker(plugin, note)


def _wecom(plugin: Any, note: Note) -> Request:
    return plugin.api_url, {"msgtype": "text", "text": {"content": note.whole}}


def _feishu(plugin: Any, note: Note) -> Request:
    where = plugin.notify_url.format(token=plugin.token)
    return where, {"msg_type": "text", "content": {"text": note.whole}}


def _dingtalk(plugin: Any, note: Note) -> Request:
    where = plugin.notify_url.format(token=plugin.token)
    people = {"atMobiles": list(plugin.targets), "isAtAll": False}
    body = {"msgtype": "text", "text": {"content": note.whole}, "at": people}
    return where + _ding_signature(plugin.secret, note.at), body


_REQUESTS: dict[str, Callable[[Any, Note], Request]] = {
    "wecombot": _wecom,
    "dingtalk": _dingtalk,
    "feishu": _feishu,
}


def _ding_signature(secret: str | None, at: datetime) -> str:
    """钉钉 加签: HMAC-SHA256 over `milliseconds\\nsecret`, keyed with the secret."""
    if not secret:
        return ""
    moment = str(int(at.timestamp() * 1000))
    digest = hmac.new(secret.encode(), f"{moment}\n{secret}".encode(), hashlib.sha256).digest()
    return "&" + urlencode({"timestamp": moment, "sign": base64.b64encode(digest).decode()})


def _post(request: Request, allow_private: bool) -> Answer:
    where, document = request
    return post(
        where,
        headers={"content-type": "application/json; charset=utf-8"},
        body=json.dumps(document, ensure_ascii=False).encode(),
        allow_private=allow_private,
    )


def _judge(answer: Answer) -> Result:
    """企业微信 and 钉钉: `errcode` 0; 飞书: `code` 0."""
    try:
        said = json.loads(answer.body)
        code = said.get("errcode", said.get("code"))
        text = said.get("errmsg", said.get("msg", ""))
    except (ValueError, AttributeError):
        code, text = None, answer.body[:200].decode("utf-8", "replace")
    if 200 <= answer.status < 300 and code == 0:
        return done(answer.status)
    return failed(RobotFailed, f"机器人接口返回 {code}：{text}", status=answer.status)


def _by_apprise(plugin: Any, note: Note) -> Result:
    plugin.redirects = False  # a redirect could lead past the guard
    if plugin.notify(body=note.text, title=note.title):
        return done(200)
    return failed(RobotFailed, "接收方没有返回成功")


def _check_host(url: str, allow_private: bool) -> None:
    parts = urlsplit(url)
    default = _PLAIN_HTTP.get(parts.scheme.lower())
    if default is not None:
        resolve(parts.hostname or "", parts.port or default, allow_private=allow_private)


def _invalid(text: str) -> ChannelUrlInvalid:
    return ChannelUrlInvalid(text, errors={"url": text})
