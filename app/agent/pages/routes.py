"""Routes of the agent's own page: devices, their last operations, the log, a self-test of each device."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache
from typing import Any

from fastapi import APIRouter, Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app import __version__
from app.agent import errors
from app.agent.drivers.registry import FAMILIES
from app.agent.pages.words import KINDS, OPERATION_KINDS, OPERATION_STATES, STATES, STEP_STATES
from app.agent.runtime import Runtime
from app.agent.self_test import SelfTest
from app.contracts.devices import DeviceSummary
from app.contracts.operations import Operation
from app.core.clock import local
from app.core.http import CSP

_OPERATIONS = 20
_HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class DeviceView:
    """One device with the self-test made last; `place` tells it apart, for its number may be unknown."""

    place: int
    summary: DeviceSummary
    test: SelfTest | None


@dataclass(frozen=True, slots=True)
class HomePage:
    """home.html."""

    version: str
    uptime_hours: float
    families: tuple[str, ...]
    link: str
    devices: tuple[DeviceView, ...]
    operations: tuple[Operation, ...]
    log: tuple[str, ...]


def page_routes(
    runtime: Runtime, log_lines: Callable[[], list[str]], link: Callable[[], str]
) -> APIRouter:
    """The routes. `link` says in words how the agent and its server are connected."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    def home() -> HTMLResponse:
        tests = runtime.self_tests()
        summaries = runtime.devices()
        page = HomePage(
            version=__version__,
            uptime_hours=runtime.status().uptime_seconds / 3600,
            families=FAMILIES,
            link=link(),
            devices=tuple(DeviceView(i, one, tests.get(i)) for i, one in enumerate(summaries)),
            operations=tuple(runtime.journal.latest(_OPERATIONS)),
            log=tuple(log_lines()),
        )
        return HTMLResponse(_rendered(page), headers=_HEADERS)

    @router.get("/agent.css")
    def stylesheet() -> Response:
        return Response(_stylesheet(), media_type="text/css", headers=_HEADERS)

    @router.post("/devices/{place}/self-test")
    def test(place: int, request: Request) -> Response:
        """自检. The result stands on the page that follows."""
        if not 0 <= place < len(runtime.devices()):
            raise errors.DeviceNotFound(str(place))
        runtime.self_test(place)
        return RedirectResponse(f"/#device-{place}", status_code=303, headers=_HEADERS)

    return router


def _rendered(page: HomePage) -> str:
    values = {field.name: getattr(page, field.name) for field in fields(page)}
    return _environment().get_template("home.html").render(values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("app.agent", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["moment"] = _moment
    environment.globals.update(_WORDS)
    return environment


@cache
def _stylesheet() -> str:
    loader = PackageLoader("app.agent", "pages")
    return loader.get_source(Environment(autoescape=True), "agent.css")[0]


def _moment(value: datetime | None) -> str:
    return "—" if value is None else f"{local(value):%Y-%m-%d %H:%M:%S}"


_WORDS: dict[str, Any] = {
    "KINDS": KINDS,
    "STATES": STATES,
    "OPERATION_KINDS": OPERATION_KINDS,
    "OPERATION_STATES": OPERATION_STATES,
    "STEP_STATES": STEP_STATES,
}
