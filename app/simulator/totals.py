"""Totals of invoices by status, per calendar month (统计, TJXXCX)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from app.contracts.devices import InvoiceStatus
from app.contracts.periods import Period
from app.simulator.model import OPENING_STOCK, Invoice


@dataclass(slots=True)
class Bucket:
    """Count and sums of the invoices of one status."""

    count: int = 0
    amount: Decimal = Decimal("0.00")
    tax: Decimal = Decimal("0.00")


def _buckets() -> dict[InvoiceStatus, Bucket]:
    return {status: Bucket() for status in InvoiceStatus}


@dataclass(slots=True)
class Totals:
    """Totals of one type from `first` to `last` day; every invoice counts under its one status."""

    first: date
    last: date
    opening_stock: int
    by_status: dict[InvoiceStatus, Bucket] = field(default_factory=_buckets)

    @property
    def used(self) -> int:
        """Invoice numbers used up, whatever became of the invoice."""
        return sum(bucket.count for bucket in self.by_status.values())

    @property
    def closing_stock(self) -> int:
        return self.opening_stock - self.used

    def add(self, invoice: Invoice) -> None:
        bucket = self.by_status[invoice.status]
        bucket.count += 1
        bucket.amount += invoice.amount
        bucket.tax += invoice.tax


def totals(invoices: Iterable[Invoice], first: date, last: date) -> Totals:
    """Totals of the invoices issued from `first` to `last`, both included."""
    known = list(invoices)
    before = sum(1 for invoice in known if invoice.issued_at.date() < first)
    result = Totals(first, last, OPENING_STOCK - before)
    for invoice in known:
        if first <= invoice.issued_at.date() <= last:
            result.add(invoice)
    return result


def months(first: date, last: date) -> Iterator[tuple[date, date]]:
    """The calendar months of a range of days, the first and the last cut to the range."""
    start = first
    while start <= last:
        following = Period.of(start).plus(1).first_day
        yield start, min(last, following - timedelta(days=1))
        start = following
