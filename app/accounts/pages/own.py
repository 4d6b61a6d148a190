"""我的账号: one's own password, sessions and second factor."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Form, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.accounts import queries, service
from app.accounts.deps import Person, SignedIn
from app.accounts.models import Account, SessionEnd
from app.accounts.pages.cookies import set_session_cookie
from app.accounts.principal import Principal
from app.core.db import Session
from app.core.routing import Router
from app.core.templating import redirect, render
from app.core.web import ClockDep, DatabaseDep, Reading, SettingsDep, Writing
from app.errors import Invalid
from app.settings import Settings

router = Router()


@dataclass(frozen=True, slots=True)
class PasswordPage:
    """templates/accounts/password.html. `why`: once, expired, or empty when nothing forces it."""

    why: str
    max_days: int
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SessionLine:
    """One of one's own sessions."""

    id: UUID
    device: str
    ip: str
    created_at: datetime
    last_seen_at: datetime
    current: bool


@dataclass(frozen=True, slots=True)
class OwnPage:
    """templates/accounts/own.html. `factor`: off, pending or on. `asked`: the dialog is open."""

    name: str
    display_name: str
    roles: list[str]
    password_changed_at: datetime
    password_expires_at: datetime | None
    sessions: list[SessionLine]
    factor: str
    secret: str
    errors: dict[str, str]
    asked: bool


@router.get("/account/password")
def show_password(
    request: Request, principal: SignedIn, session: Reading, settings: SettingsDep
) -> HTMLResponse:
    """The form to change one's own password."""
    account = service.find(session, principal.id)
    return render(request, "accounts/password.html", _password_page(principal, account, settings))


def _password_page(
    principal: Principal,
    account: Account,
    settings: Settings,
    errors: dict[str, str] | None = None,
) -> PasswordPage:
    why = ""
    if principal.must_change_password:
        why = "once" if account.must_change_password else "expired"
    return PasswordPage(why, settings.password_max_days, errors or {})


@router.post("/account/password")
def change_password(
    request: Request,
    principal: SignedIn,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    old_password: Annotated[str, Form()] = "",
    new_password: Annotated[str, Form()] = "",
    repeated: Annotated[str, Form()] = "",
) -> Response:
    """Change it; the other sessions end and this one gets a new token."""
    try:
        if new_password != repeated:
            raise Invalid(errors={"repeated": "两次输入的新密码不一致"})
        token = service.change_password(
            database,
            principal,
            old=old_password,
            new=new_password,
            settings=settings,
            clock=clock,
        )
    except Invalid as error:
        with database.reading() as session:
            account = service.find(session, principal.id)
        page = _password_page(principal, account, settings, error.errors)
        return render(request, "accounts/password.html", page, status_code=error.status)
    response = redirect("/", flash="密码已修改，其他设备上的登录已结束")
    if token:
        set_session_cookie(response, token, settings)
    return response


@router.get("/account")
def show_own(
    request: Request,
    principal: Person,
    session: Reading,
    settings: SettingsDep,
    clock: ClockDep,
    confirm: bool = False,
) -> HTMLResponse:
    """One's own account."""
    page = _own_page(session, principal, settings=settings, at=clock(), asked=confirm)
    return render(request, "accounts/own.html", page)


def _own_page(
    session: Session,
    principal: Principal,
    *,
    settings: Settings,
    at: datetime,
    errors: dict[str, str] | None = None,
    asked: bool = False,
) -> OwnPage:
    account = service.find(session, principal.id)
    idle = timedelta(minutes=settings.session_idle_minutes)
    days = timedelta(days=settings.password_max_days)
    factor = "on" if service.uses_totp(account) else "pending" if account.totp_secret else "off"
    pending = factor == "pending"
    return OwnPage(
        name=account.name,
        display_name=account.display_name,
        roles=principal.role_names,
        password_changed_at=account.password_changed_at,
        password_expires_at=account.password_changed_at + days if days else None,
        sessions=[
            SessionLine(
                id=one.id,
                device=browser_name(one.user_agent),
                ip=one.ip,
                created_at=one.created_at,
                last_seen_at=one.last_seen_at,
                current=one.id == principal.session_id,
            )
            for one in queries.open_sessions_of(session, account.id, at=at, idle=idle)
        ],
        factor=factor,
        secret=service.pending_secret(session, principal, settings=settings) if pending else "",
        errors=errors or {},
        asked=asked,
    )


