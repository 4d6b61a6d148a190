"""The buttons of one account's page; each asks for the admin's password again."""

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import Response

from app.accounts import service
from app.accounts.deps import Admin
from app.accounts.pages.settings_accounts import BASE, Action, parse_roles
from app.core.db import Session
from app.core.web import ClockDep, DatabaseDep, SettingsDep

router = APIRouter(prefix=BASE + "/{account_id}")

Password = Annotated[str, Form()]


def _action(
    request: Request,
    account_id: UUID,
    principal: Admin,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
) -> Action:
    return Action(request, account_id, principal, database, settings, clock)


ActionDep = Annotated[Action, Depends(_action)]


def _quiet(change: Callable[..., Any], action: Action) -> Callable[[Session], None]:
    """`change` as a step that has nothing to show."""

    def apply(session: Session) -> None:
        change(session, action.account_id, by=action.principal, clock=action.clock)

    return apply


@router.post("/roles")
def set_roles(
    action: ActionDep,
    roles: Annotated[list[str] | None, Form()] = None,
    password: Password = "",
) -> Response:
    """Replace the roles."""

    def change(session: Session) -> None:
        service.set_roles(
            session,
            action.account_id,
            parse_roles(roles or []),
            by=action.principal,
            settings=action.settings,
            clock=action.clock,
        )

    return action.run("roles", password, "角色已更新", change)


@router.post("/disable")
def disable(action: ActionDep, password: Password = "") -> Response:
    """No more signing in."""
    done = "账号已停用，登录已全部结束"
    return action.run("disable", password, done, _quiet(service.disable_account, action))


@router.post("/enable")
def enable(action: ActionDep, password: Password = "") -> Response:
    """Signing in works again."""
    return action.run("enable", password, "账号已启用", _quiet(service.enable_account, action))


@router.post("/unlock")
def unlock(action: ActionDep, password: Password = "") -> Response:
    """Forget the failed tries."""
    return action.run("unlock", password, "账号已解锁", _quiet(service.unlock_account, action))


@router.post("/end-sessions")
def end_sessions(action: ActionDep, password: Password = "") -> Response:
    """End every session of the account."""
    done = "该账号的登录已全部结束"
    return action.run("end-sessions", password, done, _quiet(service.end_all_sessions, action))


@router.post("/remove-totp")
def remove_totp(action: ActionDep, password: Password = "") -> Response:
    """For a person who lost the phone."""

    def change(session: Session) -> None:
        account = service.find(session, action.account_id)
        service.remove_totp(session, account, by=action.principal, at=action.clock())

    return action.run("remove-totp", password, "动态验证码已停用", change)


@router.post("/reset-password")
def reset_password(action: ActionDep, password: Password = "") -> Response:
    """A one-time password, shown on the answer's page only."""

    def change(session: Session) -> str:
        return service.reset_password(
            session, action.account_id, by=action.principal, clock=action.clock
        )

    return action.run("reset-password", password, "", change)
