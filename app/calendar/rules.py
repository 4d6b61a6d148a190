"""The filing deadline (申报期限) of a month: the published table, and the rule for months not in it.

Pure: no database. The table is data/filing_deadlines.csv, taken from the yearly notices of the
State Taxation Administration; rest days are those of the State Council's calendar, from the library
chinese_calendar up to its last year, plain weekends beyond it.
"""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import cache, lru_cache
from importlib.resources import files

from chinese_calendar import is_holiday
from chinese_calendar.constants import holidays

from app.contracts.periods import Period

IsRestDay = Callable[[date], bool]

STATUTORY_DAY = 15
"""Last day to file when no holiday is in the way (税收征收管理法实施细则第一百零九条 moves it)."""

LONG = 3
"""Rest days in a row from which a holiday in the filing period extends it, by the same article."""

_ONE_DAY = timedelta(days=1)
_FIRST_YEAR, _LAST_YEAR = min(holidays).year, max(holidays).year


class Source(StrEnum):
    """Where a deadline comes from; `rule` is shown as 推算."""

    PUBLISHED = "published"
    RULE = "rule"
    OVERRIDE = "override"


@dataclass(frozen=True, slots=True)
class FilingDeadline:
    """The last day to file and clear in the calendar month `month` (for the period before it).

    `notice` is the number of the notice it was published or overridden by, "" where there is none.
    """

    month: Period
    deadline: date
    source: Source
    notice: str = ""


def is_rest_day(day: date) -> bool:
    """Whether people rest: weekends and holidays, without weekend days worked in exchange (调休)."""
    if _FIRST_YEAR <= day.year <= _LAST_YEAR:
        return bool(is_holiday(day))
    return day.weekday() >= 5


def rule_deadline(month: Period, is_rest_day: IsRestDay = is_rest_day) -> date:
    """The deadline by rule 11 of docs/domain.md.

    Every run of rest days is cut to its part inside the 1st..15th. N is the sum of the parts of
    three days or more. With N = 0 it is the first working day from the 15th on. Otherwise it is N
    working days after the 15th, or after the end of the run that holds the 15th if that run's part
    counts in N.
    """
    fifteenth = month.first_day.replace(day=STATUTORY_DAY)
    parts = [part for part in _rest_parts(month.first_day, is_rest_day) if len(part) >= LONG]
    extension = sum(len(part) for part in parts)
    if extension == 0:
        return _first_working_day(fifteenth, is_rest_day)
    start = fifteenth
    if parts[-1][-1] == fifteenth:
        start = _first_working_day(fifteenth, is_rest_day) - _ONE_DAY
    return _advance(start, extension, is_rest_day)


def _rest_parts(first: date, is_rest_day: IsRestDay) -> list[list[date]]:
    """The runs of rest days inside the 1st..15th."""
    parts: list[list[date]] = []
    for offset in range(STATUTORY_DAY):
        day = first + timedelta(days=offset)
        if not is_rest_day(day):
            continue
        if parts and parts[-1][-1] == day - _ONE_DAY:
            parts[-1].append(day)
        else:
            parts.append([day])
    return parts


def _first_working_day(day: date, is_rest_day: IsRestDay) -> date:
    while is_rest_day(day):
        day += _ONE_DAY
    return day


def _advance(day: date, working_days: int, is_rest_day: IsRestDay) -> date:
    for _ in range(working_days):
        day = _first_working_day(day + _ONE_DAY, is_rest_day)
    return day


@cache
def published_deadlines() -> dict[Period, FilingDeadline]:
    """The published table by month."""
    text = files("app.calendar").joinpath("data/filing_deadlines.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    deadlines = (
        FilingDeadline(
            Period(row["month"]),
            date.fromisoformat(row["deadline"]),
            Source.PUBLISHED,
            row["notice"],
        )
        for row in rows
    )
    return {deadline.month: deadline for deadline in deadlines}


@lru_cache(maxsize=2048)
def statutory_deadline(month: Period) -> FilingDeadline:
    """The published deadline, else the one by rule."""
    published = published_deadlines().get(month)
    return published or FilingDeadline(month, rule_deadline(month), Source.RULE)
