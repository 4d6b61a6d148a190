"""Who makes this request, and may they: FastAPI dependencies of every route."""

import threading
from collections.abc import Awaitable, Callable
from typing import Annotated, cast

from fastapi import Depends, FastAPI, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.accounts.principal import PERMISSION_NAMES, Permission, Principal, PrincipalKind
from app.accounts.service.api_keys import authenticate_api_key
from app.accounts.service.sessions import authenticate_session, cookie_name
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.core.ratelimit import RateLimiter
from app.core.threads import on_thread
from app.core.web import client_ip, clock_of, database_of, settings_of, wants_html
from app.errors import Forbidden, TooManyRequests, Unauthenticated

PASSWORD_PAGE = "/account/password"  # noqa: S105
"""Where an account that has to change its password is sent from every page."""

_bearer = HTTPBearer(auto_error=False, scheme_name="apiKey", description="API 密钥")
_limiters_lock = threading.Lock()


class PasswordChangeRequired(Forbidden):
    """The password is a one-time one, or has expired."""

    code = "password.change_required"
    title = "需要先修改密码"
    remedy = "请登录网页修改密码后继续。"
    page_redirect = PASSWORD_PAGE


def principal_of(request: Request) -> Principal | None:
    """Who was found for this request, without asking the database again; for the layout of pages."""
    return cast(Principal | None, getattr(request.state, "principal", None))


async def signed_in(
    request: Request,
    response: Response,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Principal:
    """The principal, even when a change of password is due. Raises Unauthenticated."""
    return await on_thread(identify, request, response, bearer)


def identify(
    request: Request, response: Response, bearer: HTTPAuthorizationCredentials | None
) -> Principal:
    """The same on this thread."""
    if bearer is not None:
        principal = _by_api_key(request, response, bearer.credentials)
    elif (by_cookie := session_principal(request)) is not None:
        principal = by_cookie
    else:
        raise Unauthenticated(headers=_challenge(request))
    request.state.principal = principal
    return principal


def session_principal(request: Request) -> Principal | None:
    """The principal of the session cookie, or None without a session that still works."""
    settings = settings_of(request)
    token = request.cookies.get(cookie_name(settings))
    if not token:
        return None
    return authenticate_session(
        database_of(request),
        token,
        settings=settings,
        at=clock_of(request)(),
        ip=client_ip(request),
    )


def _by_api_key(request: Request, response: Response, key: str) -> Principal:
    at = clock_of(request)()
    principal = authenticate_api_key(
        database_of(request), key, settings=settings_of(request), at=at, ip=client_ip(request)
    )
    if principal is None:
        raise Unauthenticated("API 密钥无效、已过期或已吊销", headers=_challenge(request))
    verdict = _api_limiter(request).take(str(principal.id), at.timestamp())
    if not verdict.allowed:
        raise TooManyRequests(headers=verdict.headers)
    response.headers.update(verdict.headers)
    return principal


def _challenge(request: Request) -> dict[str, str]:
    return {} if wants_html(request) else {"WWW-Authenticate": 'Bearer realm="qingka"'}


def _api_limiter(request: Request) -> RateLimiter:
    return limiter(request, "api_limiter", settings_of(request).api_rate_per_minute)


def limiter(request: Request, name: str, per_minute: int) -> RateLimiter:
    """The application's limiter of this name, made at its first use."""
    app = cast(FastAPI, request.app)
    with _limiters_lock:
        if not hasattr(app.state, name):
            setattr(app.state, name, RateLimiter(per_minute))
        return cast(RateLimiter, getattr(app.state, name))


SignedIn = Annotated[Principal, Depends(signed_in)]
"""Signed in, also with a password that has to be changed first: only for the few routes it needs."""


async def current_principal(principal: SignedIn) -> Principal:
    """The principal of every other route. Raises Unauthenticated or PasswordChangeRequired."""
    if principal.must_change_password:
        raise PasswordChangeRequired
    return principal


CurrentPrincipal = Annotated[Principal, Depends(current_principal)]
"""Who makes this request, whatever they may do."""


def require(permission: Permission) -> Callable[..., Awaitable[Principal]]:
    """A dependency that gives the principal if allowed; else the refusal is audited and answered 403."""

    async def permitted(request: Request, signed_in: SignedIn) -> Principal:
        principal = await current_principal(signed_in)
        if not principal.can(permission):
            await on_thread(_record_refusal, request, principal, permission)
            raise Forbidden(f"需要权限：{PERMISSION_NAMES[permission]}（{permission}）")
        return principal

    return permitted


def _record_refusal(request: Request, principal: Principal, permission: Permission) -> None:
    with database_of(request).transaction() as session:
        audit.record(
            session,
            actor=principal.actor,
            action=AuditAction.ACCESS_REFUSED,
            object_type="permission",
            object_id=permission.value,
            at=clock_of(request)(),
            details={"method": request.method, "path": request.url.path[:200]},
        )


async def _person(principal: CurrentPrincipal) -> Principal:
    if principal.kind is not PrincipalKind.ACCOUNT:
        raise Forbidden("只有登录的账号可以使用")
    return principal


Person = Annotated[Principal, Depends(_person)]
"""A signed-in account, not an API key."""

Reader = Annotated[Principal, Depends(require(Permission.READ))]
OperatorsWriter = Annotated[Principal, Depends(require(Permission.OPERATORS_WRITE))]
DevicesWriter = Annotated[Principal, Depends(require(Permission.DEVICES_WRITE))]
ClearingRequester = Annotated[Principal, Depends(require(Permission.CLEARING_REQUEST))]
ClearingReviewer = Annotated[Principal, Depends(require(Permission.CLEARING_REVIEW))]
ClearingExecutor = Annotated[Principal, Depends(require(Permission.CLEARING_EXECUTE))]
BackupRestorer = Annotated[Principal, Depends(require(Permission.BACKUP_RESTORE))]
AuditReader = Annotated[Principal, Depends(require(Permission.AUDIT_READ))]
Admin = Annotated[Principal, Depends(require(Permission.ADMIN))]
