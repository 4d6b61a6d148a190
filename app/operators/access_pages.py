"""系统设置 → 账号 / API 密钥 → 可见企业: chosen by typing, shown by name; an account's operator as well."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Form, Request
from starlette.responses import HTMLResponse, Response

from app.accounts import key_queries
from app.accounts import queries as accounts_queries
from app.accounts import service as accounts_service
from app.accounts.deps import Admin
from app.accounts.models import ApiKey
from app.accounts.principal import SYSTEM_WIDE, SYSTEM_WIDE_ROLES, Principal
from app.core.clock import Clock
from app.core.db import Database, Session
from app.core.routing import Router
from app.core.templating import redirect, render
from app.core.web import ClockDep, DatabaseDep, SettingsDep
from app.enterprises.models import Enterprise
from app.errors import NotFound, QingkaError
from app.operators import access
from app.settings import Settings

SHOWN = 200
"""Chosen enterprises listed at once, to be taken away; of more, those that fit what is typed."""

router = Router(prefix="/settings", include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose reach it is. `wide`: may do what knows no enterprise, so it is not limited."""

    subject: str
    name: str
    back: str
    url: str
    enterprise_ids: frozenset[UUID] | None
    wide: bool
    operator_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class EnterpriseChoice:
    """An enterprise with a tick box."""

    id: str
    name: str
    tax_no: str
    ticked: bool


@dataclass(frozen=True, slots=True)
class AccessPage:
    """templates/accounts/access.html. `reach`: all or chosen; `hits` is None before anything was typed."""

    holder: Holder
    reach: str
    chosen: list[EnterpriseChoice]
    chosen_count: int
    hits: list[EnterpriseChoice] | None
    q: str
    operator_code: str
    errors: dict[str, str]


@dataclass(frozen=True, slots=True)
class AccessForm:
    """What was ticked and typed. `action`: search only looks, save keeps."""

    reach: str = "chosen"
    add: tuple[UUID, ...] = ()
    remove: tuple[UUID, ...] = ()
    q: str = ""
    operator_code: str = ""
    password: str = ""
    action: str = "save"

    def result(self, now: frozenset[UUID] | None) -> frozenset[UUID] | None:
        """The enterprises after it; None: all."""
        if self.reach == "all":
            return None
        return ((now or frozenset()) | {*self.add}) - {*self.remove}


Text = Annotated[str, Form(max_length=200)]
Ids = Annotated[list[UUID] | None, Form(max_length=500)]


async def _form(
    reach: Text = "chosen",
    add: Ids = None,
    remove: Ids = None,
    q: Text = "",
    operator_code: Text = "",
    password: Text = "",
    action: Text = "save",
) -> AccessForm:
    ticked = tuple(dict.fromkeys(add or ())), tuple(remove or ())
    return AccessForm(reach, *ticked, q, operator_code, password, action)


@dataclass(frozen=True, slots=True)
class Access:
    """A request about the reach of an account or a key."""

    request: Request
    principal: Principal
    database: Database
    settings: Settings
    clock: Clock

    def show(self, find: Callable[[Session], Holder]) -> HTMLResponse:
        """The reach as it is."""
        with self.database.reading() as session:
            holder = find(session)
            form = AccessForm(
                reach="all" if holder.enterprise_ids is None else "chosen",
                operator_code=access.code_of(session, holder.operator_id),
            )
            page = _page(session, holder, form, self.principal, {})
        return render(self.request, "accounts/access.html", page)

    def change(
        self,
        form: AccessForm,
        find: Callable[[Session], Holder],
        save: Callable[[Session, Holder], None],
    ) -> Response:
        """Only look for enterprises, or verify the person and keep the choice."""
        errors: dict[str, str] = {}
        status = 200
        if form.action == "save":
            try:
                self._save(form.password, find, save)
            except QingkaError as error:
                errors, status = error.errors or {"form": error.detail}, error.status
        with self.database.reading() as session:
            holder = find(session)
            page = _page(session, holder, form, self.principal, errors)
        if form.action == "save" and not errors:
            return redirect(holder.back, flash="已保存，下一次请求起生效")
        return render(self.request, "accounts/access.html", page, status_code=status)

    def _save(
        self,
        password: str,
        find: Callable[[Session], Holder],
        save: Callable[[Session, Holder], None],
    ) -> None:
        accounts_service.verify_step_up(
            self.database, self.principal, password, settings=self.settings, clock=self.clock
        )
        with self.database.transaction() as session:
            save(session, find(session))


