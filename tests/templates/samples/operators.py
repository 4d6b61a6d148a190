"""Samples of the list of operators and the page of one."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from app.clearing.contexts import (
    CheckItem,
    ClearingForm,
    DeviceCard,
    Impact,
    ListPage,
    OperatorPage,
    OperatorRow,
    RequestRef,
    TypeRow,
    WarningItem,
)
from app.core.page_parts import Pager, Segment

from .frame import ENTERPRISES, FULL_PAGER, LOCK, NOW, PAGER, PEOPLE, layout
from .home import COUNTS, EVENTS
from .records import RECORDS

ROWS = tuple(
    OperatorRow(
        f"o{index}",
        code,
        name,
        state,
        enterprise,
        (number, "539904612700", "539904612701") if index == 2 else (number,),
        lock,
        left,
        NOW - timedelta(days=24 + index),
    )
    for index, (name, code, state, enterprise, number, lock, left) in enumerate(PEOPLE)
)


STATE_SEGMENTS = tuple(
    Segment(label, f"/clearing?state={state}" if state else "/clearing", not state)
    for label, state in [
        ("全部", ""),
        ("待清卡", "due"),
        ("清卡中", "running"),
        ("已清卡", "cleared"),
        ("失败", "failed"),
        ("已锁死", "locked"),
    ]
)


LIST = ListPage("", "", "", 50, "2026-11", COUNTS, ENTERPRISES, STATE_SEGMENTS, ROWS, PAGER, True)


LIST_EMPTY = replace(LIST, q="没有此人", rows=(), pager=Pager())


LIST_FIRST = replace(LIST, rows=(), counts=None, pager=Pager())


LIST_FULL = replace(
    LIST,
    rows=tuple(replace(ROWS[n % 8], id=f"0190b5a2-7c3e-7d11-9f4e-{n:012d}") for n in range(50)),
    pager=FULL_PAGER,
)


TYPES = (
    TypeRow("004", "not_reported", date(2026, 11, 1), None, LOCK, 128, Decimal("1284330.00")),
    TypeRow(
        "007",
        "reported",
        date(2026, 11, 1),
        datetime(2026, 12, 9, 10, 40),
        LOCK,
        56,
        Decimal("98120.50"),
    ),
    TypeRow("026", "not_reported", date(2026, 11, 1), None, LOCK, 402, Decimal("310004.72")),
)


DEVICE = DeviceCard(
    "d1",
    "661814461322",
    "tax_disk",
    "connected",
    0,
    LOCK,
    6,
    NOW - timedelta(days=25),
    3,
    NOW,
    "",
    TYPES,
)


CHECKS = (
    CheckItem("ok", "设备已连接，驱动正常"),
    CheckItem("ok", "设备与操作员、企业一致"),
    CheckItem("ok", "税务端可以访问"),
    CheckItem("ok", "没有未开完的发票"),
    CheckItem("ok", "没有未上传的发票"),
    CheckItem("ok", "本期尚未清卡"),
    CheckItem("warning", "距上次清卡 25 天，低于建议间隔 28 天", "可以继续；会写入审计记录"),
    CheckItem("ok", "备份空间充足（剩 182 GB）"),
)


BLOCKED = (
    CheckItem("blocking", "有 2 张离线发票尚未上传", "联网上传全部离线发票后重新检查"),
    *CHECKS,
)


FORM = ClearingForm(
    "regular",
    "device",
    "full",
    (),
    "2026-11",
    "2026-12-09",
    "",
    "王晓梅",
    "025-84110021",
    "0190b5a2-7c3e-7d11-9f4e-2f1c8a6b0d55",
)


OPERATOR = OperatorPage(
    id="o0",
    code="KP0012",
    name="王晓梅",
    state="due",
    department="财务部",
    phone="025-84110021",
    enterprise="南京德茂商贸有限公司",
    tax_no="91320118MA20LU6N3P",
    filing_cycle="monthly",
    period="2026-11",
    lock_date=LOCK,
    days_left=6,
    last_cleared_at=NOW - timedelta(days=25),
    devices=(DEVICE,),
    checks=CHECKS,
    events=EVENTS,
    records=RECORDS,
    open_request=None,
    impact=Impact(586, 3, 2),
    form=FORM,
    type_options=("004", "007", "026"),
    can_request=True,
    can_execute=True,
    can_refresh=True,
)


OPERATOR_DIALOG = replace(OPERATOR, dialog_open=True)


OPERATOR_WARNED = replace(
    OPERATOR,
    dialog_open=True,
    cautions=(
        WarningItem("device.clock", "设备时钟与系统相差 12 分钟", "可以继续；建议先校准设备时钟。"),
        WarningItem("clearing.recent", "距上次清卡 9 天，低于建议间隔 20 天", "可以继续。"),
    ),
    errors={"form": "有需要留意的检查项。阅读下列提醒，勾选“已了解”后再次确定。"},
)
OPERATOR_INVALID = replace(
    OPERATOR,
    checks=BLOCKED,
    dialog_open=True,
    form=replace(FORM, scope="partial", invoice_types=("007",), reason="月末补办"),
    errors={
        "password": "密码不正确",
        "contact_phone": "只能包含数字、空格和 + - ( )",
        "form": "请勿重复清卡：该设备已有未完成的清卡申请",
    },
)


OPERATOR_BUSY = replace(
    OPERATOR,
    state="running",
    open_request=RequestRef("q1", "QK202612-000128", "running"),
    blocked_reason="设备正在清卡，请等待其结束",
    devices=(replace(DEVICE, state="disconnected", fault_message="设备未连接"),),
)


OPERATOR_NEW = replace(OPERATOR, devices=(), checks=(), events=(), records=(), can_execute=False)


PAGES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "list": ("clearing/list.html", LIST, layout()),
    "list-empty": ("clearing/list.html", LIST_EMPTY, layout()),
    "list-first": ("clearing/list.html", LIST_FIRST, layout()),
    "list-full": ("clearing/list.html", LIST_FULL, layout()),
    "operator": (
        "clearing/operator.html",
        OPERATOR,
        layout() | {"flash": {"kind": "ok", "text": "已重新读取设备，没有差异。"}},
    ),
    "operator-dialog": ("clearing/operator.html", OPERATOR_DIALOG, layout()),
    "operator-warned": ("clearing/operator.html", OPERATOR_WARNED, layout()),
    "operator-invalid": ("clearing/operator.html", OPERATOR_INVALID, layout()),
    "operator-busy": ("clearing/operator.html", OPERATOR_BUSY, layout()),
    "operator-new": ("clearing/operator.html", OPERATOR_NEW, layout()),
}
