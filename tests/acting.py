"""Requests of a person who has signed in, for tests that are not about signing in."""

from collections.abc import Callable

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from app.accounts.principal import Principal


def act_as(app: FastAPI, who: Callable[[], Principal]) -> None:
    """From now on every request of the app is that person's; called again, of another one's."""
    if not hasattr(app.state, "acting"):
        app.add_middleware(_Acting)
    app.state.acting = who


class _Acting:
    """Sets what identifying a request would set."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope.setdefault("state", {})["principal"] = scope["app"].state.acting()
        await self.app(scope, receive, send)
