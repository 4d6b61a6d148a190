"""The agent's bearer token, checked before anything of a request is read. Only its hash is kept."""

import base64
import binascii
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.agent import problems
from app.contracts.faults import fault
from app.core.security import hash_token, same

API = "/agent/"
"""Where the API lies; everything else is the agent's own page."""

_SCHEME = "sha256"
_LOOPBACK = frozenset({"127.0.0.1", "::1"})
_LOCAL_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")


@dataclass(frozen=True, slots=True)
class TokenHash:
    """SHA-256 of a token, in hex."""

    digest: str

    @classmethod
    def of(cls, token: str) -> "TokenHash":
        """The hash of a token. Raises `ValueError` for an empty one."""
        if not token:
            raise ValueError("the agent needs a token")
        return cls(hash_token(token))

    @classmethod
    def parse(cls, text: str) -> "TokenHash":
        """A hash as `str` writes it; a text without the algorithm is a token itself."""
        scheme, found, digest = text.partition("$")
        return cls(digest) if found and scheme == _SCHEME else cls.of(text)

    def __str__(self) -> str:
        return f"{_SCHEME}${self.digest}"

    def matches(self, token: str) -> bool:
        """Whether it is the hash of `token`, in constant time."""
        return same(hash_token(token), self.digest)


class Guard:
    """Answers 401 to whoever may not ask.

    The API wants the token as a bearer. The page is also for whoever sits at this computer: a request
    from a loopback address that names a loopback host (no other site's name that resolves to it) and
    that no proxy has passed on. From elsewhere a browser is asked for the token as a password.
    """

    def __init__(self, app: ASGIApp, *, token: TokenHash) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._allowed(scope):
            await self._app(scope, receive, send)
            return
        answer = problems.of_fault(401, fault("agent.unauthorized"), scope["path"])
        api = scope["path"].startswith(API)
        answer.headers["WWW-Authenticate"] = "Bearer" if api else 'Basic realm="qingka agent"'
        await answer(scope, receive, send)

    def _allowed(self, scope: Scope) -> bool:
        headers = Headers(scope=scope)
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._token.matches(given)
        if scope["path"].startswith(API):
            return False
        return _is_local(scope, headers) or (
            scheme.lower() == "basic" and self._token.matches(_password(given))
        )


def _is_local(scope: Scope, headers: Headers) -> bool:
    peer = (scope.get("client") or ("", 0))[0]
    if peer not in _LOOPBACK or any(name in headers for name in _FORWARDED):
        return False
    host = headers.get("host", "").rsplit(":", 1)
    name = host[0] if host[-1].isdigit() else ":".join(host)
    return name.lower() in _LOCAL_NAMES


def _password(basic: str) -> str:
    try:
        return base64.b64decode(basic, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""
