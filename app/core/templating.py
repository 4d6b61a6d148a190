"""Server-rendered pages: one Jinja2 environment, typed contexts, the layout around every page."""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, RedirectResponse

from app.core.clock import local
from app.core.money import yuan
from app.core.page_parts import Option
from app.core.writing import QuickEnvironment
from app.settings import ROOT

Layout = Callable[[Request], dict[str, Any]]
"""Gives what templates/layout.html needs; installed by assembly as app.state.layout."""

FLASH_COOKIE = "qk_flash"


@cache
def environment() -> Environment:
    """The one environment; a name a template misses is an error, never an empty string."""
    env = QuickEnvironment(
        loader=FileSystemLoader(ROOT / "templates"),
        autoescape=True,
        auto_reload=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters.update(
        datetime=_datetime,
        day=_day,
        short_time=_short_time,
        time=_time,
        yuan=_yuan,
        count=_count,
        badge=_macro("macros.html", "badge"),
        left=_macro("words.html", "left"),
    )
    env.globals.update(static=static_url)
    return env


def render(
    request: Request, template: str, context: Any, *, status_code: int = 200
) -> HTMLResponse:
    """The page of a context dataclass; its fields are the template's names."""
    values = {field.name: getattr(context, field.name) for field in fields(context)}
    if not is_dataclass(context):
        raise TypeError("a page's context is a dataclass")
    layout: Layout = request.app.state.layout
    html = (
        environment()
        .get_template(template)
        .render(**layout(request), **values, flash=_read_flash(request), path=request.url.path)
    )
    response = HTMLResponse(html, status_code=status_code)
    response.headers["Cache-Control"] = "no-store"
    if FLASH_COOKIE in request.cookies:
        response.delete_cookie(FLASH_COOKIE, path="/")
    return response


def redirect(path: str, *, flash: str = "", kind: str = "ok") -> RedirectResponse:
    """303 to a path of ours, with a message the next page shows once."""
    response = RedirectResponse(path, status_code=303)
    if flash:
        value = json.dumps([kind, flash[:300]]).encode().hex()
        response.set_cookie(
            FLASH_COOKIE, value, max_age=60, httponly=True, samesite="lax", path="/"
        )
    return response


def _read_flash(request: Request) -> dict[str, str] | None:
    raw = request.cookies.get(FLASH_COOKIE)
    if not raw or len(raw) > 4000:
        return None
    try:
        kind, text = json.loads(bytes.fromhex(raw))
    except ValueError:
        return None
    known = kind if kind in ("ok", "warn", "bad") else "ok"
    return {"kind": known, "text": str(text)}


@cache
def static_url(path: str) -> str:
    """The address of a file of static/, with its content's hash so that it can be cached for ever."""
    content = (ROOT / "static" / path).read_bytes()
    return f"/static/{path}?v={hashlib.sha256(content).hexdigest()[:10]}"


def _datetime(value: datetime | None) -> str:
    return "—" if value is None else f"{local(value):%Y-%m-%d %H:%M}"


def _short_time(value: datetime | None) -> str:
    return "—" if value is None else f"{local(value):%m-%d %H:%M}"


def _time(value: datetime | None) -> str:
    return "—" if value is None else f"{local(value):%H:%M:%S}"


def _day(value: date | datetime | None) -> str:
    if value is None:
        return "—"
    return (local(value).date() if isinstance(value, datetime) else value).isoformat()


def _yuan(value: Decimal | None) -> str:
    return "—" if value is None else yuan(value)


def _count(value: int | None) -> str:
    return "—" if value is None else f"{value:,}"


def _macro(template: str, name: str) -> Callable[[Any], Markup]:
    """A macro of one plain value as a filter for lists: what it gives is made once for each value."""

    @lru_cache(maxsize=1024)
    def made(value: Any) -> Markup:
        macro: Callable[[Any], Markup] = getattr(environment().get_template(template).module, name)
        return macro(value)

    return made


def options(choices: Iterable[Option], chosen: str) -> Markup:
    """The <option>s of a select, for those so many that making them costs more than the rest of a page."""
    return Markup("\n").join(
        Markup('<option value="{}"{}>{}</option>').format(
            choice.value, _SELECTED if choice.value == chosen else "", choice.label
        )
        for choice in choices
    )


_SELECTED = Markup(" selected")


def template_names() -> list[str]:
    """Every template there is, for the test that compiles them all."""
    root = Path(ROOT / "templates")
    return sorted(str(path.relative_to(root)) for path in root.rglob("*.html"))
