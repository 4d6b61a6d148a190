"""清卡状态 of an operator on a given day: once in Python, once as conditions of a query.

A clearing under way or failed says it by itself. Otherwise the earliest lock date of the operator's
devices does: past, it is locked; in the month of `today`, it is due; in a later month, it was cleared.
An operator none of whose devices was ever read is due: nobody knows better.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped
from sqlmodel import col

from app.core.columns import EnumText
from app.operators.models import NEVER_READ, Attention, Operator


class ClearingState(StrEnum):
    """待清卡, 清卡中, 已清卡, 失败, 已锁死."""

    DUE = "due"
    RUNNING = "running"
    CLEARED = "cleared"
    FAILED = "failed"
    LOCKED = "locked"


def state_of(attention: Attention, lock_date: date | None, today: date) -> ClearingState:
    """The state of an operator with these facts on this day."""
    if attention is Attention.RUNNING:
        return ClearingState.RUNNING
    if attention is Attention.FAILED:
        return ClearingState.FAILED
    if lock_date is None:
        return ClearingState.DUE
    if lock_date < today:
        return ClearingState.LOCKED
    return ClearingState.DUE if lock_date <= _month_end(today) else ClearingState.CLEARED


@dataclass(frozen=True, slots=True)
class UrgencyRange:
    """Operators with this attention (None: any) whose `urgency` lies in first..last."""

    attention: Attention | None
    first: date
    last: date

    @property
    def values(self) -> dict[str, Any]:
        """What `condition` compares with, by name; only what it does compare."""
        values: dict[str, Any] = {}
        if self.attention is not None:
            values["attention"] = self.attention
        if self.first > date.min:
            values["first"] = self.first
        if self.last < date.max:
            values["last"] = self.last
        return values

    def condition(self, *, indexed: bool = True) -> sa.ColumnElement[bool]:
        """As a condition an index on (attention, urgency) serves.

        With `indexed` False the columns stand behind a unary plus, so that SQLite takes another index.
        """
        attention: sa.ColumnElement[Any] | Mapped[Any] = col(Operator.attention)
        urgency: sa.ColumnElement[Any] | Mapped[Any] = col(Operator.urgency)
        if not indexed:
            attention = sa.literal_column("+operators.attention", EnumText(Attention))
            urgency = sa.literal_column("+operators.urgency", sa.Date)
        within: list[sa.ColumnElement[bool]] = []
        if self.attention is not None:
            within.append(attention == self.attention)
        if self.first > date.min:
            within.append(urgency >= self.first)
        if self.last < date.max:
            within.append(urgency <= self.last)
        return sa.and_(sa.true(), *within)


def state_ranges(state: ClearingState | None, today: date) -> list[UrgencyRange]:
    """The ranges, in order of urgency, that hold exactly the operators in `state` (None: all)."""
    yesterday, month_end = today - timedelta(days=1), _month_end(today)
    never, always = date.min, date.max
    quiet = Attention.NONE
    ranges = {
        None: [UrgencyRange(None, never, always)],
        ClearingState.RUNNING: [UrgencyRange(Attention.RUNNING, never, always)],
        ClearingState.FAILED: [UrgencyRange(Attention.FAILED, never, always)],
        ClearingState.LOCKED: [UrgencyRange(quiet, never, yesterday)],
        ClearingState.DUE: [
            UrgencyRange(quiet, today, month_end),
            UrgencyRange(quiet, NEVER_READ, NEVER_READ),
        ],
        ClearingState.CLEARED: [
            UrgencyRange(quiet, month_end + timedelta(days=1), NEVER_READ - timedelta(days=1))
        ],
    }
    return ranges[state]


def state_conditions(state: ClearingState, today: date) -> sa.ColumnElement[bool]:
    """The condition that an operator is in `state` on this day; agrees with `state_of`."""
    return sa.or_(*(part.condition() for part in state_ranges(state, today)))


@lru_cache(maxsize=8)
def _month_end(day: date) -> date:
    return day.replace(day=monthrange(day.year, day.month)[1])
