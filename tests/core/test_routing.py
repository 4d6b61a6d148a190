"""Routers in routers give one flat list; a plain endpoint and what it reads with stay on one thread."""

import threading
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, WebSocket
from starlette.routing import Match, Mount
from starlette.testclient import TestClient

from app.core.db import Database, ReadingSession
from app.core.routing import Index, Route, Router
from app.core.web import Reading


def _app() -> FastAPI:
    inner = Router(prefix="/things", tags=["things"])

    @inner.get("/{thing_id}")
    def one(thing_id: int) -> dict[str, Any]:
        return {"id": thing_id, "main": threading.current_thread() is threading.main_thread()}

    @inner.get("")
    async def all_things() -> list[int]:
        return [1, 2]

    @inner.websocket("/live")
    async def live(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("hello")
        await websocket.close()

    hidden = Router(include_in_schema=False)
    page = Router()

    @page.get("/things-page")
    def things_page() -> str:
        return "page"

    hidden.include_router(page)
    api = Router(prefix="/api/v1")
    api.include_router(inner)
    app = FastAPI()
    app.router.routes += [*api.routes, *hidden.routes]
    return app


def test_routes_stand_under_their_prefix() -> None:
    client = TestClient(_app())
    assert client.get("/api/v1/things/7").json()["id"] == 7
    assert client.get("/api/v1/things").json() == [1, 2]
    assert client.get("/things-page").json() == "page"
    assert client.get("/things/7").status_code == 404
    assert client.post("/api/v1/things/7").status_code == 405
    assert client.get("/api/v1/things/x").status_code == 422
    with client.websocket_connect("/api/v1/things/live") as live:
        assert live.receive_text() == "hello"


def test_the_description_has_what_is_not_hidden() -> None:
    paths = _app().openapi()["paths"]
    assert sorted(paths) == ["/api/v1/things", "/api/v1/things/{thing_id}"]
    described = paths["/api/v1/things/{thing_id}"]["get"]
    assert described["tags"] == ["things"]
    assert described["operationId"] == "one_api_v1_things__thing_id__get"


def test_what_is_included_stays_as_it_was() -> None:
    inner, outer = Router(), Router(prefix="/outer")
    inner.add_api_route("/a", _app, response_model=None)
    outer.include_router(inner)
    paths = [
        route.path
        for router in (inner, outer)
        for route in router.routes
        if isinstance(route, Route)
    ]
    assert paths == ["/a", "/outer/a"]


def test_options_and_strange_routes_are_refused() -> None:
    with pytest.raises(TypeError, match="prefix"):
        Router().include_router(Router(), prefix="/a")
    strange = Router()
    strange.routes.append(Mount("/m", app=FastAPI()))
    with pytest.raises(TypeError):
        Router().include_router(strange)


@pytest.mark.parametrize("path", ["*", "", "/", "//", "api", "/api", "/api/", "things/7"])
def test_the_index_leaves_strange_paths_to_the_routes(path: str) -> None:
    scope = {"type": "http", "method": "OPTIONS", "path": path, "headers": []}
    assert Index(_app().router.routes).matches(scope) == (Match.NONE, {})


def test_a_path_that_begins_with_a_parameter_is_not_indexed() -> None:
    router = Router()
    router.add_api_route("/{anything}/a", _app, response_model=None)
    with pytest.raises(ValueError, match="anything"):
        Index(router.routes)


def test_a_plain_endpoint_runs_on_a_thread() -> None:
    assert TestClient(_app()).get("/api/v1/things/7").json()["main"] is False


def _ask(database: Database, kind: str) -> list[ReadingSession]:
    """The sessions a route was given, after it has answered."""
    seen: list[ReadingSession] = []
    router = Router()

    def note(session: Reading) -> ReadingSession:
        assert isinstance(session, ReadingSession)
        session.connection()
        seen.append(session)
        return session

    Noted = Annotated[ReadingSession, Depends(note)]

    def endpoint(session: Reading, noted: Noted) -> bool:
        return session is noted and session.in_transaction()

    async def endpoint_of_loop(noted: Noted) -> bool:
        return noted.in_transaction()

    def endpoint_not_reached(noted: Noted, number: int) -> None:
        raise AssertionError

    endpoints: dict[str, Callable[..., Any]] = {
        "plain": endpoint,
        "loop": endpoint_of_loop,
        "not reached": endpoint_not_reached,
    }
    router.add_api_route("/", endpoints[kind], response_model=None)
    app = FastAPI()
    app.state.database = database
    app.router.routes += router.routes
    answer = TestClient(app).get("/")
    assert answer.status_code == 422 if kind == "not reached" else answer.json() is True
    return seen


@pytest.mark.parametrize("kind", ["plain", "loop", "not reached"])
def test_what_was_read_with_is_given_back(any_database: Database, kind: str) -> None:
    (session,) = _ask(any_database, kind)
    assert not session.in_transaction()
    assert any_database.engine.pool.status().count("Current Checked out connections: 0") == 1
