"""Which group robot an address belongs to: what 企业微信, 钉钉 and 飞书 give to copy, or its short form.

Kept is the short form, that of apprise: `wecombot://KEY`, `dingtalk://SECRET@TOKEN/phone`,
`feishu://SECRET@TOKEN`, `json://host/path`, `jsons://host/path`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from app.notifications.errors import ChannelUrlInvalid


class RobotKind(StrEnum):
    """Whose robot it is; `json`: a receiver of plain JSON."""

    WECOM = "wecom"
    DINGTALK = "dingtalk"
    FEISHU = "feishu"
    JSON = "json"

    @property
    def label(self) -> str:
        """For people."""
        return _LABELS[self]


_LABELS = {
    RobotKind.WECOM: "企业微信群机器人",
    RobotKind.DINGTALK: "钉钉群机器人",
    RobotKind.FEISHU: "飞书群机器人",
    RobotKind.JSON: "JSON 接收方",
}

PLACES = {
    RobotKind.WECOM: "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=",
    RobotKind.DINGTALK: "https://oapi.dingtalk.com/robot/send?access_token=",
    RobotKind.FEISHU: "https://open.feishu.cn/open-apis/bot/v2/hook/",
}
"""Where each robot lives; its key follows."""

EXAMPLES = "；".join(f"{kind.label.removesuffix('群机器人')} {at}…" for kind, at in PLACES.items())

SIGNING = (RobotKind.DINGTALK, RobotKind.FEISHU)
"""Robots that can be told to ask for a signature (加签, 签名校验)."""

_TOKENS = {
    RobotKind.WECOM: re.compile(r"[A-Za-z0-9_-]+"),
    RobotKind.DINGTALK: re.compile(r"[A-Za-z0-9]+"),
    RobotKind.FEISHU: re.compile(r"[A-Za-z0-9_-]+"),
}
_SECRET = re.compile(r"[A-Za-z0-9_-]+")
_SCHEMES = {
    "wecombot": RobotKind.WECOM,
    "dingtalk": RobotKind.DINGTALK,
    "feishu": RobotKind.FEISHU,
}
_JSON = ("json", "jsons")


@dataclass(frozen=True, slots=True)
class Robot:
    """One robot. `token`: its key, of a JSON receiver the address; `phones`: whom 钉钉 is to mention."""

    kind: RobotKind
    token: str
    secret: str = ""
    phones: tuple[str, ...] = ()


def recognise(address: str, secret: str | None = None) -> Robot:
    """The robot of an address; a secret given beside it wins over one inside. Raises ChannelUrlInvalid."""
    try:
        parts = urlsplit(address.strip())
        port = parts.port
    except ValueError as error:
        raise _unknown() from error
    scheme = parts.scheme.lower()
    if scheme in _JSON:
        if not parts.hostname or port == 0:
            raise _invalid("JSON 接收方的地址应为 jsons://主机/路径")
        robot = Robot(RobotKind.JSON, address.strip())
    elif scheme in _SCHEMES:
        robot = _SHORT[_SCHEMES[scheme]](parts)
    else:
        robot = _pasted(scheme, parts, port)
    return _with_secret(_checked(robot), secret)


def address_of(robot: Robot) -> str:
    """The short form, which `recognise` reads again."""
    if robot.kind is RobotKind.JSON:
        return robot.token
    scheme = next(name for name, kind in _SCHEMES.items() if kind is robot.kind)
    secret = f"{robot.secret}@" if robot.secret else ""
    return f"{scheme}://{secret}{'/'.join((robot.token, *robot.phones))}"


def shown(robot: Robot) -> str:
    """The robot without its key."""
    if robot.kind is RobotKind.JSON:
        return f"{robot.kind.label}（{urlsplit(robot.token).hostname}）"
    return robot.kind.label + ("（加签）" if robot.secret else "")


def without_key(address: str) -> str:
    """What of a typed address is certainly no secret, to be shown again."""
    try:
        parts = urlsplit(address.strip())
        scheme, host, port = parts.scheme.lower(), parts.hostname or "", parts.port
    except ValueError:
        return ""
    if scheme not in ("http", "https", *_JSON) or not host:
        return f"{scheme}://" if scheme in _SCHEMES else ""
    for place in PLACES.values():
        if host == urlsplit(place).hostname:
            return place
    return f"{scheme}://{host}{f':{port}' if port else ''}/"


def _pasted(scheme: str, parts: SplitResult, port: int | None) -> Robot:
    """The robot of a web address as the three products give it."""
    if scheme not in ("http", "https") or port not in (None, 443) or "@" in parts.netloc:
        raise _unknown()
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    for kind, place in PLACES.items():
        known = urlsplit(place)
        if parts.hostname != known.hostname:
            continue
        field = known.query.rstrip("=")
        if field and parts.path.rstrip("/") == known.path:
            return Robot(kind, query.get(field, ""))
        if not field and parts.path.startswith(known.path):
            return Robot(kind, parts.path.removeprefix(known.path).rstrip("/"))
        raise _invalid(f"这不是{kind.label}的 Webhook 地址，应为 {place}…")
    raise _unknown()


def _short(kind: RobotKind, name: str) -> Callable[[SplitResult], Robot]:
    """A reader of `scheme://KEY` and `scheme://?name=KEY`. The case counts, so not `hostname`."""

    def read(parts: SplitResult) -> Robot:
        user, _, host = parts.netloc.rpartition("@")
        query = {one: values[-1] for one, values in parse_qs(parts.query).items()}
        secret = query.get("secret", unquote(user.partition(":")[0]))
        return Robot(kind, query.get(name, unquote(host)), secret)

    return read


def _short_dingtalk(parts: SplitResult) -> Robot:
    robot = _short(RobotKind.DINGTALK, "token")(parts)
    wanted = unquote(parts.path).split("/")
    wanted += ",".join(parse_qs(parts.query).get("to", [])).split(",")
    phones = ("".join(filter(str.isdigit, one)) for one in wanted)
    return replace(robot, phones=tuple(one for one in phones if 11 <= len(one) <= 14))


_SHORT = {
    RobotKind.WECOM: _short(RobotKind.WECOM, "key"),
    RobotKind.DINGTALK: _short_dingtalk,
    RobotKind.FEISHU: _short(RobotKind.FEISHU, "token"),
}


def _checked(robot: Robot) -> Robot:
    """Raises ChannelUrlInvalid for a key that cannot be one."""
    form = _TOKENS.get(robot.kind)
    if form is not None and not form.fullmatch(robot.token):
        place = PLACES[robot.kind]
        raise _invalid(f"{robot.kind.label}的地址不完整或密钥格式不正确，应为 {place}…")
    return robot


def _with_secret(robot: Robot, given: str | None) -> Robot:
    secret = robot.secret if given is None else given.strip()
    if secret and robot.kind not in SIGNING:
        raise _wrong_secret(f"{robot.kind.label}没有加签密钥，请留空")
    if secret and not _SECRET.fullmatch(secret):
        raise _wrong_secret("加签密钥格式不正确，只含字母与数字")
    return replace(robot, secret=secret)


def _unknown() -> ChannelUrlInvalid:
    return _invalid(f"不认识这个机器人地址。请粘贴群机器人的 Webhook 地址，例如：{EXAMPLES}")


def _invalid(text: str) -> ChannelUrlInvalid:
    return ChannelUrlInvalid(text, errors={"url": text})


def _wrong_secret(text: str) -> ChannelUrlInvalid:
    return ChannelUrlInvalid(text, errors={"secret": text})
