"""ASGI middleware for every response: security headers, request id, cross-site guard."""

from collections.abc import Sequence
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.ids import new_id
from app.core.problems import problem
from app.errors import Forbidden

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; "
    "object-src 'none'; frame-ancestors 'none'"
)
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


_SECURITY = {
    b"content-security-policy": CSP.encode(),
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
    b"permissions-policy": b"camera=(), microphone=(), geolocation=()",
    b"cache-control": b"no-store",
}
_HSTS = {b"strict-transport-security": b"max-age=31536000"}


class SecurityHeaders:
    """Adds the headers of a strict site, and a request id that logs and answers share.

    A route that says one of them itself (another policy, what may be cached) keeps its own.
    """

    def __init__(self, app: ASGIApp, *, tls: bool) -> None:
        self.app = app
        self._headers = tuple((_SECURITY | (_HSTS if tls else {})).items())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = str(new_id())
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = list(message.get("headers", ()))
                said = {name for name, _ in given}
                given.append((b"x-request-id", request_id.encode()))
                given.extend(one for one in self._headers if one[0] not in said)
                message["headers"] = given
            await send(message)

        await self.app(scope, receive, send_with_headers)


class CrossSite(Forbidden):
    """A browser sent a state change from a page of another site."""

    code = "csrf"
    title = "请求来自其他网站，已拒绝"
    remedy = "请在本系统的页面上操作；通过代理访问时请检查 QINGKA_PUBLIC_URL。"


class CrossSiteGuard:
    """Refuses state changes that a browser sends from another site.

    A browser says where a request comes from in Sec-Fetch-Site and Origin, and a page cannot forge
    either. A request with neither is no browser's and carries no ambient cookie of a victim.
    """

    def __init__(self, app: ASGIApp, *, trusted_origins: Sequence[str] = ()) -> None:
        self.app = app
        self.trusted_origins = frozenset(trusted_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in SAFE_METHODS or self._allowed(scope):
            await self.app(scope, receive, send)
            return
        await problem(CrossSite(), scope["path"])(scope, receive, send)

    def _allowed(self, scope: Scope) -> bool:
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if origin in self.trusted_origins:
            return True
        site = headers.get("sec-fetch-site")
        if site is not None:
            return site in ("same-origin", "none")
        return origin is None or urlsplit(origin).netloc == headers.get("host")
