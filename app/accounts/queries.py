"""Selects of accounts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.accounts.models import (
    Account,
    AccountEnterprise,
    AccountRole,
    AccountSession,
    ApiKey,
    SessionEnd,
    SignInAttempt,
)
from app.accounts.principal import SYSTEM_WIDE_ROLES, Principal, PrincipalKind, Role
from app.core import security
from app.core.pagination import Page, PageRequest, encode_cursor

EVERYWHERE = "*"
"""The address of `sign_in_attempts` that stands for all of them together."""

ROLES_TEXT = (
    sa.select(sa.func.aggregate_strings(sa.cast(col(AccountRole.role), sa.String), " "))
    .where(col(AccountRole.account_id) == col(Account.id))
    .correlate(Account)
    .scalar_subquery()
)
ENTERPRISES_TEXT = (
    sa.select(
        sa.func.aggregate_strings(sa.cast(col(AccountEnterprise.enterprise_id), sa.String), " ")
    )
    .where(col(AccountEnterprise.account_id) == col(Account.id))
    .correlate(Account)
    .scalar_subquery()
)
_OPEN_SESSION: sa.Select[Any] = (
    sa.select(
        col(AccountSession.id).label("session_id"),
        col(AccountSession.last_seen_at),
        col(AccountSession.expires_at),
        col(Account.id).label("account_id"),
        col(Account.name),
        col(Account.display_name),
        col(Account.password_changed_at),
        col(Account.must_change_password),
        col(Account.all_enterprises),
        ROLES_TEXT.label("roles"),
        ENTERPRISES_TEXT.label("enterprises"),
    )
    .join(Account, col(Account.id) == col(AccountSession.account_id))
    .where(
        col(AccountSession.token_hash) == sa.bindparam("token_hash"),
        col(AccountSession.ended_at).is_(None),
        col(Account.disabled_at).is_(None),
    )
)


def open_session(connection: sa.Connection, token_hash: str) -> Any | None:
    """One row with everything a request of this session needs, or None; expiry is the caller's."""
    return connection.execute(_OPEN_SESSION, {"token_hash": token_hash}).one_or_none()


def session_end(session: Session, token_hash: str) -> SessionEnd | None:
    """Why the session of this token was ended; None if nobody did, or there is none."""
    wanted = select(AccountSession.ended_reason).where(AccountSession.token_hash == token_hash)
    ended = session.exec(wanted).one_or_none()
    return SessionEnd(ended) if ended else None


def account_by_name(session: Session, name: str) -> Account | None:
    """The account with this normalised name."""
    return session.exec(select(Account).where(Account.name == name)).one_or_none()


def account(session: Session, account_id: UUID) -> Account | None:
    """The account."""
    return session.get(Account, account_id)


def is_barred(session: Session, principal: Principal, *, at: datetime) -> bool:
    """Whether the account has been disabled, or the API key revoked, has expired, or was left by its person."""
    if principal.kind is PrincipalKind.ACCOUNT:
        person = session.get(Account, principal.id)
        return person is not None and person.disabled_at is not None
    key = session.get(ApiKey, principal.id) if principal.kind is PrincipalKind.API_KEY else None
    if key is None:
        return False
    expired = key.expires_at is not None and key.expires_at <= at
    person = session.get(Account, key.responsible_id) if key.responsible_id else None
    left = person is not None and person.disabled_at is not None
    return key.revoked_at is not None or expired or left


def any_account(session: Session) -> bool:
    """Whether there is an account at all."""
    return session.exec(select(Account.id).limit(1)).first() is not None


def roles_of(session: Session, account_id: UUID) -> frozenset[Role]:
    """The roles of one account."""
    rows = session.exec(select(AccountRole.role).where(AccountRole.account_id == account_id))
    return frozenset(Role(role) for role in rows)


def roles_of_many(session: Session, ids: Iterable[UUID]) -> dict[UUID, frozenset[Role]]:
    """Roles by account, for a list."""
    rows = session.exec(
        select(AccountRole.account_id, AccountRole.role).where(
            col(AccountRole.account_id).in_(list(ids))
        )
    )
    found: dict[UUID, set[Role]] = {}
    for account_id, role in rows:
        found.setdefault(account_id, set()).add(Role(role))
    return {account_id: frozenset(roles) for account_id, roles in found.items()}


@dataclass(frozen=True, slots=True)
class AccountView:
    """An account with what lists and pages show of it. `enterprise_ids` None: sees all."""

    account: Account
    roles: frozenset[Role]
    enterprise_ids: frozenset[UUID] | None
    locked_until: datetime | None


