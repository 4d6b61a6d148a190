"""Send one message to a group robot: 企业微信, 钉钉, 飞书, or a receiver of plain JSON.

The robots answer 200 with a code in the body when they refuse a message, so their answers are read.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpcore

from app import __version__
from app.errors import QingkaError
from app.notifications.errors import ChannelUrlInvalid, RobotFailed
from app.notifications.sending import json_receiver
from app.notifications.sending.guarded_http import Answer, request
from app.notifications.sending.json_receiver import Request
from app.notifications.sending.result import Result, done, failed
from app.notifications.sending.robot_addresses import PLACES, Robot, RobotKind
from app.notifications.sending.targets import resolve


@dataclass(frozen=True, slots=True)
class Note:
    """What is said, and when (signatures hold the time)."""

    title: str
    text: str
    at: datetime

    @property
    def whole(self) -> str:
        """Title and text, for robots without titles."""
        return f"{self.title}\n{self.text}"


def check(robot: Robot, *, allow_private: bool) -> None:
    """Whether messages may go there. Raises ChannelUrlInvalid, TargetForbidden, TargetUnresolved."""
    if robot.kind is not RobotKind.JSON:
        return  # its place is known
    parts = urlsplit(robot.token)
    resolve(parts.hostname or "", parts.port or 443, allow_private=allow_private)
    if not json_receiver.is_sound(robot.token):
        text = "JSON 接收方地址中的请求头或方法不正确"
        raise ChannelUrlInvalid(text, errors={"url": text})


def send(robot: Robot, note: Note, *, allow_private: bool) -> Result:
    """One attempt."""
    try:
        answer = _sent(_REQUESTS[robot.kind](robot, note), allow_private)
    except QingkaError as error:
        return failed(type(error), error.detail)
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
        return failed(RobotFailed, f"无法连接机器人接口：{type(error).__name__}")
    except OSError as error:
        return failed(RobotFailed, f"无法连接机器人接口：{error}")
    if robot.kind is not RobotKind.JSON:
        return _judge(answer)
    if 200 <= answer.status < 300:
        return done(answer.status)
    return failed(RobotFailed, f"接收方返回 {answer.status}", status=answer.status)


def _wecom(robot: Robot, note: Note) -> Request:
    where = PLACES[RobotKind.WECOM] + robot.token
    return _post(where, {"msgtype": "text", "text": {"content": note.whole}})


def _dingtalk(robot: Robot, note: Note) -> Request:
    """加签: HMAC-SHA256 over `milliseconds\\nsecret`, keyed with the secret; it stands in the address."""
    where = PLACES[RobotKind.DINGTALK] + robot.token
    if robot.secret:
        moment = str(int(note.at.timestamp() * 1000))
        sign = _signature(robot.secret, f"{moment}\n{robot.secret}")
        where += "&" + urlencode({"timestamp": moment, "sign": sign})
    people = {"atMobiles": list(robot.phones), "isAtAll": False}
    return _post(where, {"msgtype": "text", "text": {"content": note.whole}, "at": people})


def _feishu(robot: Robot, note: Note) -> Request:
    """签名校验: HMAC-SHA256 over nothing, keyed with `seconds\\nsecret`; it stands in the document."""
    document: dict[str, Any] = {"msg_type": "text", "content": {"text": note.whole}}
    if robot.secret:
        moment = str(int(note.at.timestamp()))
        sign = _signature(f"{moment}\n{robot.secret}", "")
        document = {"timestamp": moment, "sign": sign, **document}
    return _post(PLACES[RobotKind.FEISHU] + robot.token, document)


def _json(robot: Robot, note: Note) -> Request:
    return json_receiver.request_to(robot.token, note.title, note.text)


_REQUESTS: dict[RobotKind, Callable[[Robot, Note], Request]] = {
    RobotKind.WECOM: _wecom,
    RobotKind.DINGTALK: _dingtalk,
    RobotKind.FEISHU: _feishu,
    RobotKind.JSON: _json,
}


def _signature(key: str, signed: str) -> str:
    return base64.b64encode(
        hmac.new(key.encode(), signed.encode(), hashlib.sha256).digest()
    ).decode()


def _post(where: str, document: dict[str, Any]) -> Request:
    headers = {"content-type": "application/json; charset=utf-8"}
    return Request("POST", where, headers, json.dumps(document, ensure_ascii=False).encode())


def _sent(what: Request, allow_private: bool) -> Answer:
    headers = {"user-agent": f"Qingka/{__version__}", **what.headers}
    return request(
        what.method, what.url, headers=headers, body=what.body, allow_private=allow_private
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
