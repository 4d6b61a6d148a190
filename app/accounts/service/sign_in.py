"""Signing in: name and password, a code where set up, and the same answer for all that is wrong."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlmodel import Session, col, update

from app.accounts.models import Account
from app.accounts.names import is_name, normalize_name
from app.accounts.service import attempts, totp
from app.accounts.service.attempts import Blocked
from app.accounts.service.passwords import MAX_LENGTH
from app.accounts.service.sessions import OpenSession, end_session_with_token, open_session
from app.accounts.service.verification import Checked, check_password
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.audit.actor import Actor, ActorKind
from app.core.clock import Clock
from app.core.db import Database
from app.settings import Settings


class Refusal(StrEnum):
    """Why nobody was signed in. `invalid` never says what was wrong."""

    INVALID = "invalid"
    LOCKED = "locked"
    CODE_REQUIRED = "code_required"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a person typed, and from where. `previous_token` is the browser's cookie so far."""

    name: str
    password: str
    code: str = ""
    ip: str = ""
    user_agent: str = ""
    previous_token: str | None = None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session with a new token, whatever the browser had before."""

    account: Account
    session: OpenSession


@dataclass(frozen=True, slots=True)
class Refused:
    """Not signed in; already counted, audited and committed."""

    reason: Refusal
    until: datetime | None = None


def sign_in(
    database: Database, given: Credentials, *, settings: Settings, clock: Clock
) -> SignedIn | Refused:
    """Open a session, or say why not.

    Commits by itself: failures are kept although the answer is an error.
    """
    name, at = normalize_name(given.name), clock()
    if not is_name(name) or not 1 <= len(given.password) <= MAX_LENGTH:
        return Refused(Refusal.INVALID)
    checked = check_password(
        database, name=name, password=given.password, ip=given.ip, settings=settings, at=at
    )
    if isinstance(checked, Blocked):
        return Refused(Refusal.LOCKED, checked.until)
    with database.transaction() as session:
        return _conclude(session, name, given, checked, settings=settings, at=at)


def _conclude(
    session: Session,
    name: str,
    given: Credentials,
    checked: Checked,
    *,
    settings: Settings,
    at: datetime,
) -> SignedIn | Refused:
    account = checked.account
    if account is None or not checked.right:
        return _failed(session, given, checked, "password", at)
    if totp.uses_totp(account):
        if not given.code.strip():
            attempts.take_back(session, name=name, ip=given.ip, at=at)
            return Refused(Refusal.CODE_REQUIRED)
        step = totp.matching_step(account, given.code, settings=settings, at=at)
        if step is None or not _use_step(session, account, step):
            return _failed(session, given, checked, "code", at)
    attempts.forgive(session, name=name, ip=given.ip)
    return _open(session, account, given, settings=settings, at=at)


def _use_step(session: Session, account: Account, step: int) -> bool:
    """Whether this is the first use of the step's code, also among two at once."""
    used = session.exec(
        update(Account)
        .where(col(Account.id) == account.id, col(Account.totp_step) < step)
        .values(totp_step=step)
    )
    return used.rowcount == 1


def _open(
    session: Session, account: Account, given: Credentials, *, settings: Settings, at: datetime
) -> SignedIn:
    if given.previous_token:
        end_session_with_token(session, given.previous_token, at=at)
    opened = open_session(
        session,
        account.id,
        settings=settings,
        at=at,
        ip=given.ip,
        user_agent=given.user_agent,
    )
    session.flush()
    _record(session, account, given.ip, AuditAction.ACCOUNT_SIGNED_IN, at)
    return SignedIn(account, opened)


def _failed(
    session: Session, given: Credentials, checked: Checked, what: str, at: datetime
) -> Refused:
    _record(session, checked.account, given.ip, AuditAction.ACCOUNT_SIGN_IN_FAILED, at, what)
    if checked.locked_until is None:
        return Refused(Refusal.INVALID)
    _record(session, checked.account, given.ip, AuditAction.ACCOUNT_LOCKED, at)
    return Refused(Refusal.LOCKED, checked.locked_until)


def _record(
    session: Session,
    account: Account | None,
    ip: str,
    action: AuditAction,
    at: datetime,
    what: str = "",
) -> None:
    """An unknown name is not written down: people type passwords into the wrong field."""
    account_id = str(account.id) if account else ""
    audit.record(
        session,
        actor=Actor(ActorKind.ACCOUNT, account_id, account.name if account else "", ip),
        action=action,
        object_type="account",
        object_id=account_id,
        at=at,
        details={"wrong": what} if what else {},
    )
