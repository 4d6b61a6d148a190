"""Every router of the server is ours: one of FastAPI's would bring back its nested lists and its threads."""

import re
from pathlib import Path

import pytest
from fastapi.routing import APIRoute, APIWebSocketRoute
from starlette.routing import BaseRoute, Match, Mount, Route

from app.core.db import Database
from app.core.ids import new_id
from app.core.routing import Index
from app.core.routing import Route as OurRoute
from app.main import create_app
from app.settings import ROOT, AgentMode, Settings


def test_routers_of_features_are_ours() -> None:
    others = {"agent", "simulator"}
    files = [path for path in (ROOT / "app").rglob("*.py") if not others & {*path.parts}]
    using = {path.name for path in files if "APIRouter" in path.read_text(encoding="utf-8")}
    assert using == {"routing.py"}


@pytest.fixture
def routes(database: Database, tmp_path: Path) -> list[BaseRoute]:
    settings = Settings(data_dir=tmp_path, agent=AgentMode.OFF)
    return list(create_app(settings, database=database).router.routes)


def test_the_application_has_one_flat_list_of_them(routes: list[BaseRoute]) -> None:
    ours = [route for route in routes if isinstance(route, OurRoute)]
    others = [route for route in routes if not isinstance(route, OurRoute | Index)]
    assert len(ours) > 100
    assert all(route.path.startswith(route.beginning) and route.beginning for route in ours)
    assert not [route for route in others if isinstance(route, APIRoute)]
    assert all(isinstance(route, APIWebSocketRoute | Mount | Route) for route in others)


def test_the_index_finds_what_the_list_would_find(routes: list[BaseRoute]) -> None:
    (index,) = (route for route in routes if isinstance(route, Index))
    listed = routes[routes.index(index) + 1 :]
    for route in [route for route in listed if isinstance(route, OurRoute)]:
        for method in route.methods or ():
            path = re.sub(r"\{[^}]+\}", str(new_id()), route.path)
            scope = {"type": "http", "method": method, "path": path, "headers": []}
            first = next(one for one in listed if one.matches(scope)[0] is Match.FULL)
            match, found = index.matches(scope)
            assert match is Match.FULL
            assert found["route"] is first
        assert index.matches({**scope, "method": "BREW"})[0] is Match.NONE
    assert index.matches({**scope, "path": "/no/such/page"})[0] is Match.NONE


def test_no_route_is_hidden_by_an_earlier_one(routes: list[BaseRoute]) -> None:
    """Features come in an order: `/invoices/{id}` must not take what a later one calls `/invoices/new`."""
    ours = [route for route in routes if isinstance(route, OurRoute)]
    for route in ours:
        path = re.sub(r"\{[^}]+\}", str(new_id()), route.path)
        for method in route.methods or ():
            scope = {"type": "http", "method": method, "path": path, "headers": []}
            first = next(one for one in ours if one.matches(scope)[0] is Match.FULL)
            assert first is route, f"{method} {route.path} is hidden by {first.path}"
