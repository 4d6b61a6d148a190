"""The agent's bearer token, checked before anything of a request is read."""

import secrets

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.agent import problems
from app.contracts.faults import fault


class BearerGuard:
    """Answers 401 to every request without the token, in constant time."""

    def __init__(self, app: ASGIApp, *, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._allowed(scope):
            await self._app(scope, receive, send)
            return
        answer = problems.of_fault(401, fault("agent.unauthorized"), scope["path"])
        answer.headers["WWW-Authenticate"] = "Bearer"
        await answer(scope, receive, send)

    def _allowed(self, scope: Scope) -> bool:
        given = Headers(scope=scope).get("authorization", "").encode()
        return secrets.compare_digest(given, self._expected)
