"""When a clearing starts: now, on its clearing date (清卡日期), at the time it is scheduled for; never in the past."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Protocol

from app.clearing.window import window_end
from app.core.clock import SHANGHAI, local, local_date
from app.errors import Invalid
from app.settings import Settings

CLEARING_HOUR = time(9)
"""When a clearing of a later day starts, in Asia/Shanghai: offices are open and the devices plugged in."""


class Timed(Protocol):
    """What says when a clearing is to be done."""

    @property
    def clearing_date(self) -> date | None: ...
    @property
    def scheduled_for(self) -> datetime | None: ...
    @property
    def override_window(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Moment:
    """When it starts at the earliest. `is_later`: not at once. `after_peak`: the peak hours have put it off."""

    at: datetime
    is_later: bool
    after_peak: bool = False


class DateRefused(Invalid):
    """The clearing date or the time it is scheduled for is past, or both say different days."""

    code = "clearing.date"
    title = "清卡日期或定时执行的时间有误"
    remedy = "选择今天或以后的日期；同时填写定时执行时，两者应为同一天。"


class AfterLock(Invalid):
    """By that day a device would be locked."""

    code = "clearing.date_after_lock"
    title = "清卡日期晚于设备的锁死日期"
    remedy = "选择锁死日期当天或以前的日期；设备到锁死日期仍未清卡，次日起不能开票。"


_NAMED = 3
"""So many devices are named in a refusal."""


def require_ahead(wanted: Timed, now: datetime) -> None:
    """Refuse a day or a minute that is over, and a day that is not that of the time. Raises DateRefused."""
    day, at, today = wanted.clearing_date, wanted.scheduled_for, local_date(now)
    if day is not None and day < today:
        text = f"清卡日期 {day} 已经过去，今天是 {today}"
        raise DateRefused(text, errors={"clearing_date": text})
    # A form writes whole minutes: the minute that is running is not past.
    if at is not None and at < now.replace(second=0, microsecond=0):
        text = f"定时执行的时间 {local(at):%Y-%m-%d %H:%M} 已经过去"
        raise DateRefused(text, errors={"scheduled_for": text})
    if day is not None and at is not None and local_date(at) != day:
        text = f"定时执行在 {local_date(at)}，清卡日期是 {day}，两者应为同一天"
        raise DateRefused(text, errors={"scheduled_for": text})


def require_before_lock(
    wanted: Timed, lock_dates: Iterable[tuple[str, date | None]], now: datetime
) -> None:
    """Refuse a day on which a device would be locked already. Raises AfterLock; `lock_dates` by device number.

    A device that is past its lock date today is not made worse by any day, and may be cleared.
    """
    day, today = day_of(wanted, now), local_date(now)
    locked = sorted(
        (lock, number) for number, lock in lock_dates if lock is not None and today <= lock < day
    )
    if locked:
        first = "、".join(f"设备 {number} 锁死日期 {lock}" for lock, number in locked[:_NAMED])
        rest = f" 等 {len(locked)} 台" if len(locked) > _NAMED else ""
        text = f"清卡日期 {day} 晚于锁死日期，届时设备已不能开票：{first}{rest}"
        field = "scheduled_for" if wanted.clearing_date is None else "clearing_date"
        raise AfterLock(text, errors={field: text})


def moment_of(wanted: Timed, settings: Settings, now: datetime) -> Moment:
    """When it may start: never in the past, and after the peak hours unless these are overridden."""
    at = wanted.scheduled_for
    if at is None and wanted.clearing_date is not None and wanted.clearing_date > local_date(now):
        at = datetime.combine(wanted.clearing_date, CLEARING_HOUR, SHANGHAI)
    at = max(at or now, now)
    end = None if wanted.override_window else window_end(settings, at)
    return Moment(end or at, (end or at) > now, after_peak=end is not None)


def day_of(wanted: Timed, now: datetime) -> date:
    """The clearing date: the one asked for, that of the time it is scheduled for, else today."""
    return wanted.clearing_date or local_date(wanted.scheduled_for or now)
