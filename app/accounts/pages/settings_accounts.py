"""系统设置 → 账号: list, create, and everything an admin does with one account."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Form, Query, Request
from starlette.responses import HTMLResponse

from app.accounts import key_queries, queries, service
from app.accounts.deps import Admin
from app.accounts.principal import ROLE_NAMES, Principal, Role
from app.accounts.queries import AccountView
from app.accounts.service import AccountDraft
from app.core.clock import Clock
from app.core.db import Database, Session
from app.core.page_parts import Pager
from app.core.pagination import PageRequest
from app.core.routing import Router
from app.core.templating import render
from app.core.web import ClockDep, DatabaseDep, Paging, Reading, SettingsDep
from app.errors import Conflict, Invalid, QingkaError
from app.settings import Settings

BASE = "/settings/accounts"
ROLE_OPTIONS = [(role.value, ROLE_NAMES[role]) for role in Role]

router = Router(prefix=BASE)


@dataclass(frozen=True, slots=True)
class AccountLine:
    """One account of the list. `state`: enabled or disabled."""

    id: UUID
    name: str
    display_name: str
    roles: list[str]
    state: str
    locked_until: datetime | None
    totp: bool
    must_change_password: bool
    enterprises: int | None


@dataclass(frozen=True, slots=True)
class AccountForm:
    """What was typed for a new account."""

    name: str = ""
    display_name: str = ""
    roles: list[str] = field(default_factory=lambda: [Role.OPERATOR.value])
    reach: str = "chosen"


@dataclass(frozen=True, slots=True)
class OneTimePassword:
    """Shown on this page only, never again."""

    name: str
    password: str
    access_href: str = ""


@dataclass(frozen=True, slots=True)
class AccountsPage:
    """templates/accounts/list.html. `asked`: the dialog for a new account is open."""

    rows: list[AccountLine]
    pager: Pager
    q: str
    role_options: list[tuple[str, str]]
    form: AccountForm
    errors: dict[str, str]
    asked: bool
    created: OneTimePassword | None


@dataclass(frozen=True, slots=True)
class AccountPage:
    """templates/accounts/detail.html. `asked` names the open dialog, or is empty."""

    account: AccountLine
    created_at: datetime
    password_changed_at: datetime
    role_options: list[tuple[str, str]]
    role_values: list[str]
    open_sessions: int
    own: bool
    keys: list[str]
    errors: dict[str, str]
    asked: str
    one_time: OneTimePassword | None


def _line(view: AccountView) -> AccountLine:
    account = view.account
    return AccountLine(
        id=account.id,
        name=account.name,
        display_name=account.display_name,
        roles=[ROLE_NAMES[role] for role in Role if role in view.roles],
        state="enabled" if account.disabled_at is None else "disabled",
        locked_until=view.locked_until,
        totp=service.uses_totp(account),
        must_change_password=account.must_change_password,
        enterprises=None if view.enterprise_ids is None else len(view.enterprise_ids),
    )


@router.get("")
def show_accounts(
    request: Request,
    principal: Admin,
    session: Reading,
    page: Paging,
    clock: ClockDep,
    q: Annotated[str, Query(max_length=100)] = "",
    confirm: bool = False,
) -> HTMLResponse:
    """The list."""
    found = queries.list_accounts(session, q=q.strip(), page=page)
    shown = queries.views(session, found.items, at=clock())
    following = {"q": q, "cursor": found.next_cursor} if found.next_cursor else None
    context = AccountsPage(
        rows=[_line(view) for view in shown],
        pager=Pager(
            next_href=f"{BASE}?{urlencode(following)}" if following else None,
            first_href=BASE if page.cursor else None,
        ),
        q=q,
        role_options=ROLE_OPTIONS,
        form=AccountForm(),
        errors={},
        asked=confirm,
        created=None,
    )
    return render(request, "accounts/list.html", context)


@router.post("")
def create_account(
    request: Request,
    principal: Admin,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    name: Annotated[str, Form()] = "",
    display_name: Annotated[str, Form()] = "",
    roles: Annotated[list[str] | None, Form()] = None,
    reach: Annotated[Literal["all", "chosen"], Form()] = "all",
    password: Annotated[str, Form()] = "",
) -> HTMLResponse:
    """Make an account and show its one-time password, on this page only.

    `chosen`: it sees no enterprise until some are chosen on the page that the answer links to.
    """
    form = AccountForm(name[:64], display_name[:64], roles or [], reach)
    try:
        limits = None if reach == "all" else frozenset[UUID]()
        draft = AccountDraft(name, parse_roles(form.roles), display_name, enterprise_ids=limits)
        service.verify_step_up(database, principal, password, settings=settings, clock=clock)
        with database.transaction() as session:
            new = service.create_account(
                session, draft, by=principal, settings=settings, clock=clock
            )
            href = f"{BASE}/{new.account.id}/access" if reach == "chosen" else ""
            made = OneTimePassword(new.account.name, new.one_time_password or "", href)
    except (Invalid, Conflict) as error:
        return _list_again(request, database, clock, form, error)
    return _list_again(request, database, clock, AccountForm(), None, made)


def parse_roles(words: list[str]) -> frozenset[Role]:
    """The roles of a form. Raises Invalid for others."""
    try:
        return frozenset(Role(word) for word in words)
    except ValueError as error:
        raise Invalid(errors={"roles": "没有这个角色"}) from error


def _list_again(
    request: Request,
    database: Database,
    clock: Clock,
    form: AccountForm,
    error: QingkaError | None,
    created: OneTimePassword | None = None,
) -> HTMLResponse:
    """The first page of the list with the form's errors, or with what was made."""
    with database.reading() as session:
        found = queries.list_accounts(session, page=PageRequest())
        shown = [_line(view) for view in queries.views(session, found.items, at=clock())]
    following = found.next_cursor
    context = AccountsPage(
        rows=shown,
        pager=Pager(next_href=f"{BASE}?{urlencode({'cursor': following})}" if following else None),
        q="",
        role_options=ROLE_OPTIONS,
        form=form,
        errors=form_errors(error),
        asked=error is not None,
        created=created,
    )
    status = error.status if error else 201
    return render(request, "accounts/list.html", context, status_code=status)