def _page(
    session: Session, holder: Holder, form: AccessForm, principal: Principal, errors: dict[str, str]
) -> AccessPage:
    chosen = access.enterprises_of(session, holder.enterprise_ids or ())
    typed = form.q.strip().casefold()
    fitting = [one for one in chosen if typed in f"{one.name} {one.tax_no}".casefold()]
    hits = [*access.enterprises_of(session, form.add)]
    known = {one.id for one in (*chosen, *hits)}
    found = access.matching(session, form.q, principal)
    hits += [one for one in found if one.id not in known]
    return AccessPage(
        holder=holder,
        reach=form.reach,
        chosen=[_choice(one, one.id in form.remove) for one in fitting[:SHOWN]],
        chosen_count=len(chosen),
        hits=[_choice(one, one.id in form.add) for one in hits] if typed or hits else None,
        q=form.q,
        operator_code=form.operator_code,
        errors=errors,
    )


def _choice(enterprise: Enterprise, ticked: bool) -> EnterpriseChoice:
    return EnterpriseChoice(str(enterprise.id), enterprise.name, enterprise.tax_no, ticked)


async def _access(
    request: Request,
    principal: Admin,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
) -> Access:
    return Access(request, principal, database, settings, clock)


AccessDep = Annotated[Access, Depends(_access)]
FormDep = Annotated[AccessForm, Depends(_form)]


def _account(account_id: UUID, clock: Clock) -> Callable[[Session], Holder]:
    def find(session: Session) -> Holder:
        account = accounts_service.find(session, account_id)
        view = accounts_queries.views(session, [account], at=clock())[0]
        back = f"/settings/accounts/{account_id}"
        return Holder(
            "account",
            account.display_name,
            back,
            f"{back}/access",
            view.enterprise_ids,
            bool(SYSTEM_WIDE_ROLES & view.roles),
            account.operator_id,
        )

    return find


def _key(key_id: UUID) -> Callable[[Session], Holder]:
    def find(session: Session) -> Holder:
        row = session.get(ApiKey, key_id)
        if row is None:
            raise NotFound
        back = "/settings/api-keys"
        return Holder(
            "key",
            row.name,
            back,
            f"{back}/{key_id}/access",
            key_queries.key_views(session, [row])[0].enterprise_ids,
            bool({one.value for one in SYSTEM_WIDE} & set(row.scopes.split())),
        )

    return find


@router.get("/accounts/{account_id}/access")
def account_access(account_id: UUID, of: AccessDep) -> HTMLResponse:
    """What the account sees, and which operator it is."""
    return of.show(_account(account_id, of.clock))


@router.post("/accounts/{account_id}/access")
def change_account_access(account_id: UUID, of: AccessDep, form: FormDep) -> Response:
    """Choose them."""

    def save(session: Session, holder: Holder) -> None:
        changes = accounts_service.AccountChanges(
            holder.name,
            access.operator_coded(session, form.operator_code),
            form.result(holder.enterprise_ids),
        )
        accounts_service.change_account(
            session, account_id, changes, by=of.principal, clock=of.clock
        )

    return of.change(form, _account(account_id, of.clock), save)


@router.get("/api-keys/{key_id}/access")
def key_access(key_id: UUID, of: AccessDep) -> HTMLResponse:
    """What the key reaches."""
    return of.show(_key(key_id))


@router.post("/api-keys/{key_id}/access")
def change_key_access(key_id: UUID, of: AccessDep, form: FormDep) -> Response:
    """Choose it."""

    def save(session: Session, holder: Holder) -> None:
        accounts_service.limit_api_key(
            session,
            key_id,
            form.result(holder.enterprise_ids),
            by=of.principal,
            at=of.clock(),
        )

    return of.change(form, _key(key_id), save)
