"""What of the ledger stands in the way of a clearing, of many devices at once."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from app.contracts.devices import DeviceInvoice, InvoiceStatus
from app.contracts.periods import Period
from app.core.db import Session
from app.invoices.models import Invoice

_AT_ONCE = 500


_KINDS = {
    "offline": (InvoiceStatus.NORMAL,),
    "red": (InvoiceStatus.RED,),
    "void": (InvoiceStatus.VOID, InvoiceStatus.VOID_RED),
}
"""By what is to be done about them. A blank voided on the device was never issued: nothing to upload."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Issued invoices that are not uploaded, by kind (docs/domain.md, rule 9)."""

    offline: int = 0
    red: int = 0
    void: int = 0

    def __add__(self, other: "Waiting") -> "Waiting":
        return Waiting(self.offline + other.offline, self.red + other.red, self.void + other.void)

    @classmethod
    def of(cls, invoices: Iterable[DeviceInvoice]) -> "Waiting":
        """Of invoices as a device gives them."""
        counts = Counter(one.status for one in invoices if not one.uploaded)
        return cls(*(sum(counts[status] for status in _KINDS[kind]) for kind in _KINDS))


@dataclass(frozen=True, slots=True)
class Unfinished:
    """Drafts up to the period and after it; issued invoices up to the period that are not uploaded."""

    drafts: int = 0
    later_drafts: int = 0
    not_uploaded: Waiting = Waiting()


def unfinished_of(
    session: Session, device_ids: Sequence[UUID], period: Period
) -> dict[UUID, Unfinished]:
    """By device; the same counts as `queries.count_drafts` and `queries.count_not_uploaded` give."""
    found = dict.fromkeys(device_ids, Unfinished())
    for start in range(0, len(device_ids), _AT_ONCE):
        for device_id, *counts in session.execute(
            _counts(device_ids[start : start + _AT_ONCE], period)
        ):
            drafts, later, *waiting = (int(count) for count in counts)
            found[device_id] = Unfinished(drafts, later, Waiting(*waiting))
    return found


def _counts(device_ids: Sequence[UUID], period: Period) -> sa.Select[UUID, int, int, int, int, int]:
    draft, due = col(Invoice.draft).is_(True), col(Invoice.period) <= period
    open_ = sa.and_(
        col(Invoice.draft).is_(False),
        col(Invoice.uploaded).is_(False),
        col(Invoice.status) != InvoiceStatus.VOID_BLANK,
    )
    waiting = {
        kind: sa.and_(open_, due, col(Invoice.status).in_(statuses))
        for kind, statuses in _KINDS.items()
    }
    return (
        sa.select(
            col(Invoice.device_id),
            _count(sa.and_(draft, due)),
            _count(sa.and_(draft, sa.not_(due))),
            _count(waiting["offline"]),
            _count(waiting["red"]),
            _count(waiting["void"]),
        )
        .where(col(Invoice.device_id).in_(device_ids), sa.or_(draft, open_))
        .group_by(col(Invoice.device_id))
    )


def _count(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.sum(sa.case((condition, 1), else_=0))
