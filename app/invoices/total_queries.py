"""Selects of the ledger's figures: 正数, 红字 and 作废 apart, per device and type."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from app.contracts.devices import InvoiceType
from app.contracts.periods import Period
from app.core.db import Session
from app.core.money import ZERO
from app.invoices.figures import Figures, Sum, figures_of, total
from app.invoices.models import ClearingStatus, Invoice

_SUMS = (
    sa.func.count(),
    sa.func.coalesce(sa.func.sum(Invoice.amount), ZERO),
    sa.func.coalesce(sa.func.sum(Invoice.tax), ZERO),
)


@dataclass(frozen=True, slots=True)
class TypeTotals:
    """Invoices of one type of a device and period; drafts are not among them.

    `cleared` of them are 已清卡. `count` has all, the amounts are the net without void ones.
    """

    invoice_type: InvoiceType
    figures: Figures
    cleared: int

    @property
    def count(self) -> int:
        return self.figures.count

    @property
    def amount(self) -> Decimal:
        return self.figures.net.amount

    @property
    def tax(self) -> Decimal:
        return self.figures.net.tax


def totals(session: Session, device_id: UUID, period: Period) -> list[TypeTotals]:
    """Count, sums and how many are cleared, per type of the device and period."""
    return totals_of(session, [device_id], period)[device_id]


def totals_of(
    session: Session, device_ids: Iterable[UUID], period: Period
) -> dict[UUID, list[TypeTotals]]:
    """The same for each of several devices, in one query."""
    return _totals(session, device_ids, col(Invoice.period) == period)


def working_totals(
    session: Session, device_ids: Iterable[UUID], period: Period
) -> dict[UUID, list[TypeTotals]]:
    """What of the period is not 已清卡 yet, per device and type, in one query."""
    return _totals(
        session,
        device_ids,
        col(Invoice.period) == period,
        col(Invoice.clearing_status) == ClearingStatus.UNCLEARED,
    )


def figures_cleared_by(session: Session, record_id: UUID) -> Figures:
    """The figures of the invoices a clearing record cleared."""
    query = (
        sa.select(col(Invoice.status), *_SUMS)
        .where(col(Invoice.cleared_by_record_id) == record_id)
        .group_by(col(Invoice.status))
    )
    return total(figures_of(status, Sum(*sums)) for status, *sums in session.execute(query))


def _totals(
    session: Session, device_ids: Iterable[UUID], *conditions: sa.ColumnElement[bool]
) -> dict[UUID, list[TypeTotals]]:
    ids = list(device_ids)
    is_cleared = col(Invoice.clearing_status) == ClearingStatus.CLEARED
    keys = (col(Invoice.device_id), col(Invoice.invoice_type), col(Invoice.status))
    query = (
        sa.select(*keys, *_SUMS, sa.func.sum(sa.case((is_cleared, 1), else_=0)))
        .where(col(Invoice.device_id).in_(ids), col(Invoice.draft).is_(False), *conditions)
        .group_by(*keys)
    )
    sums: dict[tuple[UUID, InvoiceType], tuple[Figures, int]] = {}
    for device_id, kind, status, count, amount, tax, cleared in session.execute(query):
        known, before = sums.get((device_id, kind), (Figures(), 0))
        one = figures_of(status, Sum(int(count), amount, tax))
        sums[device_id, kind] = (known + one, before + int(cleared))
    found: dict[UUID, list[TypeTotals]] = {device_id: [] for device_id in ids}
    for (device_id, kind), (figures, cleared) in sorted(sums.items()):
        found[device_id].append(TypeTotals(kind, figures, cleared))
    return found
