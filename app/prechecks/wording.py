"""Figures of the checks in words."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from app.contracts.devices import LinkState, Monitor
from app.core.clock import local

LINK_STATES = {
    LinkState.CONNECTED: "已连接",
    LinkState.DISCONNECTED: "未连接",
    LinkState.LOCKED: "已锁死",
    LinkState.FAULT: "故障",
}


def span(length: timedelta) -> str:
    """How long, rounded down: 75 秒, 12 分钟, 30 小时."""
    seconds = int(length.total_seconds())
    if seconds < 120:
        return f"{seconds} 秒"
    if seconds < 7200:
        return f"{seconds // 60} 分钟"
    return f"{seconds // 3600} 小时"


def size(count: int) -> str:
    """A number of bytes: 12 MB, 1.5 GB."""
    if count >= 1 << 30:
        return f"{count / (1 << 30):.1f} GB"
    return f"{count // (1 << 20)} MB"


def moment(at: datetime | None) -> str:
    """A moment of the server, as people here write it; empty for None."""
    return f"{local(at):%Y-%m-%d %H:%M:%S}" if at is not None else ""


def device_moment(at: datetime | None) -> str:
    """A time of a device's own clock, as it shows it; empty for None."""
    return f"{at:%Y-%m-%d %H:%M:%S}" if at is not None else ""


def lock_dates(monitors: Iterable[Monitor]) -> str:
    """Of every type: 004 2026-11-16、007 2026-11-16."""
    return "、".join(f"{one.invoice_type.value} {one.lock_date}" for one in monitors)


def report_starts(monitors: Iterable[Monitor]) -> str:
    """报送起始 of every type: 004 2026-10-01、007 2026-10-01."""
    return "、".join(f"{one.invoice_type.value} {one.report_from:%Y-%m-%d}" for one in monitors)


def last_reports(monitors: Iterable[Monitor]) -> str:
    """最近报税 of every type, 从未 where there was none."""
    return "、".join(
        f"{one.invoice_type.value} "
        + (f"{one.last_reported_at:%Y-%m-%d}" if one.last_reported_at else "从未")
        for one in monitors
    )
