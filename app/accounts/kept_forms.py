"""What was typed into a form whose session had ended, kept until the same account has signed in again.

It stays in the browser that sent it, in a cookie no script reads, sealed so that nobody reads or changes it. A form
says by its mark to whom it was shown and on which page, so that nobody else is given what was typed in there.
Nothing is submitted: the page shows the input again and asks for everything that has to be asked for.
"""

import json
from datetime import datetime, timedelta
from typing import TypeVar, get_origin
from uuid import UUID

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData
from starlette.responses import Response

from app.accounts.principal import Principal
from app.core import crypto
from app.core.security import derive_key
from app.settings import Settings

MARK = "form_mark"
"""The hidden field of a form that can be kept."""

KEPT_FOR = timedelta(minutes=30)
MAX_SEALED = 3800
"""Browsers take 4,096 bytes for a cookie, its name and attributes included."""

_LEFT_OUT = frozenset({MARK, "password", "totp", "accepted_warnings", "previewed"})
"""Secrets, and what a person has to look at anew before it counts."""

M = TypeVar("M", bound=BaseModel)


def mark(principal: Principal, page: str, settings: Settings) -> str:
    """What a form shown to this account on this page carries."""
    text = json.dumps([str(principal.id), page])
    return crypto.seal(_key(settings), text, context="form mark")


def page_of(form_mark: str, settings: Settings) -> str:
    """The page of a form's mark; empty for one of another making."""
    return _owner_and_page(form_mark, settings)[1]


def sealed(form: FormData, settings: Settings, *, at: datetime) -> str:
    """The input as it can be kept; empty when it cannot, for want of a mark or because it is too long."""
    owner, page = _owner_and_page(str(form.get(MARK, "")), settings)
    if not page:
        return ""
    fields: dict[str, list[str]] = {}
    for name, value in form.multi_items():
        if isinstance(value, str) and value and name not in _LEFT_OUT:
            fields.setdefault(name, []).append(value)
    kept = [owner, page, (at + KEPT_FOR).timestamp(), fields]
    text = json.dumps(kept, ensure_ascii=False, separators=(",", ":"))
    result = crypto.seal(_key(settings), text, context="kept form")
    return result if len(result) <= MAX_SEALED else ""


def keep(response: Response, text: str, settings: Settings) -> None:
    """Leave it with the browser."""
    response.set_cookie(
        cookie_name(settings),
        text,
        max_age=int(KEPT_FOR.total_seconds()),
        path="/",
        secure=settings.secure_cookies,
        httponly=True,
        samesite="lax",
    )


def drop(request: Request, response: Response, settings: Settings) -> None:
    """Have the browser forget what it kept; once shown again, or shown to nobody, it has had its use."""
    if cookie_name(settings) in request.cookies:
        response.delete_cookie(
            cookie_name(settings),
            path="/",
            secure=settings.secure_cookies,
            httponly=True,
            samesite="lax",
        )


def waits(request: Request, page: str, settings: Settings, *, at: datetime) -> bool:
    """Whether this browser keeps input for the page, whoever is going to sign in."""
    return _kept(request, page, settings, at) is not None


def restored(
    schema: type[M],
    request: Request,
    principal: Principal,
    settings: Settings,
    *,
    at: datetime,
) -> M | None:
    """What this very account had typed into the form of the page asked for, or None."""
    found = _kept(request, request.url.path, settings, at)
    if found is None or found[0] != str(principal.id):
        return None
    lists = {
        name for name, one in schema.model_fields.items() if get_origin(one.annotation) is list
    }
    values = {name: given if name in lists else given[-1] for name, given in found[1].items()}
    try:
        return schema.model_validate(values)
    except ValidationError:
        return None  # what no form of ours holds is not shown again


def cookie_name(settings: Settings) -> str:
    """Bound to this host over TLS, as the session's."""
    return "__Host-qingka-form" if settings.secure_cookies else "qingka-form"


def _kept(
    request: Request, page: str, settings: Settings, at: datetime
) -> tuple[str, dict[str, list[str]]] | None:
    try:
        text = crypto.unseal(
            _key(settings), request.cookies.get(cookie_name(settings), ""), context="kept form"
        )
    except crypto.NotOpened:
        return None
    owner, stands_on, until, fields = json.loads(text)
    return (owner, fields) if stands_on == page and at.timestamp() < until else None


def _owner_and_page(form_mark: str, settings: Settings) -> tuple[str, str]:
    try:
        owner, page = json.loads(crypto.unseal(_key(settings), form_mark, context="form mark"))
    except crypto.NotOpened:
        return "", ""
    return str(UUID(owner)), str(page)


def _key(settings: Settings) -> bytes:
    return derive_key(settings.root_secret, "kept forms")
