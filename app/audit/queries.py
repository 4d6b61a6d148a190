"""Every select of the trail for pages, the API and exports."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import col, select

from app.audit.models import AuditRecord
from app.core.clock import SHANGHAI
from app.core.db import Session
from app.core.pagination import PageRequest, encode_cursor

_CHUNK = 1000


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which records; empty means all. Days are calendar days in Asia/Shanghai, both included.

    `actor` is an id or a name, `q` is found anywhere in names, objects, addresses and details.
    """

    actor: str = ""
    action: str = ""
    object_type: str = ""
    object_id: str = ""
    from_day: date | None = None
    to_day: date | None = None
    q: str = ""

    def is_empty(self) -> bool:
        """Whether nothing is left out."""
        return self == AuditFilter()


def list_records(
    session: Session, wanted: AuditFilter, page: PageRequest
) -> tuple[list[AuditRecord], str | None]:
    """One page, newest first, and the cursor of the next."""
    statement = select(AuditRecord).where(*_conditions(wanted))
    key = page.key(int)
    if key is not None:
        statement = statement.where(col(AuditRecord.seq) < key[0])
    statement = statement.order_by(col(AuditRecord.seq).desc()).limit(page.limit + 1)
    rows = list(session.exec(statement))
    more = len(rows) > page.limit
    rows = rows[: page.limit]
    return rows, encode_cursor(rows[-1].seq) if more else None


def for_object(
    session: Session, object_type: str, object_id: object, *, limit: int = 50
) -> list[AuditRecord]:
    """What happened to one object, newest first."""
    wanted = AuditFilter(object_type=object_type, object_id=str(object_id))
    return list_records(session, wanted, PageRequest(limit))[0]


def by_seq(session: Session, seq: int) -> AuditRecord | None:
    """One record."""
    return session.get(AuditRecord, seq)


def newest_of(session: Session, actions: Collection[str]) -> AuditRecord | None:
    """The newest record of these actions."""
    statement = (
        select(AuditRecord)
        .where(col(AuditRecord.action).in_(list(actions)))
        .order_by(col(AuditRecord.seq).desc())
        .limit(1)
    )
    return session.exec(statement).first()


def oldest_first(session: Session, wanted: AuditFilter, *, until: int) -> Iterator[AuditRecord]:
    """All matching records up to number `until`, holding one chunk at a time."""
    after = 0
    while True:
        rows = session.exec(
            select(AuditRecord)
            .where(*_conditions(wanted), col(AuditRecord.seq) > after)
            .where(col(AuditRecord.seq) <= until)
            .order_by(col(AuditRecord.seq))
            .limit(_CHUNK)
        ).all()
        yield from rows
        session.expunge_all()
        if len(rows) < _CHUNK:
            return
        after = rows[-1].seq


def details_of(record: AuditRecord) -> dict[str, Any]:
    """The details again. Altered ones that are no JSON object any more are shown as they are."""
    try:
        details = json.loads(record.details)
    except ValueError:
        return {"raw": record.details}
    return details if isinstance(details, dict) else {"raw": record.details}


def _conditions(wanted: AuditFilter) -> list[sa.ColumnElement[bool]]:
    exact = {
        AuditRecord.action: wanted.action,
        AuditRecord.object_type: wanted.object_type,
        AuditRecord.object_id: wanted.object_id,
    }
    conditions = [col(column) == value for column, value in exact.items() if value]
    if wanted.actor:
        conditions.append(_matches_actor(wanted.actor))
    if wanted.from_day:
        conditions.append(col(AuditRecord.at) >= _midnight(wanted.from_day))
    if wanted.to_day:
        conditions.append(col(AuditRecord.at) < _midnight(wanted.to_day + timedelta(days=1)))
    if wanted.q:
        conditions.append(_contains(wanted.q))
    return conditions


def _matches_actor(text: str) -> sa.ColumnElement[bool]:
    return sa.or_(col(AuditRecord.actor_id) == text, col(AuditRecord.actor_name) == text)


def _contains(text: str) -> sa.ColumnElement[bool]:
    columns = (
        AuditRecord.actor_name,
        AuditRecord.action,
        AuditRecord.object_id,
        AuditRecord.ip,
        AuditRecord.details,
    )
    return sa.or_(*(col(column).icontains(text, autoescape=True) for column in columns))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=SHANGHAI)
