"""What admins do with accounts: create, give roles, limit, disable, unlock."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col

from app.accounts import queries
from app.accounts.errors import LastAdmin, LimitedRole, NameTaken, OwnAccount
from app.accounts.models import Account, AccountEnterprise, AccountRole, SessionEnd
from app.accounts.names import checked_display_name, checked_name
from app.accounts.principal import (
    SEPARATED_FROM_ADMIN,
    SYSTEM_WIDE_ROLES,
    Principal,
    Role,
)
from app.accounts.service import attempts
from app.accounts.service.passwords import check_new_password, one_time_password
from app.accounts.service.sessions import end_sessions_of
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.core import security
from app.core.clock import Clock
from app.errors import Invalid, NotFound
from app.settings import Profile, Settings


@dataclass(frozen=True, slots=True)
class NewAccount:
    """`one_time_password` is set when none was given: show it once."""

    account: Account
    one_time_password: str | None


@dataclass(frozen=True, slots=True)
class AccountDraft:
    """What a new account is made of. `enterprise_ids` None: sees all enterprises."""

    name: str
    roles: frozenset[Role]
    display_name: str = ""
    password: str | None = None
    must_change_password: bool = True
    enterprise_ids: frozenset[UUID] | None = None
    operator_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class AccountChanges:
    """The new values of what an admin may change besides roles and state."""

    display_name: str
    operator_id: UUID | None
    enterprise_ids: frozenset[UUID] | None


def create_account(
    session: Session, draft: AccountDraft, *, by: Principal, settings: Settings, clock: Clock
) -> NewAccount:
    """Make an account. Raises Invalid, or NameTaken."""
    name = checked_name(draft.name)
    check_roles(draft.roles, settings.profile)
    _check_limits(draft.roles, draft.enterprise_ids)
    if draft.password is not None:
        check_new_password(draft.password, name=name, field="initial_password")
    one_time = None if draft.password is not None else one_time_password()
    hashed = security.hash_password(draft.password or one_time or "")
    at = clock()
    account = Account(
        name=name,
        display_name=checked_display_name(draft.display_name, name),
        password_hash=hashed,
        password_changed_at=at,
        must_change_password=draft.must_change_password or one_time is not None,
        operator_id=draft.operator_id,
        created_at=at,
    )
    _insert(session, account)
    _store_roles(session, account.id, draft.roles)
    _store_enterprises(session, account, draft.enterprise_ids)
    _record(session, account, by, AuditAction.ACCOUNT_CREATED, at, roles=_words(draft.roles))
    return NewAccount(account, one_time)


def _insert(session: Session, account: Account) -> None:
    if queries.account_by_name(session, account.name) is not None:
        raise NameTaken(errors={"name": NameTaken.title})
    session.add(account)
    try:
        session.flush()
    except IntegrityError as error:
        raise NameTaken(errors={"name": NameTaken.title}) from error


def check_roles(roles: Collection[Role], profile: Profile) -> None:
    """Raises Invalid without a role, or for duties the profile keeps apart."""
    if not roles:
        raise Invalid(errors={"roles": "至少选择一个角色"})
    if profile is Profile.DENGBAO and Role.ADMIN in roles and SEPARATED_FROM_ADMIN & set(roles):
        raise Invalid(errors={"roles": "按等保要求，管理员不能兼任审核员或审计员"})


def _check_limits(roles: Collection[Role], enterprise_ids: frozenset[UUID] | None) -> None:
    if enterprise_ids is not None and SYSTEM_WIDE_ROLES & set(roles):
        raise LimitedRole(errors={"enterprise_ids": LimitedRole.title})


def set_roles(
    session: Session,
    account_id: UUID,
    roles: frozenset[Role],
    *,
    by: Principal,
    settings: Settings,
    clock: Clock,
) -> Account:
    """Replace the roles; open sessions have them from the next request on."""
    check_roles(roles, settings.profile)
    account, at = find(session, account_id), clock()
    before = queries.roles_of(session, account_id)
    if before == roles:
        return account
    _check_limits(roles, queries.views(session, [account], at=at)[0].enterprise_ids)
    if Role.ADMIN in before - roles:
        _check_not_last_admin(session, account_id)
    _store_roles(session, account_id, roles)
    _touched(session, account)
    _record(
        session,
        account,
        by,
        AuditAction.ACCOUNT_ROLES_CHANGED,
        at,
        before=_words(before),
        after=_words(roles),
    )
    return account


def change_account(
    session: Session,
    account_id: UUID,
    changes: AccountChanges,
    *,
    by: Principal,
    clock: Clock,
) -> Account:
    """Replace display name, operator and limits."""
    account, at = find(session, account_id), clock()
    account.display_name = checked_display_name(changes.display_name, account.name)
    account.operator_id = changes.operator_id
    _check_limits(queries.roles_of(session, account_id), changes.enterprise_ids)
    _store_enterprises(session, account, changes.enterprise_ids)
    _touched(session, account)
    limited = None if changes.enterprise_ids is None else sorted(map(str, changes.enterprise_ids))
    _record(
        session,
        account,
        by,
        AuditAction.ACCOUNT_CHANGED,
        at,
        display_name=account.display_name,
        operator_id=str(account.operator_id or ""),
        enterprise_ids=limited,
    )
    return account


def disable_account(session: Session, account_id: UUID, *, by: Principal, clock: Clock) -> Account:
    """No more signing in, and all sessions end with the commit."""
    account, at = find(session, account_id), clock()
    if account_id == by.id:
        raise OwnAccount
    if account.disabled_at is not None:
        return account
    if Role.ADMIN in queries.roles_of(session, account_id):
        _check_not_last_admin(session, account_id)
    account.disabled_at = at
    _touched(session, account)
    end_sessions_of(session, account_id, actor=by.actor, reason=SessionEnd.ACCOUNT_DISABLED, at=at)
    _record(session, account, by, AuditAction.ACCOUNT_DISABLED, at)
    return account


def enable_account(session: Session, account_id: UUID, *, by: Principal, clock: Clock) -> Account:
    """Signing in works again."""
    account, at = find(session, account_id), clock()
    if account.disabled_at is None:
        return account
    account.disabled_at = None
    _touched(session, account)
    _record(session, account, by, AuditAction.ACCOUNT_ENABLED, at)
    return account


def unlock_account(session: Session, account_id: UUID, *, by: Principal, clock: Clock) -> Account:
    """Forget the failed tries from every address."""
    account, at = find(session, account_id), clock()
    attempts.unlock(session, name=account.name)
    _record(session, account, by, AuditAction.ACCOUNT_UNLOCKED, at)
    return account


def end_all_sessions(session: Session, account_id: UUID, *, by: Principal, clock: Clock) -> int:
    """An admin ends every session of an account; gives how many."""
    find(session, account_id)
    return end_sessions_of(
        session, account_id, actor=by.actor, reason=SessionEnd.ENDED_BY_ADMIN, at=clock()
    )


def find(session: Session, account_id: UUID) -> Account:
    """The account. Raises NotFound."""
    account = queries.account(session, account_id)
    if account is None:
        raise NotFound
    return account


def _check_not_last_admin(session: Session, account_id: UUID) -> None:
    if not set(queries.active_admins(session)) - {account_id}:
        raise LastAdmin


def move_enterprise(
    session: Session, enterprise_id: UUID, *, from_account: UUID, to_account: UUID
) -> None:
    """The enterprise is seen by the one account and no more by the other; audited by the caller.

    An account that sees every enterprise goes on seeing all. Raises NotFound.
    """
    giver, receiver = find(session, from_account), find(session, to_account)
    given = session.get(AccountEnterprise, (giver.id, enterprise_id))
    if given is not None:
        session.delete(given)
    if not receiver.all_enterprises:
        key = (receiver.id, enterprise_id)
        if session.get(AccountEnterprise, key) is None:
            session.add(AccountEnterprise(account_id=receiver.id, enterprise_id=enterprise_id))
    _touched(session, giver)
    _touched(session, receiver)


def _store_roles(session: Session, account_id: UUID, roles: Collection[Role]) -> None:
    session.execute(sa.delete(AccountRole).where(col(AccountRole.account_id) == account_id))
    session.add_all(AccountRole(account_id=account_id, role=role) for role in roles)
    session.flush()


def _store_enterprises(
    session: Session, account: Account, enterprise_ids: frozenset[UUID] | None
) -> None:
    session.execute(
        sa.delete(AccountEnterprise).where(col(AccountEnterprise.account_id) == account.id)
    )
    account.all_enterprises = enterprise_ids is None
    session.add(account)
    session.add_all(
        AccountEnterprise(account_id=account.id, enterprise_id=one) for one in enterprise_ids or ()
    )
    session.flush()


def _touched(session: Session, account: Account) -> None:
    account.revision += 1
    session.add(account)
    session.flush()


def _words(roles: Collection[Role]) -> list[str]:
    return sorted(role.value for role in roles)


def _record(
    session: Session,
    account: Account,
    by: Principal,
    action: AuditAction,
    at: datetime,
    **details: Any,
) -> None:
    audit.record(
        session,
        actor=by.actor,
        action=action,
        object_type="account",
        object_id=str(account.id),
        at=at,
        details={"name": account.name, **details},
    )
