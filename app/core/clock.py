"""One source of time: UTC inside, Asia/Shanghai on pages; a device's own clock is kept apart."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")

Clock = Callable[[], datetime]
"""Returns the current time, timezone-aware, in UTC."""


def utc_now() -> datetime:
    """The system's clock."""
    return datetime.now(UTC)


def local(moment: datetime) -> datetime:
    """`moment` in the time zone people here live in."""
    return moment.astimezone(SHANGHAI)


def local_date(moment: datetime) -> date:
    """The calendar day in Asia/Shanghai at `moment`."""
    return local(moment).date()
