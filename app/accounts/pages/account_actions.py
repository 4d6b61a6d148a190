"""The buttons of one account's page; each asks for the admin's password again."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Form, Request
from starlette.responses import HTMLResponse, Response

from app.accounts import service
from app.accounts.deps import Admin
from app.accounts.pages.settings_accounts import (
    BASE,
    OneTimePassword,
    account_page,
    form_errors,
    parse_roles,
)
from app.accounts.principal import Principal
from app.core.clock import Clock
from app.core.db import Database, Session
from app.core.routing import Router
from app.core.templating import redirect, render
from app.core.web import ClockDep, DatabaseDep, SettingsDep
from app.errors import Conflict, Invalid
from app.settings import Settings

router = Router(prefix=BASE + "/{account_id}")

Change = Callable[[Session], str | None]
"""A change in a transaction; gives a password to show once, or None."""


@dataclass(frozen=True, slots=True)
class Action:
    """A change of one account from its page: the dialog it came from, and what is said afterwards."""

    request: Request
    account_id: UUID
    principal: Principal
    database: Database
    settings: Settings
    clock: Clock

    def run(self, dialog: str, password: str, done: str, change: Change) -> Response:
        """Verify the admin, change, and say so; errors open the dialog again."""
        try:
            service.verify_step_up(
                self.database, self.principal, password, settings=self.settings, clock=self.clock
            )
            with self.database.transaction() as session:
                secret = change(session)
        except (Invalid, Conflict) as error:
            return self._page(error.status, asked=dialog, errors=form_errors(error))
        if secret is None:
            return redirect(f"{BASE}/{self.account_id}", flash=done)
        return self._page(200, secret=secret)

    def _page(
        self,
        status: int,
        *,
        asked: str = "",
        errors: dict[str, str] | None = None,
        secret: str | None = None,
    ) -> HTMLResponse:
        with self.database.reading() as session:
            name = service.find(session, self.account_id).name
            context = account_page(
                session,
                self.account_id,
                self.principal,
                settings=self.settings,
                at=self.clock(),
                asked=asked,
                errors=errors,
                one_time=None if secret is None else OneTimePassword(name, secret),
            )
        return render(self.request, "accounts/detail.html", context, status_code=status)


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
