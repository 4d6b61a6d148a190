"""Sessions of browsers: server side, found by the hash of a random token, ended at once."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Session, col

from app.accounts import queries
from app.accounts.models import Account, AccountSession, SessionEnd
from app.accounts.principal import Principal, PrincipalKind, Role, role_permissions, within_limits
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.audit.actor import SYSTEM, Actor
from app.core import security
from app.core.clock import Clock
from app.core.db import Database
from app.core.ids import new_token
from app.core.logging import get_logger
from app.errors import NotFound
from app.settings import Settings

log = get_logger(__name__)

TOUCH_EVERY = timedelta(minutes=1)
"""How exact `last_seen_at` is: one write a minute at most."""

_MAX_USER_AGENT = 300


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A new session; `token` exists here and in the browser only."""

    id: UUID
    token: str
    expires_at: datetime


def cookie_name(settings: Settings) -> str:
    """`__Host-` binds the cookie to this host over TLS; without TLS browsers refuse that prefix."""
    return "__Host-qingka" if settings.secure_cookies else "qingka"


def open_session(
    session: Session,
    account_id: UUID,
    *,
    settings: Settings,
    at: datetime,
    ip: str,
    user_agent: str = "",
) -> OpenSession:
    """Begin a session with a new 256-bit token."""
    token = new_token()
    row = AccountSession(
        token_hash=security.hash_token(token),
        account_id=account_id,
        created_at=at,
        last_seen_at=at,
        expires_at=at + timedelta(hours=settings.session_hours),
        ip=ip[:64],
        user_agent=user_agent[:_MAX_USER_AGENT],
    )
    session.add(row)
    return OpenSession(row.id, token, row.expires_at)


def authenticate_session(
    database: Database,
    token: str,
    *,
    settings: Settings,
    at: datetime,
    ip: str,
    note_use: bool = True,
) -> Principal | None:
    """Whose session this token is: one query, and at most one short write a minute.

    `note_use` False: asked on behalf of an open page, which must not keep its own session alive.
    """
    with database.looking_up() as connection:
        row = queries.open_session(connection, security.hash_token(token))
    idle = timedelta(minutes=settings.session_idle_minutes)
    if row is None or at >= row.expires_at or at >= row.last_seen_at + idle:
        return None
    if note_use and at - row.last_seen_at >= TOUCH_EVERY:
        _touch(database, row.session_id, at)
    return _principal(row, settings=settings, at=at, ip=ip)


def why_gone(database: Database, token: str) -> str:
    """How the session of a token that works no longer ended; `expired` where nobody ended it."""
    with database.reading() as session:
        ended = queries.session_end(session, security.hash_token(token))
    return ended.value if ended else "expired"


def _principal(row: Any, *, settings: Settings, at: datetime, ip: str) -> Principal:
    roles = frozenset(Role(word) for word in (row.roles or "").split())
    limited_to = frozenset(UUID(word) for word in (row.enterprises or "").split())
    enterprise_ids = None if row.all_enterprises else limited_to
    return Principal(
        kind=PrincipalKind.ACCOUNT,
        id=row.account_id,
        name=row.name,
        display_name=row.display_name,
        roles=roles,
        permissions=within_limits(role_permissions(roles, settings.profile), enterprise_ids),
        ip=ip,
        session_id=row.session_id,
        must_change_password=row.must_change_password
        or password_expired(row.password_changed_at, settings=settings, at=at),
        enterprise_ids=enterprise_ids,
    )


def password_expired(changed_at: datetime, *, settings: Settings, at: datetime) -> bool:
    """Whether a password of that age has to be changed; a limit of 0 days means never."""
    days = settings.password_max_days
    return days > 0 and at >= changed_at + timedelta(days=days)


def _touch(database: Database, session_id: UUID, at: datetime) -> None:
    """Note the use. A database that cannot be written now must not lock people out of reading."""
    try:
        with database.transaction() as session:
            session.execute(
                sa.update(AccountSession)
                .where(
                    col(AccountSession.id) == session_id,
                    col(AccountSession.last_seen_at) <= at - TOUCH_EVERY,
                )
                .values(last_seen_at=at)
            )
    except sa.exc.OperationalError as error:
        log.warning("last use of a session not noted", error=str(error))


