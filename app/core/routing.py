"""Routers of the server: one flat list of routes, and plain endpoints on threads of our own."""

import inspect
from collections.abc import Callable
from copy import copy
from enum import Enum
from functools import wraps
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute, APIWebSocketRoute
from fastapi.utils import generate_unique_id
from starlette.routing import BaseRoute, Match, compile_path
from starlette.types import Scope

from app.core.db import ReadingSession
from app.core.threads import on_thread


class Route(APIRoute):
    """A route whose plain endpoint runs on a thread, as one of FastAPI does, but at a third of the cost.

    Once it has its place in the whole (`Router.include_router`) it knows what the paths it answers begin with,
    and tries its regular expression only on these.
    """

    beginning = ""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, _on_threads(endpoint), **options)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As every route, faster when it does not."""
        if not scope["path"].startswith(self.beginning) and not scope.get("root_path"):
            return Match.NONE, {}
        return super().matches(scope)


class Router(APIRouter):
    """Gathers routes. `prefix` and `include_in_schema` hold for included routers, too."""

    def __init__(
        self,
        *,
        prefix: str = "",
        tags: list[str | Enum] | None = None,
        include_in_schema: bool = True,
    ) -> None:
        super().__init__(
            prefix=prefix, tags=tags, include_in_schema=include_in_schema, route_class=Route
        )

    def include_router(self, router: APIRouter, **options: Any) -> None:
        """Take over its routes, one by one in their order; what they are given by options is said here.

        FastAPI's own keeps routers in routers, asks all of them anew at every level, and builds every route once
        more for each.
        """
        if options:
            raise TypeError(f"say it where the router is made: {', '.join(options)}")
        self.routes.extend(self._placed(route) for route in router.routes)

    def _placed(self, route: BaseRoute) -> BaseRoute:
        """The route under the prefix."""
        if not isinstance(route, APIRoute | APIWebSocketRoute):
            raise TypeError(f"{route!r} is no route of an APIRouter")
        placed = copy(route)
        placed.path = self.prefix + route.path
        placed.path_regex, placed.path_format, placed.param_convertors = compile_path(placed.path)
        if isinstance(placed, APIRoute):
            placed.include_in_schema = placed.include_in_schema and self.include_in_schema
            placed.unique_id = placed.operation_id or generate_unique_id(placed)
        if isinstance(placed, Route):
            placed.beginning = placed.path.partition("{")[0]
        return placed


def _on_threads(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    if not inspect.isfunction(endpoint) or inspect.iscoroutinefunction(endpoint):
        return endpoint
    if inspect.isgeneratorfunction(endpoint) or inspect.isasyncgenfunction(endpoint):
        return endpoint

    @wraps(endpoint)
    async def run(**values: Any) -> Any:
        return await on_thread(_run, endpoint, values)

    return run


def _run(endpoint: Callable[..., Any], values: dict[str, Any]) -> Any:
    """The endpoint; what it read with is given back here, where that may block."""
    try:
        return endpoint(**values)
    finally:
        for value in values.values():
            if isinstance(value, ReadingSession):
                value.close()
