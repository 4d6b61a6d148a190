"""Mail servers: host, port, encryption, user, password, sender; kept as one sealed address.

The address: `smtp://user:password@host:port?from=address&name=sender`. `smtps://` is TLS from the
start; `smtp://` asks for STARTTLS and goes on without only with `&tls=none`.
"""

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from app.errors import Invalid
from app.notifications.errors import ChannelUrlInvalid
from app.notifications.sending.targets import resolve

SENDER_NAME = "清卡管理"


class Encryption(StrEnum):
    """How the way to a mail server is protected; `tls` from the start."""

    TLS = "tls"
    STARTTLS = "starttls"
    NONE = "none"


PORTS = {Encryption.TLS: 465, Encryption.STARTTLS: 587, Encryption.NONE: 25}
"""What is usual when no port is named in the fields."""
_SCHEMES = {"smtp": 587, "smtps": 465}


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server, and in whose name it is given letters."""

    host: str
    port: int
    user: str
    password: str
    sender: str
    sender_name: str
    encryption: Encryption


def parse_server(url: str) -> Server:
    """The server of a channel's address. Raises ChannelUrlInvalid."""
    try:
        parts = urlsplit(url)
        port = parts.port or _SCHEMES.get(parts.scheme, 0)
    except ValueError as error:
        raise _invalid("邮件服务器地址格式不正确") from error
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    sender = options.get("from", "")
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise _invalid("邮件服务器地址应为 smtp:// 或 smtps:// 开头")
    if sender.count("@") != 1 or any(c in sender for c in " \r\n<>,;"):
        raise _invalid("地址中缺少发件地址 from=")
    if options.get("tls", "") not in ("", "none", "starttls"):
        raise _invalid("tls 只能是 starttls 或 none")
    implicit = parts.scheme == "smtps"
    return Server(
        parts.hostname,
        port,
        unquote(parts.username or ""),
        unquote(parts.password or ""),
        sender,
        options.get("name", SENDER_NAME),
        Encryption.TLS if implicit else Encryption(options.get("tls") or "starttls"),
    )


def address_of(server: Server) -> str:
    """The server as one address, which `parse_server` reads again."""
    implicit = server.encryption is Encryption.TLS
    who = quote(server.user, safe="")
    if server.password:
        who += ":" + quote(server.password, safe="")
    host = f"[{server.host}]" if ":" in server.host else server.host
    options = {"from": server.sender, "name": server.sender_name}
    if not implicit:
        options["tls"] = server.encryption.value
    scheme = "smtps" if implicit else "smtp"
    return f"{scheme}://{who + '@' if who else ''}{host}:{server.port}?{urlencode(options)}"


def shown(server: Server) -> str:
    """The server without its secrets."""
    return f"{server.host}:{server.port}（{server.sender}）"


def check_host(server: Server, *, allow_private: bool, field: str) -> None:
    """Whether letters may be taken there. Raises TargetForbidden, TargetUnresolved, at `field`."""
    try:
        resolve(server.host, server.port, allow_private=allow_private)
    except Invalid as error:
        raise type(error)(error.detail, errors={field: error.errors["url"]}) from error


def _invalid(text: str) -> ChannelUrlInvalid:
    return ChannelUrlInvalid(text, errors={"url": text})
