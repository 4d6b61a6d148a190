"""Samples of clearing requests in every state."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from app.clearing.outcomes import Failure
from app.contracts.faults import FAULTS
from app.core.page_parts import Pager, Segment
from app.prechecks.contexts import WarningItem
from app.requests.contexts import (
    AttachmentRow,
    LogLine,
    RecordRef,
    RequestActions,
    RequestPage,
    RequestRow,
    RequestsPage,
    StageView,
)

from .frame import LOCK, NEXT_LOCK, NOW, PAGER, PEOPLE, TODAY, layout
from .operators import ACCEPTED, effects
from .records import BACKUP, FIGURES, NOT_FILED, OUTCOMES

STAGES = (
    StageView("init", "done", "12 项检查通过 · 0.8 秒"),
    StageView("backup", "done", "586 张发票 · 1.2 MB · 已校验"),
    StageView("clear", "running", "第 2 / 3 类：007 写入设备"),
    StageView("done", "waiting", "读取设备核对"),
)


LOG = tuple(
    LogLine(NOW - timedelta(seconds=seconds), text, level)
    for seconds, text, level in [
        (0, "004 清卡完成，锁死日期 2026-12-15 → 2027-01-18", "info"),
        (5, "004 写入设备（JKHC）", "info"),
        (12, "取得清卡信息（QLJS）", "info"),
        (21, "上报汇总成功：004、007、026（WLCB）", "info"),
        (25, "设备忙，等待后继续", "warning"),
        (32, "026 抄报（SJCB）", "info"),
        (37, "备份已读回比对：SHA-256 一致", "info"),
    ]
)


RUNNING = RequestPage(
    id="q1",
    number="QK202612-000128",
    state="running",
    operator_id="o0",
    operator_name="王晓梅",
    operator_code="KP0012",
    enterprise="南京德茂商贸有限公司",
    device_numbers=("661814461322",),
    mode="regular",
    kind="device",
    scope="full",
    invoice_types=(),
    period="2026-11",
    clearing_date=TODAY,
    reason="本期申报已完成",
    contact_name="王晓梅",
    contact_phone="025-84110021",
    scheduled_for=None,
    requested_by="王晓梅",
    created_at=NOW - timedelta(minutes=20),
    reviewed_by="陈审核",
    reviewed_at=NOW - timedelta(minutes=3),
    review_comment="已核对申报表",
    executed_by="林会计",
    stages=STAGES,
    progress=62,
    message="007 增值税普通发票：已取得清卡信息，正在写入设备",
    elapsed_seconds=41,
    log=LOG,
    outcomes=(),
    invoices_cleared=0,
    amount=Decimal("0.00"),
    backup=None,
    records=(),
    failure=None,
    actions=RequestActions(),
    key="0190b5a2-7c3e-7d11-9f4e-2f1c8a6b0d56",
    checks=ACCEPTED,
    checked_at=NOW - timedelta(seconds=40),
    events_url="/api/v1/clearing-requests/q1/events",
)


SUCCEEDED = replace(
    RUNNING,
    state="succeeded",
    stages=tuple(replace(stage, state="done") for stage in STAGES),
    progress=100,
    message="清卡成功",
    elapsed_seconds=73,
    outcomes=OUTCOMES,
    invoices_cleared=586,
    amount=Decimal("1692455.22"),
    backup=BACKUP,
    records=(RecordRef("r1", "661814461322", 1, "succeeded"),),
    outcome="cleared",
    next_lock_date=NEXT_LOCK,
    figures=FIGURES,
    actions=RequestActions(confirm=True),
    events_url="",
)


PARTLY = replace(
    SUCCEEDED,
    scope="partial",
    invoice_types=("004",),
    message="004 已清卡；007、026 未清卡，2026-12-15 锁死",
    outcomes=OUTCOMES[:1],
    outcome="partial",
    outcome_said="004 已清卡；007、026 未清卡，2026-12-15 锁死",
    remaining_said="007、026 未清卡，2026-12-15 锁死",
    next_lock_date=LOCK,
)


ALREADY = replace(
    SUCCEEDED,
    message="此前已清卡，未执行",
    outcomes=OUTCOMES[2:],
    outcome="already",
    figures=(),
)


STOPPED = replace(
    RUNNING,
    state="failed",
    stages=(StageView("init", "failed", "有未确认的提醒"), *STAGES[3:]),
    failure=Failure(
        "clearing.warnings",
        "有未确认的提醒：设备时钟与系统相差 7 分钟（device.clock）",
        "阅读提醒；可以继续的，重试时勾选“已了解”。设备尚未有任何改动。",
    ),
    warnings=(
        WarningItem(
            "device.clock",
            "设备时钟与系统相差 7 分钟",
            "可以继续；建议先校准设备时钟。会写入审计记录。",
        ),
    ),
    actions=RequestActions(retry=True),
    dialog_open="retry",
    events_url="",
)


FAILED = replace(
    RUNNING,
    state="failed",
    stages=(
        *STAGES[:2],
        StageView("clear", "failed", "税务端未申报"),
        StageView("done", "waiting", ""),
    ),
    message="税务端未申报",
    failure=NOT_FILED,
    actions=RequestActions(retry=True),
    events_url="",
)


RETRY = replace(
    FAILED, dialog_open="retry", errors={"password": "密码不正确", "form": "请重新输入密码"}
)


ATTENTION = replace(
    FAILED,
    state="needs_attention",
    failure=Failure(
        "device.outcome_unknown",
        FAULTS["device.outcome_unknown"].title,
        FAULTS["device.outcome_unknown"].remedy,
    ),
    message="正在读取设备",
    events_url="/api/v1/clearing-requests/q1/events",
)


SUBMITTED = replace(
    RUNNING,
    state="submitted",
    effects=effects("regular", "device", "partial", ("004", "007")),
    scope="partial",
    invoice_types=("004", "007"),
    reviewed_by="",
    reviewed_at=None,
    review_comment="",
    executed_by="",
    log=(),
    actions=RequestActions(approve=True, reject=True, execute=True, cancel=True),
    events_url="/api/v1/clearing-requests/q1/events",
)


REJECTING = replace(
    SUBMITTED, dialog_open="reject", comment="", errors={"comment": "请填写驳回原因"}
)


SCHEDULED = replace(SUBMITTED, state="scheduled", scheduled_for=NOW + timedelta(hours=9))


EXCEPTIONAL = replace(
    SUBMITTED,
    exceptional=True,
    checklist=("licence", "seals", "device"),
    attachments=(AttachmentRow("a1", "逾期说明.pdf", 182_000, NOW),),
    actions=RequestActions(approve=True, reject=True, cancel=True, attach=True),
    errors={"file": "附件只能是 PDF、PNG 或 JPEG"},
)

REQUESTS = RequestsPage(
    "",
    "",
    50,
    (Segment("全部", "/clearing/requests", True), Segment("待审核", "?state=submitted", False, 5)),
    tuple(
        RequestRow(
            f"q{index}",
            f"QK202612-{128 - index:06d}",
            state,
            PEOPLE[index % 8][0],
            PEOPLE[index % 8][3],
            "2026-11",
            "regular",
            "full",
            "王晓梅",
            NOW - timedelta(minutes=17 * index),
            62 if state == "running" else 0,
        )
        for index, state in enumerate(
            [
                "running",
                "submitted",
                "approved",
                "scheduled",
                "failed",
                "needs_attention",
                "succeeded",
                "confirmed",
                "rejected",
                "cancelled",
            ]
        )
    ),
    PAGER,
)


REQUESTS_EMPTY = replace(REQUESTS, rows=(), pager=Pager())


PAGES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "request-running": ("requests/detail.html", RUNNING, layout("/clearing/requests")),
    "request-succeeded": ("requests/detail.html", SUCCEEDED, layout("/clearing/requests")),
    "request-partial": ("requests/detail.html", PARTLY, layout("/clearing/requests")),
    "request-already": ("requests/detail.html", ALREADY, layout("/clearing/requests")),
    "request-stopped": ("requests/detail.html", STOPPED, layout("/clearing/requests")),
    "request-failed": ("requests/detail.html", FAILED, layout("/clearing/requests")),
    "request-retry": ("requests/detail.html", RETRY, layout("/clearing/requests")),
    "request-attention": ("requests/detail.html", ATTENTION, layout("/clearing/requests")),
    "request-exceptional": ("requests/detail.html", EXCEPTIONAL, layout("/clearing/requests")),
    "request-submitted": ("requests/detail.html", SUBMITTED, layout("/clearing/requests")),
    "request-rejecting": ("requests/detail.html", REJECTING, layout("/clearing/requests")),
    "request-scheduled": ("requests/detail.html", SCHEDULED, layout("/clearing/requests")),
    "requests": ("requests/list.html", REQUESTS, layout("/clearing/requests")),
    "requests-empty": ("requests/list.html", REQUESTS_EMPTY, layout("/clearing/requests")),
}
