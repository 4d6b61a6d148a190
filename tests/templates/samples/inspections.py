"""Samples of the pages of inspections and of the rules."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from app.core.page_parts import Pager
from app.inspections.contexts import InspectionPage, InspectionRow, InspectionsPage, SectionView
from app.system.rules_pages import RuleField, RulesPage

from .frame import NOW, layout

NEXT = Pager("?cursor=abc")

MONTHLY = InspectionRow(
    "i1", "月度检查", "2026-12", "done", "blocking", "系统", NOW, NOW + timedelta(seconds=8)
)
RUNNING = replace(
    MONTHLY,
    id="i2",
    kind="手工检查",
    label="2026-12-09",
    state="running",
    severity="",
    finished_at=None,
)
INSPECTIONS = InspectionsPage((RUNNING, MONTHLY), NEXT, "每月 1 日、每季度首日", True, "")
SECTIONS = (
    SectionView(
        "未清卡设备",
        "blocking",
        "2 台设备尚未清卡",
        "在清卡管理中清卡。",
        "",
        ("设备", "剩余天数"),
        (("661814461322", "-1"), ("661814461323", "6")),
        3,
    ),
    SectionView("审计链", "ok", "审计记录 120 条，首尾相接", "", "", (), (), 0),
    SectionView("备份", "warning", "检查未能完成", "重新执行检查。", "internal", (), (), 0),
)

RULES = RulesPage(
    (
        RuleField("reminder_days", "锁死日期前几天提醒", "以逗号分隔", "5,3,1", "5,3,1", False),
        RuleField(
            "review_required_default",
            "新企业的清卡申请默认需要审核",
            "登记企业时的默认值",
            "True",
            "需要审核",
            False,
            (("True", "需要审核"), ("False", "不需要审核")),
        ),
        RuleField("peak_window", "业务高峰时段", "例如 09:00-11:30", "", "空", True),
    ),
    {},
)

PAGES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "inspections": ("inspections/list.html", INSPECTIONS, layout("/inspections")),
    "inspections-empty": (
        "inspections/list.html",
        replace(INSPECTIONS, rows=(), can_run=False, schedule=""),
        layout("/inspections"),
    ),
    "inspections-asking": (
        "inspections/list.html",
        replace(INSPECTIONS, asked="vacuum"),
        layout(""),
    ),
    "inspection": (
        "inspections/detail.html",
        InspectionPage(MONTHLY, SECTIONS, 0),
        layout("/inspections"),
    ),
    "inspection-running": (
        "inspections/detail.html",
        InspectionPage(RUNNING, SECTIONS[:1], 7),
        layout("/inspections"),
    ),
    "rules": ("system/rules.html", RULES, layout("/settings/rules")),
    "rules-invalid": (
        "system/rules.html",
        replace(RULES, errors={"reminder_days": "应为天数", "form": "没有保存"}),
        layout("/settings/rules"),
    ),
}
