"""Counting wrong passwords, so that guessing is slow and yet nobody can lock another out.

A try is counted before its password is checked (`reserve`), so that many at once cannot outrun the
count, and forgotten when it was right (`forgive`). What gets locked is the pair of name and address: an
attacker elsewhere does not lock out the owner. When a name is tried wrongly from many addresses, tries
from addresses the account was never used from are slowed to one per `SLOW_SECONDS`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col, select

from app.accounts.models import SignInAttempt
from app.accounts.queries import EVERYWHERE
from app.core import security
from app.core.db import dialect_name
from app.settings import Settings

SLOW_FACTOR = 10
"""All addresses together may fail this many times `login_attempts` before the name is slowed."""

SLOW_SECONDS = 30
FORGET_AFTER = timedelta(days=1)
"""Failures of all addresses together are forgotten when none came for this long."""


@dataclass(frozen=True, slots=True)
class Reserved:
    """A counted try. `locked_until` is set when this was the last one if the password is wrong."""

    locked_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Blocked:
    """No try now."""

    until: datetime


def address_key(ip: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 network of an IPv6 one."""
    try:
        address = ip_address(ip)
    except ValueError:
        return ip[:64]
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{IPv6Address(int(address) >> 64 << 64)}/64"


def reserve(
    session: Session, *, name: str, ip: str, known: bool, settings: Settings, at: datetime
) -> Reserved | Blocked:
    """Count a try of this normalised name from this address, unless it has to wait.

    `known`: the account was used from this address before, so it is not slowed by others.
    """
    pair = _locked_row(session, name, address_key(ip), at)
    total = _locked_row(session, name, EVERYWHERE, at)
    until = _blocked_until(pair, total, known=known, at=at)
    if until is not None:
        return Blocked(until)
    _forget_old(pair, total, at)
    pair.attempts += 1
    total.attempts += 1
    pair.last_at = total.last_at = at
    if pair.attempts >= settings.login_attempts:
        pair.locked_until = at + timedelta(minutes=settings.login_lock_minutes)
    if total.attempts >= settings.login_attempts * SLOW_FACTOR:
        total.locked_until = at + timedelta(seconds=SLOW_SECONDS)
    session.add_all([pair, total])
    return Reserved(pair.locked_until)


def _blocked_until(
    pair: SignInAttempt, total: SignInAttempt, *, known: bool, at: datetime
) -> datetime | None:
    if pair.locked_until is not None and pair.locked_until > at:
        return pair.locked_until
    if not known and total.locked_until is not None and total.locked_until > at:
        return total.locked_until
    return None


def _forget_old(pair: SignInAttempt, total: SignInAttempt, at: datetime) -> None:
    if pair.locked_until is not None:
        pair.attempts, pair.locked_until = 0, None
    if total.last_at < at - FORGET_AFTER:
        total.attempts, total.locked_until = 0, None


def _locked_row(session: Session, name: str, address: str, at: datetime) -> SignInAttempt:
    """The row, made when missing, locked until the end of the transaction."""
    insert: Any = sqlite.insert if dialect_name(session) == "sqlite" else postgresql.insert
    key = {"name_hash": security.hash_token(name), "address": address}
    session.execute(
        insert(SignInAttempt).values(**key, attempts=0, last_at=at).on_conflict_do_nothing()
    )
    return session.exec(
        select(SignInAttempt)
        .where(SignInAttempt.name_hash == key["name_hash"], SignInAttempt.address == address)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()


def forgive(session: Session, *, name: str, ip: str) -> None:
    """The password was right: forget the failures of this address and of all together."""
    session.execute(_delete(name, address_key(ip), EVERYWHERE))


def take_back(session: Session, *, name: str, ip: str, at: datetime) -> None:
    """Uncount one try that was neither right nor wrong: the one-time code was still missing."""
    for address in (address_key(ip), EVERYWHERE):
        row = _locked_row(session, name, address, at)
        row.attempts = max(0, row.attempts - 1)
        row.locked_until = None
        session.add(row)


def unlock(session: Session, *, name: str) -> int:
    """Forget all failures of a name, from every address; gives how many addresses were forgotten."""
    return _rows(session.execute(_delete(name)))


def purge_attempts(session: Session, *, before: datetime) -> int:
    """Delete counts that were not touched since then (maintenance); gives how many."""
    return _rows(
        session.execute(sa.delete(SignInAttempt).where(col(SignInAttempt.last_at) < before))
    )


def _delete(name: str, *addresses: str) -> sa.Delete:
    wanted = sa.delete(SignInAttempt).where(
        col(SignInAttempt.name_hash) == security.hash_token(name)
    )
    return wanted.where(col(SignInAttempt.address).in_(addresses)) if addresses else wanted


def _rows(result: Any) -> int:
    return int(result.rowcount)
