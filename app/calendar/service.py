"""Use cases of the calendar: what is the deadline, how long until then, and moving it by a notice."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.audit.actor import Actor
from app.calendar import queries
from app.calendar.models import CalendarOverride
from app.calendar.rules import FilingDeadline, Source, statutory_deadline
from app.calendar.schemas import FIRST_YEAR, LAST_YEAR
from app.contracts.periods import Period
from app.core.db import Session
from app.errors import Invalid, NotFound

LONGEST_EXTENSION = timedelta(days=92)
"""From the first of the month; a later date is taken for a slip of the pen."""


class DeadlineOutOfRange(Invalid):
    """A deadline lies in its month, or at most about two months after it."""

    code = "calendar.deadline_out_of_range"
    title = "申报期限与月份不符"
    remedy = "期限应在该月 1 日之后、不晚于其后第三个月初。请核对通知。"


class YearOutOfRange(Invalid):
    """The calendar knows no such year."""

    code = "calendar.year_out_of_range"
    title = "征期日历没有这一年"
    remedy = f"请选择 {FIRST_YEAR} 到 {LAST_YEAR} 之间的年份。"


class OverrideNotFound(NotFound):
    """There is no such override (any more)."""

    code = "calendar.override_not_found"
    title = "没有这条期限调整"


@dataclass(frozen=True, slots=True)
class Countdown:
    """Days until the deadline of this month: 0 on the day itself, negative after it."""

    deadline: FilingDeadline
    days_left: int


def deadline_for(session: Session, month: Period, *, region: str = "") -> FilingDeadline:
    """The deadline in `month` for taxpayers of the tax authority with the code `region`."""
    return _choose(month, queries.overrides_between(session, month, month), region)


def deadlines_between(
    session: Session, first: Period, last: Period, *, region: str = ""
) -> list[FilingDeadline]:
    """The deadlines of the months `first` to `last`, both included."""
    overrides = queries.overrides_between(session, first, last)
    return [
        _choose(month, [each for each in overrides if each.month == month], region)
        for month in _months(first, last)
    ]


def _months(first: Period, last: Period) -> Iterator[Period]:
    month = first
    while month < last:
        yield month
        month = month.plus(1)
    yield last


def known_year(text: str) -> int:
    """The year of a text. Raises YearOutOfRange."""
    if not (text.isascii() and text.isdigit() and FIRST_YEAR <= int(text) <= LAST_YEAR):
        raise YearOutOfRange(f"{text[:10]} 不在 {FIRST_YEAR} 到 {LAST_YEAR} 之间")
    return int(text)


def deadlines_of_year(session: Session, year: int, *, region: str = "") -> list[FilingDeadline]:
    """The twelve deadlines of a year. Raises YearOutOfRange."""
    known_year(str(year))
    return deadlines_between(session, Period(f"{year}-01"), Period(f"{year}-12"), region=region)


def countdown(session: Session, *, today: date, region: str = "") -> Countdown:
    """How long until the deadline of the month `today` lies in."""
    found = deadline_for(session, Period.of(today), region=region)
    return Countdown(found, (found.deadline - today).days)


def set_override(
    session: Session,
    *,
    month: Period,
    region: str,
    deadline: date,
    notice: str,
    actor: Actor,
    at: datetime,
) -> CalendarOverride:
    """Move the deadline by a notice; replaces what was set for the same month and region.

    Raises DeadlineOutOfRange. Who may do this is checked by the caller.
    """
    if not timedelta(0) <= deadline - month.first_day <= LONGEST_EXTENSION:
        raise DeadlineOutOfRange(errors={"deadline": DeadlineOutOfRange.title})
    before = deadline_for(session, month, region=region)
    override = queries.override_of(session, month, region) or CalendarOverride(
        month=str(month),
        region=region,
        deadline=deadline,
        notice=notice,
        created_by="",
        created_at=at,
    )
    override.deadline, override.notice = deadline, notice
    override.created_by, override.created_at = actor.name, at
    session.add(override)
    session.flush()
    _record(session, AuditAction.CALENDAR_OVERRIDDEN, override, before, actor, at)
    return override


def remove_override(
    session: Session, *, override_id: UUID, actor: Actor, at: datetime
) -> CalendarOverride:
    """Go back to the statutory deadline; gives what was removed. Raises OverrideNotFound."""
    override = queries.override_by_id(session, override_id)
    if override is None:
        raise OverrideNotFound
    before = deadline_for(session, Period(override.month), region=override.region)
    session.delete(override)
    session.flush()
    _record(session, AuditAction.CALENDAR_OVERRIDE_REMOVED, override, before, actor, at)
    return override


def _choose(month: Period, overrides: Iterable[CalendarOverride], region: str) -> FilingDeadline:
    """The override with the longest region that fits, else the statutory deadline."""
    fitting = [each for each in overrides if region.startswith(each.region)]
    best = max(fitting, key=lambda each: len(each.region), default=None)
    if best is None:
        return statutory_deadline(month)
    return FilingDeadline(month, best.deadline, Source.OVERRIDE, best.notice)


def _record(
    session: Session,
    action: AuditAction,
    override: CalendarOverride,
    before: FilingDeadline,
    actor: Actor,
    at: datetime,
) -> None:
    audit.record(
        session,
        actor=actor,
        action=action,
        object_type="calendar_override",
        object_id=override.id,
        at=at,
        details={
            "month": override.month,
            "region": override.region,
            "before": before.deadline,
            "deadline": deadline_for(
                session, Period(override.month), region=override.region
            ).deadline,
            "notice": override.notice,
        },
    )