_SYSTEMS = (
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)
_BROWSERS = (
    ("MicroMessenger", "微信"),
    ("Edg", "Edge"),
    ("Firefox", "Firefox"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)


def browser_name(user_agent: str) -> str:
    """A browser and its system in words a person recognises, e.g. `Edge · Windows`."""
    browser = next((word for mark, word in _BROWSERS if mark in user_agent), "其他程序")
    system = next((word for mark, word in _SYSTEMS if mark in user_agent), "")
    return f"{browser} · {system}" if system else browser


@router.post("/account/sessions/{session_id}/end")
def end_session(
    session_id: UUID, principal: Person, session: Writing, clock: ClockDep
) -> RedirectResponse:
    """End one of one's own sessions."""
    service.end_session(session, principal, session_id, at=clock())
    return redirect("/account", flash="该登录已结束")


@router.post("/account/sessions/end-others")
def end_other_sessions(principal: Person, session: Writing, clock: ClockDep) -> RedirectResponse:
    """End all of one's own sessions but this one."""
    ended = service.end_sessions_of(
        session,
        principal.id,
        actor=principal.actor,
        reason=SessionEnd.ENDED_BY_OWNER,
        at=clock(),
        keep=principal.session_id,
    )
    return redirect("/account", flash=f"已结束其他 {ended} 处登录")


@router.post("/account/totp/start")
def start_totp(
    request: Request,
    principal: Person,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    password: Annotated[str, Form()] = "",
) -> Response:
    """Make a secret to be scanned; it counts once a first code is confirmed."""
    try:
        service.verify_step_up(database, principal, password, settings=settings, clock=clock)
    except Invalid as error:
        return _again(request, principal, database, settings, clock, error, True)
    with database.transaction() as session:
        service.start_totp(session, principal, settings=settings)
    return redirect("/account", flash="请用手机验证器扫描二维码，再输入动态验证码完成启用")


@router.post("/account/totp/confirm")
def confirm_totp(
    request: Request,
    principal: Person,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    code: Annotated[str, Form()] = "",
) -> Response:
    """The first code: from now on signing in asks for one."""
    try:
        with database.transaction() as session:
            service.confirm_totp(session, principal, code, settings=settings, at=clock())
    except Invalid as error:
        return _again(request, principal, database, settings, clock, error, False)
    return redirect("/account", flash="动态验证码已启用")


@router.post("/account/totp/remove")
def remove_totp(
    request: Request,
    principal: Person,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    password: Annotated[str, Form()] = "",
) -> Response:
    """Signing in asks for the password only."""
    try:
        service.verify_step_up(database, principal, password, settings=settings, clock=clock)
    except Invalid as error:
        return _again(request, principal, database, settings, clock, error, True)
    with database.transaction() as session:
        service.remove_totp(session, service.find(session, principal.id), by=principal, at=clock())
    return redirect("/account", flash="动态验证码已停用")


def _again(
    request: Request,
    principal: Principal,
    database: DatabaseDep,
    settings: Settings,
    clock: ClockDep,
    error: Invalid,
    asked: bool,
) -> HTMLResponse:
    with database.reading() as session:
        page = _own_page(
            session, principal, settings=settings, at=clock(), errors=error.errors, asked=asked
        )
    return render(request, "accounts/own.html", page, status_code=error.status)


@router.get("/account/totp.svg")
def totp_qr(principal: Person, session: Reading, settings: SettingsDep) -> Response:
    """The secret waiting to be confirmed, as a QR code."""
    svg = service.pending_qr_svg(session, principal, settings=settings)
    return Response(svg, media_type="image/svg+xml", headers={"Cache-Control": "no-store"})
