"""清卡状态 of an invoice type, read off the device's own clock. Pure: docs/domain.md, rule 2.

With the months `now` (device clock), `rep` (last report) and `lock` (lock date):

    lock date before the clock's day    已锁死        LOCKED        the device refuses to issue
    rep < now and lock <= now           未抄报        NOT_REPORTED
    lock <= now                         已抄报未清卡   REPORTED
    else                                已清卡        CLEARED
"""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from enum import StrEnum

from app.core.clock import SHANGHAI

ZOMBIE_AFTER = timedelta(days=90)
"""僵尸盘: without a report for longer than this, a device needs the tax office."""


class TypeState(StrEnum):
    """States of an invoice type; a device's state is the worst of its types."""

    LOCKED = "locked"
    NOT_REPORTED = "not_reported"
    REPORTED = "reported"
    CLEARED = "cleared"


_WORST_FIRST = (
    TypeState.LOCKED,
    TypeState.NOT_REPORTED,
    TypeState.REPORTED,
    TypeState.CLEARED,
)


def type_state(last_reported_at: datetime | None, lock_date: date, clock: datetime) -> TypeState:
    """The state of one type; all three times are the device's own clock. Never reported counts as long ago."""
    if lock_date < clock.date():
        return TypeState.LOCKED
    if _month(lock_date) > _month(clock):
        return TypeState.CLEARED
    if last_reported_at is None or _month(last_reported_at) < _month(clock):
        return TypeState.NOT_REPORTED
    return TypeState.REPORTED


def worst(states: Iterable[TypeState]) -> TypeState | None:
    """The state of a device with types in these states; None when there are none."""
    return min(states, key=_WORST_FIRST.index, default=None)


def is_zombie(last_reports: Iterable[datetime | None], clock: datetime) -> bool:
    """Whether the newest report of all types is more than 90 days old. One never made is not known to be."""
    newest = max((at for at in last_reports if at is not None), default=None)
    return newest is not None and clock - newest > ZOMBIE_AFTER


def is_zombie_now(
    last_reports: Iterable[datetime | None], drift_seconds: int | None, now: datetime
) -> bool:
    """Whether it is one at `now` (UTC) by what was read last: its clock has gone on since."""
    return is_zombie(last_reports, clock_now(now, drift_seconds))


def clock_now(now: datetime, drift_seconds: int | None) -> datetime:
    """What the device's clock shows at `now` (UTC), by the drift seen at the last read; naive."""
    shown = now.astimezone(SHANGHAI).replace(tzinfo=None)
    return shown + timedelta(seconds=drift_seconds or 0)


def as_shown(clock: datetime) -> datetime:
    """A device clock's naive time with the zone it is meant in, for pages and the API."""
    return clock.replace(tzinfo=SHANGHAI)


def _month(day: date) -> tuple[int, int]:
    return day.year, day.month
