"""The comparison itself: facts of one device and period in, differences out. Reads nothing, writes nothing.

Three sources are held against each other: the ledger (台账), the device (统计 and 锁死日期) and the clearing
records. Every sentence says both sides.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from app.clearing import words
from app.contracts.devices import InvoiceStatus, InvoiceType, Statistics, StatisticsPeriod
from app.contracts.periods import Period, is_cleared
from app.core.money import ZERO
from app.reconciliation.models import DifferenceKind

RANGES_SHOWN = 8
"""Of missing numbers in a sentence; `details` has more."""

RECORD_SAYS_CLEARED = "record"
LEDGER_SAYS_CLEARED = "ledger"
"""Subjects of `status_not_updated`: which side says 已清卡 while the other does not."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Invoices of one type and status. Amount without tax, yuan."""

    count: int = 0
    amount: Decimal = ZERO
    tax: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers of a code that no invoice has, though lower and higher ones are used in the period.

    `ranges` are the first ones, both ends included; `missing` counts all.
    """

    invoice_type: InvoiceType
    code: str
    first: str
    last: str
    missing: int
    ranges: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class RecordFacts:
    """A succeeded record: the types it cleared itself, and who executed it."""

    id: UUID
    types: frozenset[InvoiceType]
    executed_by: str


@dataclass(frozen=True, slots=True)
class TypeStatus:
    """Issued invoices of a type and period, and how many of them are 已清卡."""

    count: int
    cleared: int


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """What is known of one device and period. `statistics` None: the device could not tell.

    `known_since` is the month from which on a clearing elsewhere concerns this system: the month the
    device was registered or enabled in, the later one.
    """

    period: Period
    totals: Mapping[tuple[InvoiceType, InvoiceStatus], Sums]
    gaps: Sequence[Gap]
    statuses: Mapping[InvoiceType, TypeStatus]
    records: Sequence[RecordFacts]
    cleared_types: frozenset[InvoiceType]
    statistics: Sequence[Statistics] | None
    lock_dates: Mapping[InvoiceType, date]
    known_since: Period


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that does not agree. `subject` tells those of one kind and type apart."""

    kind: DifferenceKind
    invoice_type: InvoiceType | None
    message: str
    subject: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def fingerprint(self, device_id: UUID, period: str) -> str:
        """Equal for the very same difference found again: both sides, not only the place."""
        parts = [str(device_id), period, self.kind, self.invoice_type, self.subject, self.details]
        text = json.dumps(parts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def differences(facts: DeviceFacts) -> list[Difference]:
    """All differences, by kind, then type."""
    return [
        *_gaps(facts),
        *_amounts(facts),
        *_statuses(facts),
        *_duplicates(facts),
        *_unauthorised(facts),
    ]


def _gaps(facts: DeviceFacts) -> Iterator[Difference]:
    for gap in facts.gaps:
        shown = "、".join(_range(*one) for one in gap.ranges[:RANGES_SHOWN])
        more = " 等" if len(gap.ranges) > RANGES_SHOWN else ""
        code = f"代码 {gap.code}，" if gap.code else ""
        yield Difference(
            DifferenceKind.NUMBER_GAP,
            gap.invoice_type,
            f"{words.invoice_type(gap.invoice_type)}：{code}号码 {gap.first} 至 {gap.last} "
            f"之间缺 {gap.missing} 张（{shown}{more}）",
            gap.code,
            {
                "code": gap.code,
                "first": gap.first,
                "last": gap.last,
                "missing": gap.missing,
                "ranges": [list(one) for one in gap.ranges],
            },
        )


def _amounts(facts: DeviceFacts) -> Iterator[Difference]:
    if facts.statistics is None:
        return
    device = _device_sums(facts.statistics, facts.period)
    types = {kind for kind, _ in (*facts.totals, *device)}
    for kind in sorted(types):
        unequal = {
            status: (ledger, other)
            for status in InvoiceStatus
            for ledger in [facts.totals.get((kind, status), Sums())]
            for other in [device.get((kind, status), Sums())]
            if not _equal(status, ledger, other)
        }
        if unequal:
            sides = "；".join(_both(status, *pair) for status, pair in unequal.items())
            yield Difference(
                DifferenceKind.AMOUNT_MISMATCH,
                kind,
                f"{words.invoice_type(kind)}：{sides}",
                details={
                    status.value: {"ledger": _plain(ledger), "device": _plain(other)}
                    for status, (ledger, other) in unequal.items()
                },
            )


def _statuses(facts: DeviceFacts) -> Iterator[Difference]:
    for kind, status in sorted(facts.statuses.items()):
        left = status.count - status.cleared
        name = words.invoice_type(kind)
        counts = {"issued": status.count, "cleared": status.cleared}
        if kind in facts.cleared_types and left:
            text = f"{name}：清卡记录显示 {facts.period} 已清卡，台账仍有 {left} 张未清卡"
            subject = RECORD_SAYS_CLEARED
        elif kind not in facts.cleared_types and status.cleared:
            text = (
                f"{name}：台账有 {status.cleared} 张标记为已清卡，但没有 {facts.period} 的清卡记录"
            )
            subject = LEDGER_SAYS_CLEARED
        else:
            continue
        yield Difference(DifferenceKind.STATUS_NOT_UPDATED, kind, text, subject, counts)


def _duplicates(facts: DeviceFacts) -> Iterator[Difference]:
    for kind in sorted({kind for record in facts.records for kind in record.types}):
        ids = [str(record.id) for record in facts.records if kind in record.types]
        if len(ids) > 1:
            yield Difference(
                DifferenceKind.DUPLICATE_CLEARING,
                kind,
                f"{words.invoice_type(kind)}：{facts.period} 有 {len(ids)} 条清卡成功的记录（{'、'.join(ids)}）",
                details={"records": ids},
            )


def _unauthorised(facts: DeviceFacts) -> Iterator[Difference]:
    for record in facts.records:
        if not record.executed_by:
            yield Difference(
                DifferenceKind.UNAUTHORISED_CLEARING,
                None,
                f"清卡记录 {record.id} 没有执行人",
                str(record.id),
                {"record": str(record.id)},
            )
    if facts.known_since > facts.period.plus(1):
        return
    for kind, lock_date in sorted(facts.lock_dates.items()):
        if kind not in facts.cleared_types and is_cleared(facts.period, lock_date):
            yield Difference(
                DifferenceKind.UNAUTHORISED_CLEARING,
                kind,
                f"{words.invoice_type(kind)}：设备的锁死日期 {lock_date} 表明 {facts.period} 已清卡，"
                "但没有清卡记录，可能在其他软件中办理",
                details={"lock_date": lock_date.isoformat()},
            )


def _device_sums(
    statistics: Iterable[Statistics], period: Period
) -> dict[tuple[InvoiceType, InvoiceStatus], Sums]:
    """The statistics of the period's days, by type and status."""
    found: dict[tuple[InvoiceType, InvoiceStatus], Sums] = {}
    for one in statistics:
        for part in one.periods:
            if period.first_day <= part.period_from and part.period_to <= period.last_day:
                for status, sums in _by_status(part):
                    known = found.get((one.invoice_type, status), Sums())
                    found[one.invoice_type, status] = Sums(
                        known.count + sums.count, known.amount + sums.amount, known.tax + sums.tax
                    )
    return found


def _by_status(part: StatisticsPeriod) -> Iterator[tuple[InvoiceStatus, Sums]]:
    yield InvoiceStatus.NORMAL, Sums(part.issued, part.issued_amount, part.issued_tax)
    yield InvoiceStatus.RED, Sums(part.red, part.red_amount, part.red_tax)
    yield InvoiceStatus.VOID, Sums(part.void, part.void_amount, part.void_tax)
    yield InvoiceStatus.VOID_RED, Sums(part.void_red, part.void_red_amount, part.void_red_tax)
    yield InvoiceStatus.VOID_BLANK, Sums(part.void_blank)


def _equal(status: InvoiceStatus, ledger: Sums, device: Sums) -> bool:
    """A blank has no amount; the sign of red ones is the device's own affair."""
    if ledger.count != device.count or status is InvoiceStatus.VOID_BLANK:
        return ledger.count == device.count
    return (abs(ledger.amount), abs(ledger.tax)) == (abs(device.amount), abs(device.tax))


def _both(status: InvoiceStatus, ledger: Sums, device: Sums) -> str:
    return f"{words.INVOICE_STATUSES[status]} 台账 {_words(ledger)}，设备 {_words(device)}"


def _words(sums: Sums) -> str:
    return f"{sums.count} 张 {sums.amount:,.2f} 元（税额 {sums.tax:,.2f}）"


def _plain(sums: Sums) -> dict[str, Any]:
    return {"count": sums.count, "amount": f"{sums.amount:.2f}", "tax": f"{sums.tax:.2f}"}


def _range(first: str, last: str) -> str:
    return first if first == last else f"{first}–{last}"
