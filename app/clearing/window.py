"""The business peak hours in which nothing is cleared without an explicit override."""

from datetime import datetime, time

from app.core.clock import local
from app.settings import Settings


def parse_window(text: str) -> tuple[time, time] | None:
    """`09:00-11:30` as two times of day in Asia/Shanghai; empty is no window."""
    if not text.strip():
        return None
    first, _, last = text.partition("-")
    return time.fromisoformat(first.strip()), time.fromisoformat(last.strip())


def window_end(settings: Settings, moment: datetime) -> datetime | None:
    """When the peak hours end that `moment` lies in, or None outside of them."""
    window = parse_window(settings.peak_window)
    if window is None:
        return None
    here = local(moment)
    start, end = window
    if not start <= here.time() < end:
        return None
    return here.replace(hour=end.hour, minute=end.minute, second=0, microsecond=0)