def views(session: Session, accounts: Sequence[Account], *, at: datetime) -> list[AccountView]:
    """These accounts with roles, limits and locks: three queries for any number."""
    ids = [one.id for one in accounts]
    roles = roles_of_many(session, ids)
    limits = _enterprises_of_many(session, ids)
    locks = _locked_until(session, [one.name for one in accounts], at)
    return [
        AccountView(
            one,
            roles.get(one.id, frozenset()),
            None if one.all_enterprises else limits.get(one.id, frozenset()),
            locks.get(one.name),
        )
        for one in accounts
    ]


def _enterprises_of_many(session: Session, ids: Sequence[UUID]) -> dict[UUID, frozenset[UUID]]:
    rows = session.exec(
        select(AccountEnterprise.account_id, AccountEnterprise.enterprise_id).where(
            col(AccountEnterprise.account_id).in_(ids)
        )
    )
    found: dict[UUID, set[UUID]] = {}
    for account_id, enterprise_id in rows:
        found.setdefault(account_id, set()).add(enterprise_id)
    return {account_id: frozenset(limit) for account_id, limit in found.items()}


def _locked_until(session: Session, names: Sequence[str], at: datetime) -> dict[str, datetime]:
    """Until when names are locked, each for the address locked longest."""
    by_hash = {security.hash_token(name): name for name in names}
    rows = session.exec(
        select(SignInAttempt.name_hash, SignInAttempt.locked_until).where(
            col(SignInAttempt.name_hash).in_(list(by_hash)),
            SignInAttempt.address != EVERYWHERE,
            col(SignInAttempt.locked_until) > at,
        )
    )
    found: dict[str, datetime] = {}
    for name_hash, until in rows:
        if until is not None:
            name = by_hash[name_hash]
            found[name] = max(until, found.get(name, until))
    return found


def list_accounts(session: Session, *, q: str = "", page: PageRequest) -> Page[Account]:
    """Accounts by name; `q` is part of the name or the display name."""
    wanted = select(Account).order_by(Account.name).limit(page.limit + 1)
    key = page.key(str)
    if key is not None:
        wanted = wanted.where(col(Account.name) > key[0])
    if q:
        wanted = wanted.where(
            sa.or_(
                col(Account.name).contains(q.casefold(), autoescape=True),
                col(Account.display_name).contains(q, autoescape=True),
            )
        )
    rows = list(session.exec(wanted))
    shown = rows[: page.limit]
    more = len(rows) > page.limit
    return Page[Account](items=shown, next_cursor=encode_cursor(shown[-1].name) if more else None)


def active_admins(session: Session) -> Sequence[UUID]:
    """Accounts that can administrate, locked until the end of the transaction."""
    return session.exec(
        select(Account.id)
        .join(AccountRole, col(AccountRole.account_id) == col(Account.id))
        .where(
            col(Account.disabled_at).is_(None),
            col(Account.all_enterprises),
            AccountRole.role == Role.ADMIN,
        )
        .order_by(col(Account.id))
        .with_for_update()
    ).all()


def open_sessions_of(
    session: Session, account_id: UUID, *, at: datetime, idle: timedelta
) -> Sequence[AccountSession]:
    """The account's sessions that still work at `at`, newest use first."""
    return session.exec(
        select(AccountSession)
        .where(
            AccountSession.account_id == account_id,
            col(AccountSession.ended_at).is_(None),
            AccountSession.expires_at > at,
            AccountSession.last_seen_at > at - idle,
        )
        .order_by(col(AccountSession.last_seen_at).desc())
    ).all()


def signed_in_from(session: Session, account_id: UUID, ip: str, since: datetime) -> bool:
    """Whether this account signed in from this address after `since`."""
    found = session.exec(
        select(AccountSession.id)
        .where(
            AccountSession.account_id == account_id,
            AccountSession.ip == ip,
            AccountSession.created_at > since,
        )
        .limit(1)
    ).first()
    return found is not None


def limited_with_system_roles(session: Session) -> Sequence[Account]:
    """Accounts of an older version with limits and a role that knows none: the role does not count."""
    return session.exec(
        select(Account)
        .where(
            col(Account.all_enterprises).is_(False),
            col(Account.disabled_at).is_(None),
            col(Account.id).in_(
                select(AccountRole.account_id).where(
                    col(AccountRole.role).in_([role for role in SYSTEM_WIDE_ROLES])
                )
            ),
        )
        .order_by(Account.name)
    ).all()