def form_errors(error: QingkaError | None) -> dict[str, str]:
    """Messages by field; one that belongs to no field stands under `form`."""
    if error is None:
        return {}
    return error.errors or {"form": error.detail}


@router.get("/{account_id}")
def show_account(
    request: Request,
    account_id: UUID,
    principal: Admin,
    session: Reading,
    settings: SettingsDep,
    clock: ClockDep,
    confirm: Annotated[str, Query(max_length=20)] = "",
) -> HTMLResponse:
    """One account."""
    context = account_page(
        session, account_id, principal, settings=settings, at=clock(), asked=confirm
    )
    return render(request, "accounts/detail.html", context)


def account_page(
    session: Session,
    account_id: UUID,
    principal: Principal,
    *,
    settings: Settings,
    at: datetime,
    asked: str = "",
    errors: dict[str, str] | None = None,
    one_time: OneTimePassword | None = None,
) -> AccountPage:
    """The context of one account's page."""
    account = service.find(session, account_id)
    view = queries.views(session, [account], at=at)[0]
    idle = timedelta(minutes=settings.session_idle_minutes)
    return AccountPage(
        account=_line(view),
        created_at=account.created_at,
        password_changed_at=account.password_changed_at,
        role_options=ROLE_OPTIONS,
        role_values=[role.value for role in view.roles],
        open_sessions=len(queries.open_sessions_of(session, account_id, at=at, idle=idle)),
        own=account_id == principal.id,
        keys=[row.name for row in key_queries.keys_answered_for(session, account_id)],
        errors=errors or {},
        asked=asked,
        one_time=one_time,
    )
