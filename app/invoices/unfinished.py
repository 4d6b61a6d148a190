"""What of the ledger stands in the way of a clearing, of many devices at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from app.contracts.devices import InvoiceStatus
from app.contracts.periods import Period
from app.core.db import Session
from app.invoices.models import Invoice

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Unfinished:
    """Drafts up to the period and after it; issued invoices up to the period that are not uploaded."""

    drafts: int = 0
    later_drafts: int = 0
    not_uploaded: int = 0


def unfinished_of(
    session: Session, device_ids: Sequence[UUID], period: Period
) -> dict[UUID, Unfinished]:
    """By device; the same counts as `queries.count_drafts` and `queries.count_not_uploaded` give."""
    found = dict.fromkeys(device_ids, Unfinished())
    for start in range(0, len(device_ids), _AT_ONCE):
        for device_id, *counts in session.execute(
            _counts(device_ids[start : start + _AT_ONCE], period)
        ):
            found[device_id] = Unfinished(*(int(count) for count in counts))
    return found


def _counts(device_ids: Sequence[UUID], period: Period) -> sa.Select[UUID, int, int, int]:
    draft, due = col(Invoice.draft).is_(True), col(Invoice.period) <= period
    open_ = sa.and_(
        col(Invoice.draft).is_(False),
        col(Invoice.uploaded).is_(False),
        col(Invoice.status) != InvoiceStatus.VOID_BLANK,
    )
    return (
        sa.select(
            col(Invoice.device_id),
            _count(sa.and_(draft, due)),
            _count(sa.and_(draft, sa.not_(due))),
            _count(sa.and_(open_, due)),
        )
        .where(col(Invoice.device_id).in_(device_ids), sa.or_(draft, open_))
        .group_by(col(Invoice.device_id))
    )


def _count(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.sum(sa.case((condition, 1), else_=0))
