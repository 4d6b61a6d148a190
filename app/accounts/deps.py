"""Who makes this request, and may they: FastAPI dependencies of every route."""

import threading
from typing import Annotated, cast

from fastapi import Depends, FastAPI, Request, Response
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.security.base import SecurityBase
from fastapi.security.utils import get_authorization_scheme_param

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


class SignedInScheme(SecurityBase):
    """Gives the principal of a request, even when a change of password is due. Raises Unauthenticated.

    Permission and scheme are one dependency on purpose: each further one costs a request as much as a select.
    """

    def __init__(self) -> None:
        self.model = HTTPBearerModel(description="API 密钥")
        self.scheme_name = "apiKey"

    async def __call__(self, request: Request, response: Response) -> Principal:
        """Asked once for a request, however many of its dependencies want to know."""
        known = principal_of(request)
        return known if known is not None else await on_thread(identify, request, response)


def identify(request: Request, response: Response) -> Principal:
    """Who makes this request, by key or session cookie; on this thread. Raises Unauthenticated."""
    scheme, key = get_authorization_scheme_param(request.headers.get("Authorization"))
    if scheme.lower() == "bearer" and key:
        principal = _by_api_key(request, response, key)
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


class CurrentScheme(SignedInScheme):
    """The principal of every ordinary route. Raises Unauthenticated or PasswordChangeRequired."""

    async def __call__(self, request: Request, response: Response) -> Principal:
        """The same, with a password that needs no change."""
        principal = await super().__call__(request, response)
        if principal.must_change_password:
            raise PasswordChangeRequired
        return principal


class Permitted(CurrentScheme):
    """The principal if it may do one of these; else the refusal is audited and answered 403."""

    def __init__(self, permission: Permission, *others: Permission) -> None:
        """With others: one of them is enough."""
        super().__init__()
        self.permission = permission
        self.enough = (permission, *others)

    async def __call__(self, request: Request, response: Response) -> Principal:
        """Raises Forbidden besides."""
        principal = await super().__call__(request, response)
        if not any(principal.can(one) for one in self.enough):
            await on_thread(_record_refusal, request, principal, self.permission)
            name = PERMISSION_NAMES[self.permission]
            raise Forbidden(f"需要权限：{name}（{self.permission}）")
        return principal


SignedIn = Annotated[Principal, Depends(SignedInScheme())]
"""Signed in, also with a password that has to be changed first: only for the few routes it needs."""

CurrentPrincipal = Annotated[Principal, Depends(CurrentScheme())]
"""Who makes this request, whatever they may do."""


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

Reader = Annotated[Principal, Depends(Permitted(Permission.READ))]
OperatorsWriter = Annotated[Principal, Depends(Permitted(Permission.OPERATORS_WRITE))]
DevicesWriter = Annotated[Principal, Depends(Permitted(Permission.DEVICES_WRITE))]
ClearingRequester = Annotated[Principal, Depends(Permitted(Permission.CLEARING_REQUEST))]
ClearingParticipant = Annotated[
    Principal, Depends(Permitted(Permission.CLEARING_REQUEST, Permission.CLEARING_REVIEW))
]
"""Who asks for clearings or reviews them: what they may do to one request is the request's to say."""
DeviceRereader = Annotated[
    Principal, Depends(Permitted(Permission.DEVICES_WRITE, Permission.CLEARING_REQUEST))
]
"""Who may have a device read again: it changes nothing but what is known of it."""
ClearingRetrier = Annotated[
    Principal, Depends(Permitted(Permission.CLEARING_REQUEST, Permission.CLEARING_EXECUTE))
]
"""May submit or execute: what else a retry needs is known of the request (clearing.service.approval)."""
DraftsWriter = Annotated[
    Principal, Depends(Permitted(Permission.CLEARING_REQUEST, Permission.DEVICES_WRITE))
]
"""May finish or delete drafts: they stand against the clearings people submit."""
ClearingReviewer = Annotated[Principal, Depends(Permitted(Permission.CLEARING_REVIEW))]
ClearingExecutor = Annotated[Principal, Depends(Permitted(Permission.CLEARING_EXECUTE))]
BackupRestorer = Annotated[Principal, Depends(Permitted(Permission.BACKUP_RESTORE))]
AuditReader = Annotated[Principal, Depends(Permitted(Permission.AUDIT_READ))]
Admin = Annotated[Principal, Depends(Permitted(Permission.ADMIN))]
