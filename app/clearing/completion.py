"""Whether a device is done for a period, by records and by its lock dates: one rule for submitting, preview, batch and run."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime

from app.clearing.grouping import types_to_clear
from app.contracts.devices import InvoiceType
from app.contracts.periods import Period, due_period
from app.core.clock import local_date


def wanted_types(
    chosen: Collection[str], groups: Sequence[Sequence[str]], authorised: Iterable[InvoiceType]
) -> frozenset[InvoiceType]:
    """The authorised types a choice clears: those chosen with the rest of their groups; all when none is chosen."""
    known = frozenset(authorised)
    return known & frozenset(types_to_clear(chosen, groups)) if chosen else known


def is_recorded(wanted: frozenset[InvoiceType], recorded: Collection[str]) -> bool:
    """Whether a record says of every type wanted that it is cleared; of a device never read nothing is known."""
    return bool(wanted) and wanted <= frozenset(recorded)


def first_open(lock_dates: Iterable[date]) -> Period | None:
    """The oldest period that is still to be cleared, as the lock dates show it; it may not have ended yet."""
    return min(map(due_period, lock_dates), default=None)


def first_clearable(lock_dates: Iterable[date], now: datetime) -> Period | None:
    """The oldest period that may be asked for: the oldest open one, or the last ended one if none is open.

    Asking for the latter is a repetition, which has its own answer (`clearing.duplicate`, or a warning where
    the clearing was done elsewhere); what lies before is a mistake.
    """
    oldest = first_open(lock_dates)
    return None if oldest is None else min(oldest, last_ended(now))


def last_ended(now: datetime) -> Period:
    """The last month that is over in Shanghai."""
    return Period.of(local_date(now)).plus(-1)


def past_text(number: str, period: Period, lock_dates: Iterable[date], now: datetime) -> str:
    """Why the period is too old for this device, and which one is right."""
    oldest = first_open(lock_dates)
    if oldest is None or oldest > last_ended(now):
        begins = "" if oldest is None else f"；{oldest} 属期从 {oldest.plus(1)}-01 起办理"
        return f"设备 {number} 已清到 {last_ended(now)} 属期，{period} 早已结束{begins}"
    return f"设备 {number} 应清的属期是 {oldest}，{period} 早已结束"
