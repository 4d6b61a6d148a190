"""Enrollment (登记): a one-time code makes the server know this agent, and gives both sides a token.

The agent makes the token, so that a lost answer does no harm: asked again with the same code and
token, the server gives the same answer. What the agent keeps depends on who calls whom: one that
dials out keeps the token (mode 0600), one that is called keeps its hash only.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError, field_serializer

from app import __version__
from app.agent.auth import TokenHash
from app.agent.config import ConfigError
from app.contracts import CONTRACT_VERSION
from app.core import tls
from app.core.clock import Clock
from app.core.ids import new_token

FILE = "agent-enrollment.json"
TOKEN_FILE = "agent-token"  # noqa: S105 - the name of a file
CERTIFICATE_FILE = "agent-cert.pem"
KEY_FILE = "agent-key.pem"
_LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})


class EnrollmentFailed(Exception):
    """The server did not take the agent; the message says why and what to do."""


class Enrollment(BaseModel):
    """What an enrolled agent keeps: the server, how to trust it, and who it is there."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    server: str
    agent_id: str
    name: str
    mode: Literal["dial", "listen"]
    token: SecretStr = SecretStr("")
    pin: str = ""
    ca: Path | None = None

    @field_serializer("token", when_used="json")
    def _plain(self, token: SecretStr) -> str:
        return token.get_secret_value()


@dataclass(frozen=True, slots=True)
class Server:
    """A server's address and how its certificate is checked: by `pin`, by `ca`, else by the system."""

    url: str
    pin: str = ""
    ca: Path | None = None
    allow_http: bool = False

    def checked(self) -> "Server":
        """Itself, with the address in one form. Raises `ConfigError`.

        The token must not travel unencrypted: http is for this computer only, unless allowed.
        """
        parts = urlsplit(self.url.rstrip("/"))
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError("服务器地址应为 https://主机 或 https://主机:端口")
        if parts.scheme == "http" and parts.hostname not in _LOCAL and not self.allow_http:
            raise ConfigError(
                "服务器地址不是 https：令牌会以明文传输。请使用 https；"
                "只有在可信的专用网络中才加 --allow-http"
            )
        try:
            pin = tls.normal_pin(self.pin) if self.pin else ""
        except ValueError as error:
            raise ConfigError(str(error)) from error
        return Server(self.url.rstrip("/"), pin, self.ca, self.allow_http)


def load(data_dir: Path) -> Enrollment | None:
    """The enrollment kept in `data_dir`, if there is one. Raises `ConfigError`."""
    path = data_dir / FILE
    if not path.exists():
        return None
    try:
        return Enrollment.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ConfigError(f"登记文件 {path} 无法读取，请重新登记：{error}") from error


def enroll(
    server: Server, code: str, *, data_dir: Path, listen: str = "", clock: Clock
) -> Enrollment:
    """Enroll at the server. With `listen`, the https address the server is to call this agent at.

    Raises `EnrollmentFailed`, `ConfigError`.
    """
    server = server.checked()
    data_dir.mkdir(parents=True, exist_ok=True)
    token = new_token()
    request = {
        "code": code.strip(),
        "token": token,
        "version": __version__,
        "contract_version": CONTRACT_VERSION,
    }
    if listen:
        request |= {"base_url": listen, "pin": _certificate(data_dir, listen, clock)}
    answer = _post(server, request)
    made = Enrollment(
        server=server.url,
        agent_id=str(answer["id"]),
        name=str(answer["name"]),
        mode="listen" if listen else "dial",
        token=SecretStr("" if listen else token),
        pin=server.pin,
        ca=server.ca.absolute() if server.ca else None,
    )
    write_secret(data_dir / TOKEN_FILE, f"{TokenHash.of(token)}\n".encode())
    write_secret(data_dir / FILE, made.model_dump_json(indent=2).encode())
    return made


def write_secret(path: Path, content: bytes) -> None:
    """Put a file with mode 0600 in place at once, replacing what was there."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(fresh, flags, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _certificate(data_dir: Path, listen: str, clock: Clock) -> str:
    """The pin of this agent's own certificate, made at the first enrollment."""
    parts = urlsplit(listen)
    if parts.scheme != "https" or not parts.hostname:
        raise ConfigError("--listen 应为 https://本机地址:端口")
    path = data_dir / CERTIFICATE_FILE
    if not path.exists():
        certificate, key = tls.self_signed([parts.hostname], clock())
        write_secret(data_dir / KEY_FILE, key)
        write_secret(path, certificate)
    return tls.pin_of(path.read_bytes())


def _post(server: Server, body: dict[str, object]) -> dict[str, object]:
    context = tls.pinned_context(server.pin) if server.pin else tls.trusting(server.ca)
    url = f"{server.url}/api/v1/agents/enroll"
    try:
        answer = httpx.post(url, json=body, verify=context, timeout=30)
    except httpx.HTTPError as error:
        raise EnrollmentFailed(f"无法访问服务器 {server.url}：{error or type(error)}") from error
    try:
        found = answer.json()
    except ValueError as error:
        raise EnrollmentFailed(f"{url} 没有按约定应答（HTTP {answer.status_code}）") from error
    if not answer.is_success or not isinstance(found, dict):
        raise EnrollmentFailed(explain(found))
    return found


def explain(problem: object) -> str:
    """A problem+json of the server as one sentence: what, and what to do."""
    known = problem if isinstance(problem, dict) else {}
    words = [str(known.get("detail") or known.get("title") or "服务器拒绝了请求")]
    words += [str(text) for text in dict(known.get("errors") or {}).values()]
    words.append(str(known.get("remedy") or ""))
    return "。".join(word.rstrip("。") for word in words if word)
