"""Every router of the server is ours: one of FastAPI's would bring back its nested lists and its threads."""

from pathlib import Path

from fastapi.routing import APIRoute, APIWebSocketRoute
from starlette.routing import Mount, Route

from app.core.db import Database
from app.core.routing import Route as OurRoute
from app.main import create_app
from app.settings import ROOT, AgentMode, Settings


def test_routers_of_features_are_ours() -> None:
    files = [path for path in (ROOT / "app").rglob("*.py") if "agent" not in path.parts]
    using = {path.name for path in files if "APIRouter" in path.read_text(encoding="utf-8")}
    assert using == {"routing.py"}


def test_the_application_has_one_flat_list_of_them(database: Database, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, agent=AgentMode.OFF)
    routes = create_app(settings, database=database).router.routes
    ours = [route for route in routes if isinstance(route, OurRoute)]
    others = [route for route in routes if not isinstance(route, OurRoute)]
    assert len(ours) > 100
    assert all(route.path.startswith(route.beginning) and route.beginning for route in ours)
    assert not [route for route in others if isinstance(route, APIRoute)]
    assert all(isinstance(route, APIWebSocketRoute | Mount | Route) for route in others)
