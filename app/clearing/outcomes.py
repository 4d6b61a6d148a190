"""What came of a clearing in words and figures: what was cleared, what is left, and until when. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Protocol

from app.clearing.states import Outcome, Result
from app.contracts.devices import InvoiceType
from app.contracts.operations import TypeOutcome
from app.contracts.periods import Period, is_cleared

NOT_EXECUTED = "此前已清卡，未执行"
"""What is said of a device that showed itself cleared before anything was sent to it."""

ALL_CLEARED = "全部票种已清卡"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed, what to do, and what the device or the bureau itself said."""

    code: str
    message: str
    remedy: str
    device_code: str = ""
    device_message: str = ""


@dataclass(frozen=True, slots=True)
class TypeDate:
    """An invoice type of a device with its lock date; None where the device gives none."""

    device_number: str
    invoice_type: InvoiceType
    lock_date: date | None

    def as_json(self) -> dict[str, str]:
        """As a column keeps it; a missing date is empty."""
        day = self.lock_date.isoformat() if self.lock_date else ""
        return {
            "device_number": self.device_number,
            "invoice_type": self.invoice_type.value,
            "lock_date": day,
        }


def from_json(kept: Iterable[Mapping[str, str]] | None) -> tuple[TypeDate, ...] | None:
    """What `TypeDate.as_json` gave; None stays unknown."""
    if kept is None:
        return None
    return tuple(
        TypeDate(
            one["device_number"],
            InvoiceType(one["invoice_type"]),
            date.fromisoformat(one["lock_date"]) if one["lock_date"] else None,
        )
        for one in kept
    )


def merged(earlier: Iterable[TypeOutcome], now: Iterable[TypeOutcome]) -> list[TypeOutcome]:
    """The outcomes of an operation, where an earlier one of the same request may have cleared some types.

    To the later operation such a type looks as if somebody else had cleared it before.
    """
    ours = {one.invoice_type: one for one in earlier if one.cleared and not one.already}
    return [
        one.model_copy(update={"already": False, "lock_date_before": mine.lock_date_before})
        if one.already and (mine := ours.get(one.invoice_type)) is not None
        else one
        for one in now
    ]


def executed(outcomes: Iterable[TypeOutcome]) -> tuple[TypeOutcome, ...]:
    """The types that were cleared by this request; those cleared before are not among them."""
    return tuple(one for one in outcomes if one.cleared and not one.already)


def left_of(
    device_number: str,
    period: Period,
    lock_dates: Mapping[InvoiceType, date],
    outcomes: Iterable[TypeOutcome],
) -> tuple[TypeDate, ...]:
    """The types of the period a device still has open; `lock_dates` are those of all its types."""
    done = {one.invoice_type for one in outcomes if one.cleared}
    return tuple(
        TypeDate(device_number, kind, day)
        for kind, day in sorted(lock_dates.items())
        if kind not in done and not is_cleared(period, day)
    )


def of_device(outcomes: Sequence[TypeOutcome], left: Sequence[TypeDate]) -> Outcome:
    """The outcome of a device that succeeded."""
    if outcomes and not executed(outcomes):
        return Outcome.ALREADY
    return Outcome.PARTIAL if left else Outcome.CLEARED


def of_request(outcomes: Sequence[Outcome], left: Sequence[TypeDate]) -> Outcome:
    """The outcome of all its devices together."""
    if outcomes and all(one is Outcome.ALREADY for one in outcomes):
        return Outcome.ALREADY
    return Outcome.PARTIAL if left else Outcome.CLEARED


class Recorded(Protocol):
    """What a record, also one of before outcomes were kept, says of how it came out."""

    result: Result
    outcome: Outcome | None
    already: bool


def of_record(record: Recorded) -> Outcome | None:
    """The outcome on record; one of before outcomes were kept says at least whether it was executed."""
    if record.outcome is not None or record.result is not Result.SUCCEEDED:
        return record.outcome
    return Outcome.ALREADY if record.already else None


def nearest(days: Iterable[date | None]) -> date | None:
    """The earliest of the known days."""
    return min((day for day in days if day is not None), default=None)


def conclusion(
    outcome: Outcome | None, cleared: Sequence[TypeDate], left: Sequence[TypeDate], whole: str
) -> str:
    """What an end is called where few words have room: `whole` where nothing is left open."""
    if outcome is Outcome.ALREADY:
        return "；".join(filter(None, (NOT_EXECUTED, sentence((), left))))
    return sentence(cleared, left) if left else whole


def sentence(cleared: Sequence[TypeDate], left: Sequence[TypeDate]) -> str:
    """E.g. 004 已清卡；007、026 未清卡，2026-11-26 锁死. Several devices are told apart by number."""
    numbers = list(dict.fromkeys(one.device_number for one in (*cleared, *left)))
    several = len(numbers) > 1
    return "。".join(
        (f"设备 {number}：" if several else "")
        + _of_one([one for one in cleared if one.device_number == number], left, number)
        for number in numbers
    )


def _of_one(cleared: Sequence[TypeDate], left: Sequence[TypeDate], number: str) -> str:
    parts = [f"{types(cleared)} 已清卡"] if cleared else []
    own = sorted(
        (one for one in left if one.device_number == number),
        key=lambda one: (one.lock_date or date.max, one.invoice_type),
    )
    for day, group in groupby(own, key=lambda one: one.lock_date):
        until = f"，{day} 锁死" if day else ""
        parts.append(f"{types(list(group))} 未清卡{until}")
    return "；".join(parts)


def types(found: Iterable[TypeDate]) -> str:
    """Their codes: 004、007."""
    return "、".join(one.invoice_type.value for one in found)
