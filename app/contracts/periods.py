"""属期: the month (YYYY-MM) whose data is cleared."""

import re
from datetime import date, datetime, timedelta
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

_PATTERN = re.compile(r"^(20\d{2})-(0[1-9]|1[0-2])$")


class Period(str):
    """A month written YYYY-MM; sorts and compares as text."""

    __slots__ = ()

    def __new__(cls, text: str) -> "Period":
        if not _PATTERN.match(text):
            raise ValueError("属期应为 YYYY-MM，例如 2026-11")
        return super().__new__(cls, text)

    @classmethod
    def of(cls, day: date) -> "Period":
        """The month `day` lies in."""
        return cls(f"{day:%Y-%m}")

    @property
    def first_day(self) -> date:
        """First day of the month."""
        return date(int(self[:4]), int(self[5:]), 1)

    @property
    def last_day(self) -> date:
        """Last day of the month."""
        return self.plus(1).first_day - timedelta(days=1)

    def plus(self, months: int) -> "Period":
        """The month `months` later (earlier when negative)."""
        index = int(self[:4]) * 12 + int(self[5:]) - 1 + months
        return type(self)(f"{index // 12:04d}-{index % 12 + 1:02d}")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(
            cls,
            core_schema.str_schema(pattern=_PATTERN.pattern),
            serialization=core_schema.to_string_ser_schema(),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "pattern": _PATTERN.pattern, "examples": ["2026-11"]}


def due_period(lock_date: date) -> Period:
    """The period that has to be cleared before `lock_date`: the month before it.

    A device is cleared in the month after the period, before its lock date in that month; a
    clearing moves the lock date to a later month (docs/domain.md, rules 2 and 3).
    """
    return Period.of(lock_date).plus(-1)


def is_cleared(period: Period, lock_date: date) -> bool:
    """Whether a type with this lock date has been cleared for `period`."""
    return due_period(lock_date) > period


def is_reported(period: Period, lock_date: date, last_reported_at: datetime | None) -> bool:
    """Whether a type was reported (抄报) for `period`: in a later month, or cleared since.

    Both times are what the device itself shows.
    """
    if is_cleared(period, lock_date):
        return True
    return last_reported_at is not None and Period.of(last_reported_at) > period


def reported_period(lock_date: date, last_reported_at: datetime | None) -> Period:
    """The last period a type was reported for, as the device shows it: the one due, or that before."""
    due = due_period(lock_date)
    return due if is_reported(due, lock_date, last_reported_at) else due.plus(-1)


__all__ = ["Period", "due_period", "is_cleared", "is_reported", "reported_period"]
