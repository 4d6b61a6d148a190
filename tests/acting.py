"""People and keys who act in tests, and an application that takes its requests for theirs."""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.datastructures import State
from starlette.types import ASGIApp, Receive, Scope, Send

from app import error_handlers, features
from app.accounts.principal import (
    Permission,
    Principal,
    PrincipalKind,
    Role,
    role_permissions,
)
from app.core.clock import Clock
from app.core.db import Database
from app.core.ids import new_id
from app.core.routing import Router
from app.layout import layout
from app.settings import Settings


def person_of(*roles: Role, **changes: Any) -> Principal:
    """A person signed in with these roles, an admin without any; `changes` are fields of the principal."""
    held = roles or (Role.ADMIN,)
    given: dict[str, Any] = {
        "kind": PrincipalKind.ACCOUNT,
        "id": new_id(),
        "name": held[0].value,
        "display_name": held[0].value,
        "roles": frozenset(held),
        "permissions": role_permissions(held),
    }
    return Principal(**given | changes)


def key_of(*scopes: Permission, **changes: Any) -> Principal:
    """An API key that may do this; `changes` are fields of the principal."""
    given: dict[str, Any] = {
        "kind": PrincipalKind.API_KEY,
        "id": new_id(),
        "name": "erp",
        "display_name": "ERP",
        "permissions": frozenset(scopes),
    }
    return Principal(**given | changes)


def app_of(
    database: Database,
    settings: Settings,
    clock: Clock,
    principal: Principal,
    *,
    api: Iterable[APIRouter] = (),
    pages: Iterable[APIRouter] = (),
) -> FastAPI:
    """An application with these routes. Its requests come from `app.state.principal`, at first this one."""
    app = _routed(api, pages)
    _furnish(app, database, settings, clock, principal)
    return app


def product_of(
    database: Database, settings: Settings, clock: Clock, principal: Principal
) -> FastAPI:
    """The same with all routes there are, for one test at a time: it is kept, with nothing of the test before.

    FastAPI works half a second on so many routes when the first request comes.
    """
    app = _whole()
    app.state = State()
    _furnish(app, database, settings, clock, principal)
    return app


@cache
def _whole() -> FastAPI:
    return _routed((), (features.api_router(), features.page_router()))


def _routed(api: Iterable[APIRouter], pages: Iterable[APIRouter]) -> FastAPI:
    app = FastAPI()
    app.add_middleware(_Acting)
    error_handlers.install(app)
    below = Router(
        prefix="/api/v1"
    )  # the product's own knows how to place a route that is not built yet
    for router in api:
        below.include_router(router)
    app.include_router(below)
    for router in pages:
        app.include_router(router)
    return app


def _furnish(
    app: FastAPI, database: Database, settings: Settings, clock: Clock, principal: Principal
) -> None:
    app.state.database = database
    app.state.settings = settings
    app.state.clock = clock
    app.state.layout = layout
    app.state.simulated = False
    app.state.principal = principal
    app.state.acting = lambda: app.state.principal


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
