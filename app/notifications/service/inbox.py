"""The inbox of an account: reading, and what it wants to hear of and how."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from app.core.db import Session
from app.notifications import queries
from app.notifications.kinds import RULES, SUBSCRIBABLE, EventKind
from app.notifications.models import Address, Notification, Preference


@dataclass(frozen=True, slots=True)
class Choice:
    """How an account hears of a kind."""

    in_app: bool
    email: bool


def mark_read(
    session: Session, account_id: UUID, event_ids: Iterable[UUID] | None, *, at: datetime
) -> int:
    """Mark these as read, or all with None; gives how many were unread."""
    wanted = sa.update(Notification).where(
        col(Notification.account_id) == account_id, col(Notification.read_at).is_(None)
    )
    if event_ids is not None:
        wanted = wanted.where(col(Notification.event_id).in_(list(event_ids)))
    return int(cast(Any, session.execute(wanted.values(read_at=at))).rowcount)


def choices(session: Session, account_id: UUID) -> dict[EventKind, Choice]:
    """What the account hears of, for every kind."""
    chosen = queries.preferences_of(session, account_id)
    return {
        kind: Choice(chosen[kind].in_app, chosen[kind].email)
        if kind in chosen
        else Choice(RULES[kind].in_app, RULES[kind].email)
        for kind in SUBSCRIBABLE
    }


def choose(session: Session, account_id: UUID, wanted: Mapping[EventKind, Choice]) -> None:
    """Keep these choices; kinds not named stay as they were."""
    chosen = queries.preferences_of(session, account_id)
    for kind, choice in wanted.items():
        row = chosen.get(kind) or Preference(
            account_id=account_id, kind=kind, in_app=True, email=False
        )
        row.in_app, row.email = choice.in_app, choice.email
        session.add(row)


def set_address(session: Session, account_id: UUID, email: str) -> None:
    """Where the account gets its e-mails; empty: the address of its operator."""
    row = session.get(Address, account_id)
    if not email:
        if row is not None:
            session.delete(row)
        return
    session.add(row or Address(account_id=account_id, email=email))
    if row is not None:
        row.email = email
