"""系统设置 → API 密钥: list, create (shown once), revoke."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Form, Request
from starlette.responses import HTMLResponse, Response

from app.accounts import key_queries, queries, service
from app.accounts.deps import Admin
from app.accounts.key_queries import KeyView
from app.accounts.names import normalize_name
from app.accounts.principal import PERMISSION_NAMES, Permission
from app.core.clock import Clock
from app.core.db import Database, Session
from app.core.page_parts import Pager
from app.core.pagination import PageRequest
from app.core.routing import Router
from app.core.templating import redirect, render
from app.core.web import ClockDep, DatabaseDep, Paging, Reading, SettingsDep
from app.errors import Conflict, Forbidden, Invalid, QingkaError

BASE = "/settings/api-keys"
SCOPE_OPTIONS = [(one.value, f"{PERMISSION_NAMES[one]}（{one.value}）") for one in Permission]
LIFETIMES = {"30": "30 天", "90": "90 天", "365": "1 年", "never": "永不过期"}

router = Router(prefix=BASE)


@dataclass(frozen=True, slots=True)
class KeyLine:
    """One key. `state`: usable, expired, left (whoever answers for it is disabled) or revoked."""

    id: UUID
    name: str
    prefix: str
    scopes: list[str]
    state: str
    expires_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime
    enterprises: int | None
    responsible: str


@dataclass(frozen=True, slots=True)
class KeyForm:
    """What was typed for a new key."""

    name: str = ""
    scopes: list[str] = field(default_factory=lambda: [Permission.READ.value])
    lifetime: str = "365"
    reach: str = "all"


@dataclass(frozen=True, slots=True)
class NewKey:
    """Shown on this page only, never again."""

    name: str
    key: str
    access_href: str = ""


@dataclass(frozen=True, slots=True)
class KeysPage:
    """templates/accounts/api_keys.html. `asked`: `create`, the id of the key to revoke, or empty."""

    rows: list[KeyLine]
    pager: Pager
    scope_options: list[tuple[str, str]]
    lifetimes: list[tuple[str, str]]
    form: KeyForm
    errors: dict[str, str]
    asked: str
    created: NewKey | None


def _state(view: KeyView, at: datetime) -> str:
    row = view.row
    if row.revoked_at is not None:
        return "revoked"
    if row.expires_at is not None and row.expires_at <= at:
        return "expired"
    return "left" if view.responsible_disabled else "usable"


def _line(view: KeyView, at: datetime) -> KeyLine:
    row = view.row
    return KeyLine(
        id=row.id,
        name=row.name,
        prefix=row.prefix,
        scopes=[PERMISSION_NAMES[Permission(scope)] for scope in row.scopes.split()],
        state=_state(view, at),
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        created_at=row.created_at,
        enterprises=None if view.enterprise_ids is None else len(view.enterprise_ids),
        responsible=view.responsible,
    )


def _page(
    session: Session,
    page: PageRequest,
    at: datetime,
    *,
    form: KeyForm | None = None,
    errors: dict[str, str] | None = None,
    asked: str = "",
    created: NewKey | None = None,
) -> KeysPage:
    found = key_queries.list_api_keys(session, page=page)
    following = urlencode({"cursor": found.next_cursor}) if found.next_cursor else ""
    return KeysPage(
        rows=[_line(view, at) for view in key_queries.key_views(session, found.items)],
        pager=Pager(
            next_href=f"{BASE}?{following}" if following else None,
            first_href=BASE if page.cursor else None,
        ),
        scope_options=SCOPE_OPTIONS,
        lifetimes=list(LIFETIMES.items()),
        form=form or KeyForm(),
        errors=errors or {},
        asked=asked,
        created=created,
    )


@router.get("")
def show_keys(
    request: Request,
    principal: Admin,
    session: Reading,
    page: Paging,
    clock: ClockDep,
    confirm: str = "",
) -> HTMLResponse:
    """The list."""
    asked = "create" if confirm == "1" else confirm
    return render(request, "accounts/api_keys.html", _page(session, page, clock(), asked=asked))


@router.post("")
def create_key(
    request: Request,
    principal: Admin,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    name: Annotated[str, Form()] = "",
    scopes: Annotated[list[str] | None, Form()] = None,
    lifetime: Annotated[str, Form()] = "365",
    reach: Annotated[Literal["all", "chosen"], Form()] = "all",
    password: Annotated[str, Form()] = "",
) -> HTMLResponse:
    """Make a key and show it, on this page only."""
    form = KeyForm(name[:64], scopes or [], lifetime, reach)
    try:
        chosen, expires_at = _parse(form, clock())
        service.verify_step_up(database, principal, password, settings=settings, clock=clock)
        with database.transaction() as session:
            new = service.create_api_key(
                session,
                by=principal,
                name=name,
                scopes=chosen,
                expires_at=expires_at,
                at=clock(),
                enterprise_ids=None if reach == "all" else frozenset(),
            )
            href = f"{BASE}/{new.row.id}/access" if reach == "chosen" else ""
            made = NewKey(new.row.name, new.key, href)
    except (Invalid, Forbidden) as error:
        return _again(request, database, clock, error, "create", form)
    with database.reading() as session:
        context = _page(session, PageRequest(), clock(), created=made)
    return render(request, "accounts/api_keys.html", context, status_code=201)


def _parse(form: KeyForm, now: datetime) -> tuple[frozenset[Permission], datetime | None]:
    try:
        scopes = frozenset(Permission(scope) for scope in form.scopes)
    except ValueError as error:
        raise Invalid(errors={"scopes": "没有这项权限"}) from error
    if form.lifetime not in LIFETIMES:
        raise Invalid(errors={"lifetime": "请选择有效期"})
    never = form.lifetime == "never"
    return scopes, None if never else now + timedelta(days=int(form.lifetime))


def _again(
    request: Request,
    database: Database,
    clock: Clock,
    error: QingkaError,
    asked: str,
    form: KeyForm | None = None,
) -> HTMLResponse:
    errors = error.errors or {"form": error.detail}
    with database.reading() as session:
        context = _page(session, PageRequest(), clock(), form=form, errors=errors, asked=asked)
    return render(request, "accounts/api_keys.html", context, status_code=error.status)


@router.post("/{key_id}/revoke")
def revoke_key(
    request: Request,
    key_id: UUID,
    principal: Admin,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    password: Annotated[str, Form()] = "",
) -> Response:
    """The key stops working at once."""
    try:
        service.verify_step_up(database, principal, password, settings=settings, clock=clock)
    except Invalid as error:
        return _again(request, database, clock, error, str(key_id))
    with database.transaction() as session:
        row = service.revoke_api_key(session, key_id, by=principal, at=clock())
        name = row.name
    return redirect(BASE, flash=f"密钥“{name}”已吊销")


@router.post("/{key_id}/hand-over")
def hand_over_key(
    request: Request,
    key_id: UUID,
    principal: Admin,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    to_account: Annotated[str, Form(max_length=100)] = "",
    password: Annotated[str, Form()] = "",
) -> Response:
    """Another account answers for the key."""
    try:
        service.verify_step_up(database, principal, password, settings=settings, clock=clock)
        with database.transaction() as session:
            receiver = queries.account_by_name(session, normalize_name(to_account))
            if receiver is None:
                raise Invalid(errors={"to_account": "没有这个用户名的账号"})
            row = service.hand_over_api_key(session, key_id, receiver.id, by=principal, at=clock())
            flash = f"密钥“{row.name}”已移交给 {receiver.display_name}"
    except (Invalid, Conflict) as error:
        return _again(request, database, clock, error, f"hand-over-{key_id}")
    return redirect(BASE, flash=flash)
