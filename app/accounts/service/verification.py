"""Checking a name and password, counted: what signing in and step-up have in common.

Three short parts, so that the expensive hash is computed while no transaction is open: count the try,
check the password, record what came of it. Every part is committed whatever the answer is. Known and
unknown names take the same steps.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session

from app.accounts import queries
from app.accounts.models import Account
from app.accounts.service import attempts
from app.accounts.service.attempts import Blocked, Reserved
from app.core import security
from app.core.db import Database
from app.settings import Settings

KNOWN_FOR = timedelta(days=30)
"""An address counts as known when the account signed in from it this recently."""


@dataclass(frozen=True, slots=True)
class Checked:
    """`account` is what the name stands for (None: nothing), `right` whether the password is its."""

    account: Account | None
    right: bool
    locked_until: datetime | None


def check_password(
    database: Database,
    *,
    name: str,
    password: str,
    ip: str,
    settings: Settings,
    at: datetime,
) -> Checked | Blocked:
    """Count the try and check it. The caller records the outcome with `attempts.forgive` or not."""
    with database.transaction() as session:
        account = queries.account_by_name(session, name)
        known = account is not None and _knows(session, account, ip, at)
        verdict = attempts.reserve(session, name=name, ip=ip, known=known, settings=settings, at=at)
        session.flush()
        if account is not None:
            session.expunge(account)
    if not isinstance(verdict, Reserved):
        return verdict
    return Checked(account, _matches(account, password), verdict.locked_until)


def _knows(session: Session, account: Account, ip: str, at: datetime) -> bool:
    return queries.signed_in_from(session, account.id, ip, at - KNOWN_FOR)


def _matches(account: Account | None, password: str) -> bool:
    """Takes as long for a name that does not exist or is disabled."""
    if account is None:
        security.waste_time_like_a_check(password)
        return False
    right = security.verify_password(password, account.password_hash)
    return right and account.disabled_at is None
