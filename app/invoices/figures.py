"""Invoices of one type as an accountant adds them up: 正数, 红字 and 作废 apart, the net without 作废.

Pure. The ledger and a device's own statistics (统计) are both brought into this form, to be held against each other.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from app.contracts.devices import InvoiceStatus, InvoiceType, Statistics, StatisticsPeriod
from app.contracts.periods import Period
from app.core.money import ZERO


@dataclass(frozen=True, slots=True)
class Sum:
    """Invoices with their amount without tax, and their tax, in yuan."""

    count: int = 0
    amount: Decimal = ZERO
    tax: Decimal = ZERO

    def __add__(self, other: "Sum") -> "Sum":
        return Sum(self.count + other.count, self.amount + other.amount, self.tax + other.tax)


@dataclass(frozen=True, slots=True)
class Figures:
    """正数, 红字 (its amounts are negative) and 作废 of any kind; what is void is counted, never added up."""

    positive: Sum = Sum()
    red: Sum = Sum()
    void: Sum = Sum()

    @property
    def net(self) -> Sum:
        """正数 and 红字 together: what the return declares."""
        return self.positive + self.red

    @property
    def count(self) -> int:
        """All invoices, void ones too."""
        return self.net.count + self.void.count

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(self.positive + other.positive, self.red + other.red, self.void + other.void)


ByType = Mapping[InvoiceType, Figures]

_COLUMNS = {
    InvoiceStatus.NORMAL: "positive",
    InvoiceStatus.RED: "red",
    InvoiceStatus.VOID: "void",
    InvoiceStatus.VOID_RED: "void",
    InvoiceStatus.VOID_BLANK: "void",
}


def figures_of(status: InvoiceStatus, sums: Sum) -> Figures:
    """The figures of invoices that all have this status."""
    return Figures(**{_COLUMNS[status]: sums})


def total(figures: Iterable[Figures]) -> Figures:
    """All of them together."""
    return sum(figures, Figures())


def of_device(statistics: Iterable[Statistics], period: Period) -> dict[InvoiceType, Figures]:
    """What the device itself counts for the period; a type it tells nothing of is not among them."""
    found: dict[InvoiceType, Figures] = {}
    for one in statistics:
        for part in one.periods:
            if period.first_day <= part.period_from and part.period_to <= period.last_day:
                known = found.get(one.invoice_type, Figures())
                found[one.invoice_type] = known + total(_by_status(part))
    return found


def as_json(figures: ByType) -> list[dict[str, Any]]:
    """As a column keeps it: one object a type, amounts as text."""
    return [
        {
            "invoice_type": kind.value,
            "positive": _sum_json(one.positive),
            "red": _sum_json(one.red),
            "void": _sum_json(one.void),
        }
        for kind, one in sorted(figures.items())
    ]


def from_json(kept: Iterable[Mapping[str, Any]]) -> dict[InvoiceType, Figures]:
    """What `as_json` was given."""
    return {
        InvoiceType(one["invoice_type"]): Figures(
            *(_sum_of(one[name]) for name in ("positive", "red", "void"))
        )
        for one in kept
    }


def _by_status(part: StatisticsPeriod) -> Iterator[Figures]:
    """Which sign red amounts carry is the device's own affair: here they are negative."""
    yield Figures(positive=Sum(part.issued, part.issued_amount, part.issued_tax))
    yield Figures(red=Sum(part.red, -abs(part.red_amount), -abs(part.red_tax)))
    yield Figures(void=Sum(part.void, abs(part.void_amount), abs(part.void_tax)))
    yield Figures(void=Sum(part.void_red, -abs(part.void_red_amount), -abs(part.void_red_tax)))
    yield Figures(void=Sum(part.void_blank))


def _sum_json(one: Sum) -> dict[str, Any]:
    return {"count": one.count, "amount": f"{one.amount:.2f}", "tax": f"{one.tax:.2f}"}


def _sum_of(kept: Mapping[str, Any]) -> Sum:
    return Sum(int(kept["count"]), Decimal(kept["amount"]), Decimal(kept["tax"]))
