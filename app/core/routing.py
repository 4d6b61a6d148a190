"""Routers of the server: one flat list of routes, and plain endpoints on threads of our own."""

import inspect
from collections.abc import Callable, Coroutine, Iterable
from copy import copy
from enum import Enum
from functools import wraps
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute, APIWebSocketRoute
from fastapi.utils import generate_unique_id
from starlette.routing import BaseRoute, Match, compile_path
from starlette.types import Receive, Scope, Send

from app.core.answers import KEEPER, WRITING, Keeper
from app.core.db import ReadingSession
from app.core.threads import on_thread

READING = "qingka.reading"
"""Where in the scope a request keeps its session for reading, which its route closes."""


class Route(APIRoute):
    """A route whose plain endpoint runs on a thread, as one of FastAPI does, but at a third of the cost.

    Once it has its place in the whole (`Router.include_router`) it knows what the paths it answers begin with,
    and tries its regular expression only on these.
    """

    beginning = ""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, _on_threads(endpoint), **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """As every route; the answer to a POST is kept before the transaction of its change ends."""
        handle = super().get_route_handler()

        async def answered(request: Request) -> Response:
            answer = await handle(request)
            keeper: Keeper | None = request.scope.get(KEEPER)
            if keeper is None:
                return answer
            return await on_thread(keeper.settle, request.scope.get(WRITING), answer)

        return answered if "POST" in (self.methods or ()) else handle

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As every route, faster when it does not."""
        if not scope["path"].startswith(self.beginning) and not scope.get("root_path"):
            return Match.NONE, {}
        return super().matches(scope)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, then give back what was read with, unless the endpoint's own thread has done so already."""
        try:
            await super().handle(scope, receive, send)
        finally:
            session: ReadingSession | None = scope.get(READING)
            if session is not None and session.in_transaction():
                await on_thread(session.close)


class Index(BaseRoute):
    """Stands before all routes and finds the one of a request among those whose paths begin as its own does.

    Only for what matches altogether; whatever else there is to say (a wrong method, a missing slash, no such
    page) is left to the routes behind it.
    """

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        """Raises ValueError for a path whose beginning is a parameter: it would be found too late."""
        self._routes: dict[tuple[str, ...], list[Route]] = {}
        for route in routes:
            if isinstance(route, Route):
                key = _beginning(route.path)
                if any("{" in part for part in key):
                    raise ValueError(f"{route.path} begins with a parameter")
                self._routes.setdefault(key, []).append(route)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As the route that answers, or not at all."""
        if scope["type"] == "http" and not scope.get("root_path"):
            for route in self._routes.get(_beginning(scope["path"]), ()):
                match, found = route.matches(scope)
                if match is Match.FULL:
                    return match, found
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """By the route that was found."""
        await scope["route"].handle(scope, receive, send)


def _beginning(path: str) -> tuple[str, ...]:
    """`/api/v1/operators/…` → api, v1, operators; `/clearing/…` → clearing; of `*`, say, nothing."""
    parts = path.split("/", 4)[1:]
    return tuple(parts[:3] if parts[:1] == ["api"] else parts[:1])


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
