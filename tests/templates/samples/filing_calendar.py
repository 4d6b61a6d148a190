"""Samples of the filing calendar."""

from dataclasses import replace
from datetime import date
from typing import Any

from app.calendar.contexts import CalendarPage, MonthRow, OverrideForm, OverrideRow

from .frame import NOW, layout

_DAYS = (15, 23, 15, 18, 22, 15, 15, 15, 15, 26, 16, 15)
_SOURCES = {2: "override", 11: "rule", 12: "rule"}
_NOTICE = "税总办征科函〔2025〕201号"

YEAR = CalendarPage(
    year=2026,
    region="131",
    previous_href="/settings/calendar?year=2025",
    next_href="/settings/calendar?year=2027",
    months=tuple(
        MonthRow(
            f"2026-{month:02d}",
            date(2026, month, day),
            _SOURCES.get(month, "published"),
            {2: "沪税函〔2026〕9号"}.get(month, _NOTICE if month < 11 else ""),
        )
        for month, day in enumerate(_DAYS, 1)
    ),
    overrides=(
        OverrideRow("v1", "2026-02", "131", date(2026, 2, 28), "沪税函〔2026〕9号", "林会计", NOW),
        OverrideRow("v2", "2026-07", "", date(2026, 7, 20), "税总办函〔2026〕7号", "林会计", NOW),
    ),
    form=OverrideForm("2026-13", "上海", "2026-02-28", ""),
    can_change=True,
)

PAGES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "calendar": ("calendar/year.html", YEAR, layout("/settings/calendar")),
    "calendar-invalid": (
        "calendar/year.html",
        replace(
            YEAR,
            asked="create",
            errors={"month": "属期应为 YYYY-MM，例如 2026-11", "notice": "必填"},
        ),
        layout("/settings/calendar"),
    ),
    "calendar-other-year": (
        "calendar/year.html",
        replace(
            YEAR,
            overrides=(),
            can_change=False,
            year_error="征期日历没有这一年（calendar.year_out_of_range）：请选择 2000 到 2099 之间的年份。",
        ),
        layout("/settings/calendar"),
    ),
}
