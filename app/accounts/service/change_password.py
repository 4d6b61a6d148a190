"""Changing one's own password, and an admin's reset of another's."""

from uuid import UUID

from sqlmodel import Session

from app.accounts import queries
from app.accounts.models import Account, SessionEnd
from app.accounts.principal import Principal
from app.accounts.service import attempts
from app.accounts.service.passwords import check_new_password, one_time_password
from app.accounts.service.sessions import end_sessions_of, renew_token
from app.accounts.service.step_up import StepUpFailed, verify_step_up
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.core import security
from app.core.clock import Clock
from app.core.db import Database
from app.errors import Forbidden, Invalid, NotFound
from app.settings import Settings


def change_password(
    database: Database,
    principal: Principal,
    *,
    old: str,
    new: str,
    settings: Settings,
    clock: Clock,
) -> str | None:
    """Replace one's own password; ends all other sessions and gives this one's new token.

    Commits by itself, like every check of a password. Raises Invalid with the field at fault.
    """
    if not principal.is_person:
        raise Forbidden("只有登录的账号可以修改密码")
    check_new_password(new, name=principal.name, old=old)
    try:
        verify_step_up(database, principal, old, settings=settings, clock=clock)
    except StepUpFailed as error:
        raise Invalid(error.detail, errors={"old_password": error.detail}) from error
    hashed = security.hash_password(new)
    with database.transaction() as session:
        return _replace(session, principal, hashed, clock)


def _replace(session: Session, principal: Principal, hashed: str, clock: Clock) -> str | None:
    account, at = _account(session, principal.id), clock()
    account.password_hash = hashed
    account.password_changed_at = at
    account.must_change_password = False
    account.revision += 1
    session.add(account)
    session.flush()
    token = renew_token(session, principal.session_id) if principal.session_id else None
    end_sessions_of(
        session,
        account.id,
        actor=principal.actor,
        reason=SessionEnd.PASSWORD_CHANGED,
        at=at,
        keep=principal.session_id,
    )
    audit.record(
        session,
        actor=principal.actor,
        action=AuditAction.ACCOUNT_PASSWORD_CHANGED,
        object_type="account",
        object_id=str(account.id),
        at=at,
    )
    return token


def reset_password(
    session: Session,
    account_id: UUID,
    *,
    by: Principal,
    clock: Clock,
    password: str | None = None,
) -> str:
    """Give an account a password to be changed at the next sign-in, a random one unless given.

    Ends its sessions and forgets its failed tries. Raises NotFound or Invalid.
    """
    given = password or one_time_password()
    hashed = security.hash_password(given)
    account, at = _account(session, account_id), clock()
    if password is not None:
        check_new_password(password, name=account.name, field="password")
    account.password_hash = hashed
    account.password_changed_at = at
    account.must_change_password = True
    account.revision += 1
    session.add(account)
    session.flush()
    attempts.unlock(session, name=account.name)
    end_sessions_of(session, account.id, actor=by.actor, reason=SessionEnd.PASSWORD_CHANGED, at=at)
    audit.record(
        session,
        actor=by.actor,
        action=AuditAction.ACCOUNT_PASSWORD_RESET,
        object_type="account",
        object_id=str(account.id),
        at=at,
        details={"name": account.name},
    )
    return given


def _account(session: Session, account_id: UUID) -> Account:
    account = queries.account(session, account_id)
    if account is None:
        raise NotFound
    return account