def sign_out(session: Session, principal: Principal, *, at: datetime) -> None:
    """End the principal's own current session."""
    if principal.session_id is None:
        return
    _end(session, [principal.session_id], reason=SessionEnd.SIGNED_OUT, at=at)
    audit.record(
        session,
        actor=principal.actor,
        action=AuditAction.ACCOUNT_SIGNED_OUT,
        object_type="account",
        object_id=str(principal.id),
        at=at,
    )


def end_session(session: Session, principal: Principal, session_id: UUID, *, at: datetime) -> None:
    """End one of the principal's own sessions. Raises NotFound for anything else."""
    row = session.get(AccountSession, session_id)
    if row is None or row.account_id != principal.id:
        raise NotFound
    if _end(session, [session_id], reason=SessionEnd.ENDED_BY_OWNER, at=at):
        _record_end(session, principal.actor, principal.id, SessionEnd.ENDED_BY_OWNER, 1, at)


def end_sessions_of(
    session: Session,
    account_id: UUID,
    *,
    actor: Actor,
    reason: SessionEnd,
    at: datetime,
    keep: UUID | None = None,
) -> int:
    """End all sessions of an account but `keep`; gives how many."""
    open_ids = session.scalars(
        sa.select(col(AccountSession.id)).where(
            col(AccountSession.account_id) == account_id,
            col(AccountSession.ended_at).is_(None),
            col(AccountSession.expires_at) > at,
        )
    ).all()
    ended = _end(session, [one for one in open_ids if one != keep], reason=reason, at=at)
    if ended:
        _record_end(session, actor, account_id, reason, ended, at)
    return ended


def end_sessions_of_operator(
    session: Session, operator_id: UUID, *, clock: Clock, actor: Actor = SYSTEM
) -> int:
    """After a clearing the operator signs in afresh (重新登录); gives how many sessions ended."""
    ids = session.scalars(sa.select(col(Account.id)).where(col(Account.operator_id) == operator_id))
    return sum(
        end_sessions_of(session, one, actor=actor, reason=SessionEnd.CLEARED, at=clock())
        for one in ids.all()
    )


def end_session_with_token(session: Session, token: str, *, at: datetime) -> None:
    """End the session a browser had before it signed in again."""
    session.execute(
        sa.update(AccountSession)
        .where(
            col(AccountSession.token_hash) == security.hash_token(token),
            col(AccountSession.ended_at).is_(None),
        )
        .values(ended_at=at, ended_reason=SessionEnd.REPLACED)
    )


def renew_token(session: Session, session_id: UUID) -> str:
    """Give a session a new token; the old one stops working with the commit."""
    token = new_token()
    session.execute(
        sa.update(AccountSession)
        .where(col(AccountSession.id) == session_id)
        .values(token_hash=security.hash_token(token))
    )
    return token


def purge_sessions(session: Session, *, before: datetime) -> int:
    """Delete sessions that expired before then (maintenance); gives how many."""
    deleted = sa.delete(AccountSession).where(col(AccountSession.expires_at) < before)
    return _count(session.execute(deleted))


def _end(session: Session, ids: Collection[UUID], *, reason: SessionEnd, at: datetime) -> int:
    if not ids:
        return 0
    return _count(
        session.execute(
            sa.update(AccountSession)
            .where(col(AccountSession.id).in_(ids), col(AccountSession.ended_at).is_(None))
            .values(ended_at=at, ended_reason=reason)
        )
    )


def _count(result: Any) -> int:
    return int(result.rowcount)


def _record_end(
    session: Session, actor: Actor, account_id: UUID, reason: SessionEnd, count: int, at: datetime
) -> None:
    audit.record(
        session,
        actor=actor,
        action=AuditAction.SESSION_ENDED,
        object_type="account",
        object_id=str(account_id),
        at=at,
        details={"reason": reason.value, "count": count},
    )
