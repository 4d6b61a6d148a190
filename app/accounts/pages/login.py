"""登录 and 退出登录."""

from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import Form, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.accounts import kept_forms, service
from app.accounts.deps import SignedIn, limiter, session_principal
from app.accounts.pages.cookies import drop_session_cookie, set_session_cookie
from app.accounts.service.attempts import address_key
from app.accounts.service.sessions import cookie_name, why_gone
from app.accounts.service.sign_in import Credentials, Refusal, Refused
from app.core.routing import Router
from app.core.templating import redirect, render
from app.core.web import (
    ClientIp,
    ClockDep,
    DatabaseDep,
    SettingsDep,
    Writing,
    clock_of,
    database_of,
    settings_of,
)
from app.errors import TooManyRequests

SIGN_INS_PER_MINUTE = 60
"""Tries of one address, whatever the names: an office behind one address fits in, a script does not."""

WRONG = "用户名或密码不正确"
"""The same words for an unknown name, a wrong password, a wrong code and a disabled account."""

router = Router()


@dataclass(frozen=True, slots=True)
class LoginPage:
    """templates/login.html. `ask_code`: the password was right, the one-time code is missing.

    `why` one is here: how the session ended, `expired`, `first` for a page that wants one; "" of one's own accord.
    `kept`: what was typed comes back after signing in.
    """

    username: str = ""
    next: str = ""
    message: str = ""
    ask_code: bool = False
    why: str = ""
    kept: bool = False


@router.get("/login")
def show_login(
    request: Request, next_path: Annotated[str, Query(alias="next", max_length=2000)] = ""
) -> Response:
    """The form, or onwards for those who are signed in."""
    target = own_path(next_path)
    if session_principal(request) is not None:
        return RedirectResponse(target or "/", status_code=303)
    return render(request, "login.html", _led_here(request, LoginPage(next=target)))


@router.post("/login")
def login(
    request: Request,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    ip: ClientIp,
    username: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    totp: Annotated[str, Form()] = "",
    next_path: Annotated[str, Form(alias="next")] = "",
) -> Response:
    """Sign in; a refusal shows the form again with the name kept."""
    _limit(request, ip, clock().timestamp())
    given = Credentials(
        name=username,
        password=password,
        code=totp,
        ip=ip,
        user_agent=request.headers.get("user-agent", ""),
        previous_token=request.cookies.get(cookie_name(settings)),
    )
    result = service.sign_in(database, given, settings=settings, clock=clock)
    target = own_path(next_path)
    if isinstance(result, Refused):
        return _refused(request, result, username, target)
    response = RedirectResponse(target or "/", status_code=303)
    set_session_cookie(response, result.session.token, settings)
    return response


def _limit(request: Request, ip: str, now: float) -> None:
    verdict = limiter(request, "sign_in_limiter", SIGN_INS_PER_MINUTE).take(address_key(ip), now)
    if not verdict.allowed:
        raise TooManyRequests("登录尝试过于频繁，请稍候再试", headers=verdict.headers)


def _refused(request: Request, refused: Refused, username: str, target: str) -> HTMLResponse:
    message = WRONG
    if refused.reason is Refusal.LOCKED and refused.until is not None:
        message = service.locked_text(refused.until)
    elif refused.reason is Refusal.CODE_REQUIRED:
        message = "请重新输入密码，并输入手机上的动态验证码"
    page = LoginPage(username[:64], target, message, refused.reason is Refusal.CODE_REQUIRED)
    return render(request, "login.html", _led_here(request, page), status_code=422)


def _led_here(request: Request, page: LoginPage) -> LoginPage:
    """The form, saying why one is there."""
    settings, now = settings_of(request), clock_of(request)()
    kept = kept_forms.waits(request, page.next, settings, at=now)
    token = request.cookies.get(cookie_name(settings))
    if token:
        return replace(page, why=why_gone(database_of(request), token), kept=kept)
    return replace(page, why="first" if page.next else "", kept=kept)


def own_path(text: str) -> str:
    """A path of this site, or empty: never an address elsewhere, however it is disguised."""
    if not text.startswith("/") or text.startswith(("//", "/\\")) or len(text) > 2000:
        return ""
    if "\\" in text or not text.isprintable() or text.split("?")[0] in ("/login", "/logout"):
        return ""
    return text


@router.post("/logout")
def logout(
    principal: SignedIn, session: Writing, settings: SettingsDep, clock: ClockDep
) -> RedirectResponse:
    """End this session at once, here and on the server."""
    service.sign_out(session, principal, at=clock())
    response = redirect("/login", flash="已退出登录")
    drop_session_cookie(response, settings)
    return response
