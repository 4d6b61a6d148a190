"""Samples of the overview."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from app.dashboard.home_contexts import Event, HomePage, MonthCount, StateCounts, Task

from .frame import NOW, TODAY, Deadline, layout

COUNTS = StateCounts(due=38, running=4, cleared=79, failed=3, locked=2)


EVENTS = (
    Event(NOW, "读取设备 661814461322", "/devices/d1"),
    Event(NOW - timedelta(minutes=2), "007 抄报成功"),
    Event(NOW - timedelta(days=25), "清卡成功，锁死日期 11-16 → 12-15", "/clearing/records/r1"),
    Event(NOW - timedelta(days=25, minutes=4), "林会计 执行清卡"),
    Event(NOW - timedelta(days=25, minutes=5), "备份 1.2 MB 已校验"),
)


HOME = HomePage(
    today=TODAY,
    period="2026-11",
    counts=COUNTS,
    devices_connected=139,
    devices_total=143,
    submitted=5,
    reviews=True,
    tasks_total=21,
    tasks=(
        Task(
            "failed",
            "赵伟 · 税务端未申报，先完成纳税申报",
            "/clearing/requests/q1",
            "查看原因",
        ),
        Task(
            "locked",
            "孙丽华 · 设备已过锁死日期，不能开票",
            "/help/locked?operator=o4",
            "处理步骤",
        ),
        Task(
            "needs_attention",
            "冯建 · 没有收到设备的应答，系统正在读取设备",
            "/clearing/requests/q3",
            "查看进展",
        ),
        Task(
            "submitted",
            "代账组 周涛 提交的清卡申请 QK202612-000127",
            "/clearing/requests/q2",
            "去审核",
        ),
        Task("due", "3 位操作员的设备 3 天内锁死", "/clearing?state=due", "查看"),
    ),
    events=(
        Event(NOW, "何静 清卡成功", "/clearing/records/r2"),
        Event(NOW - timedelta(minutes=12), "备份目标 2 恢复连接"),
        Event(NOW - timedelta(minutes=31), "设备代理 门店二 上线", "/devices/agents"),
        Event(NOW - timedelta(minutes=48), "许明杰 清卡成功", "/clearing/records/r3"),
    ),
    months=tuple(
        MonthCount(month, ok, bad)
        for month, ok, bad in [
            ("2026-01", 118, 3),
            ("2026-02", 120, 1),
            ("2026-03", 119, 6),
            ("2026-04", 121, 2),
            ("2026-05", 122, 0),
            ("2026-06", 120, 4),
            ("2026-07", 123, 1),
            ("2026-08", 124, 1),
            ("2026-09", 124, 2),
            ("2026-10", 125, 0),
            ("2026-11", 126, 1),
            ("2026-12", 79, 3),
        ]
    ),
)


PAGES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "home": ("dashboard/home.html", HOME, layout("/")),
    "home-quiet": (
        "dashboard/home.html",
        replace(
            HOME, counts=StateCounts(0, 0, 0, 0, 0), tasks=(), tasks_total=0, events=(), months=()
        ),
        layout("/") | {"deadline": None, "simulated": True},
    ),
    "home-late": (
        "dashboard/home.html",
        HOME,
        layout("/") | {"deadline": Deadline(date(2026, 12, 6), -3, False)},
    ),
}
