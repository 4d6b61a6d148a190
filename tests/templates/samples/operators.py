"""Samples of the list of operators and the page of one."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from app.clearing.states import Kind, Mode, Scope
from app.contracts.devices import DeviceKind, InvoiceType
from app.contracts.periods import Period
from app.core.money import ZERO
from app.core.page_parts import Pager, Segment
from app.core.templating import options
from app.dashboard.operator_contexts import (
    ClearingForm,
    DeviceCard,
    DevicesRead,
    ListPage,
    OperatorPage,
    OperatorRow,
    TypeRow,
)
from app.devices.contexts import Change as FoundChange
from app.devices.contexts import Found
from app.devices.service import Change
from app.enterprises.contexts import EnterpriseChoice, EnterpriseFilter
from app.invoices.figures import Figures, Sum
from app.prechecks.choice import Choice
from app.prechecks.contexts import CheckItem, Link, WarningItem
from app.prechecks.effects import Effects, KnownDevice, KnownType, effects_of
from app.records.contexts import RequestRef
from app.requests.contexts import StartView

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


CHOICES = options(ENTERPRISES, "")

LIST = ListPage(
    *("", "", "", 50, "2026-11", COUNTS),
    EnterpriseFilter(CHOICES),
    *(STATE_SEGMENTS, ROWS, PAGER, True),
)


LIST_EMPTY = replace(LIST, q="没有此人", rows=(), pager=Pager())


BY_NAME = EnterpriseFilter(
    by_name=True, text="91310115MA1K4B2X7C", name="上海 <甲> 商贸有限公司", without="/clearing?q=a"
)


LIST_BY_NAME = replace(LIST, enterprises=BY_NAME, enterprise_id="e1")


LIST_WHICH = replace(
    LIST,
    enterprises=EnterpriseFilter(
        by_name=True,
        text="上海 <商贸>",
        unclear=True,
        choices=tuple(
            EnterpriseChoice(name, f"9131011500000000{n:02d}", f"/clearing?q=a&enterprise={n}")
            for n, name in enumerate(
                ("上海甲商贸有限公司", "上海乙商贸有限公司", "上海丙商贸有限公司")
            )
        ),
        more=True,
    ),
    rows=(),
    pager=Pager(),
)


LIST_NO_ENTERPRISE = replace(
    LIST,
    enterprises=EnterpriseFilter(
        by_name=True, text="没有这家", unclear=True, without="/clearing?q=a"
    ),
    rows=(),
    pager=Pager(),
)


LIST_FIRST = replace(LIST, rows=(), counts=None, pager=Pager())


LIST_FULL = replace(
    LIST,
    rows=tuple(ROWS[n % 8]._replace(id=f"0190b5a2-7c3e-7d11-9f4e-{n:012d}") for n in range(50)),
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
    CheckItem(
        "ok",
        "设备 661814461322 已连接，驱动应答正常",
        code="device.connected",
        device_number="661814461322",
        evidence=(
            ("驱动", "tax_server"),
            ("连接", "http://192.168.1.20:8001/SKServer/SKDo"),
            ("状态", "已连接"),
            ("读取时间", "2026-12-09 10:40:12"),
        ),
    ),
    CheckItem(
        "ok",
        "设备与操作员、企业一致",
        code="device.identity",
        device_number="661814461322",
        evidence=(
            ("登记的设备编号", "661814461322"),
            ("读到的设备编号", "661814461322"),
            ("企业税号", "91320118MA20LU6N3P"),
            ("设备税号", "91320118MA20LU6N3P"),
        ),
    ),
    CheckItem(
        "ok",
        "已申报，比对相符",
        code="bureau.filed",
        device_number="661814461322",
        evidence=(("属期", "2026-11"), ("票种 004", "已申报，比对相符")),
    ),
    CheckItem(
        "unknown",
        "台账尚缺 2 张，执行时先从设备补齐，再与设备统计核对",
        code="ledger.statistics",
        device_number="661814461322",
        evidence=(("004 台账", "1 张"), ("004 设备统计", "3 张")),
    ),
    CheckItem("ok", "没有未开完的发票", device_number="661814461322"),
    CheckItem("ok", "本期尚未清卡", device_number="661814461322"),
    CheckItem(
        "warning",
        "距上次清卡 25 天，低于建议间隔 28 天",
        "可以继续；会写入审计记录",
        code="clearing.recent",
        device_number="661814461322",
        evidence=(("上次清卡", "2026-11-14 09:20:31"), ("建议间隔", "28 天")),
    ),
    CheckItem(
        "ok",
        "备份空间充足（剩 182.0 GB）",
        code="backup.space",
        evidence=(("剩余空间", "182.0 GB"), ("需要", "500 MB")),
    ),
)


ACCEPTED = tuple(replace(one, accepted=one.severity == "warning") for one in CHECKS)


BLOCKED = (
    CheckItem(
        "blocking",
        "有 2 张离线发票尚未上传",
        "联网上传全部离线发票后重新检查",
        code="invoices.uploaded",
        device_number="661814461322",
        evidence=(("2026-11 及以前未上传", "2 张"),),
    ),
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


CHANGES = (
    Change("version", "设备版本", "V2.0.1", "V3.0.0"),
    Change("taxpayer_name", "纳税人名称", "南京德茂商贸有限公司", "南京德茂科技有限公司"),
)
GROUPS = (("004", "007"), ("026",))


def effects(
    mode: str = "regular",
    kind: str = "device",
    scope: str = "full",
    types: tuple[str, ...] = (),
    numbers: tuple[str, ...] = ("661814461322",),
) -> Effects:
    """What clearing a golden-tax disk of three types would do; of them 007 has been reported."""
    choice = Choice(
        Mode(mode), Kind(kind), Scope(scope), tuple(map(InvoiceType, types)), Period("2026-11")
    )
    known = tuple(
        KnownType(InvoiceType(type.invoice_type), LOCK, type.last_reported_at) for type in TYPES
    )
    working = {
        InvoiceType(type.invoice_type): Figures(Sum(type.invoices or 0, type.amount or ZERO))
        for type in TYPES
    }
    devices = [
        KnownDevice(
            UUID(int=place),
            number,
            DeviceKind.GOLDEN_TAX_DISK,
            NOW,
            known,
            GROUPS,
            working,
            frozenset(),
            2 - place if place < 2 else 0,
            changes=CHANGES if mode == "update" else None,
        )
        for place, number in enumerate(numbers)
    ]
    return effects_of(
        choice, devices, settings=("默认发票类型", "打印边距"), left_out=("539904612700",)
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
    checks=(),
    events=EVENTS,
    records=RECORDS,
    open_request=None,
    effects=effects(),
    form=FORM,
    start=StartView(
        "提交后立即执行，写入设备后不能撤销。", proof=True, may_ask=True, by_right=True
    ),
    type_options=("004", "007", "026"),
    can_request=True,
    can_refresh=True,
)


OPERATOR_DIALOG = replace(OPERATOR, dialog_open=True)
OPERATOR_CHECKING = replace(OPERATOR_DIALOG, check_now=True)
OPERATOR_CHECKED = replace(OPERATOR, checks=CHECKS)


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
    blockers=tuple(
        replace(one, links=(Link("李强 539904612701", "/clearing/operators/o1?confirm=1"),))
        for one in BLOCKED
        if one.severity == "blocking"
    ),
    dialog_open=True,
    form=replace(FORM, scope="partial", invoice_types=("007",), reason="月末补办"),
    effects=effects("first", "device", "partial", ("007",)),
    errors={
        "password": "密码不正确",
        "contact_phone": "只能包含数字、空格和 + - ( )",
        "form": "请勿重复清卡：该设备已有未完成的清卡申请",
    },
    held_by=RequestRef("q1", "QK202612-000128", "submitted"),
)


OPERATOR_PARTIAL = replace(
    OPERATOR,
    dialog_open=True,
    form=replace(FORM, mode="update", kind="tax", scope="partial", invoice_types=("004",)),
    effects=effects("update", "tax", "partial", ("004",)),
    errors={"form": "选择已改变，下面是更新后的预览。核对“将会发生什么”后再次确定。"},
)
OPERATOR_EXCEPTIONAL = replace(
    OPERATOR,
    dialog_open=True,
    form=replace(FORM, exceptional=True),
    start=StartView(
        "提交后由审核员审核；通过后立即自动执行。", proof=False, may_ask=True, by_right=True
    ),
)
OPERATOR_CHOOSING = replace(
    OPERATOR,
    dialog_open=True,
    form=replace(FORM, scope="partial"),
    effects=effects("regular", "device", "partial"),
)


FOUND = Found(
    "d0",
    "661814461322",
    "golden_tax_disk",
    (FoundChange("版本", "V2.0.17", "V2.0.18"), FoundChange("开票机号", "0", "1", can_save=False)),
    confirm="5f2a",
    taxpayer=(FoundChange("纳税人名称", "南京德茂商贸有限公司", "南京德茂贸易有限公司"),),
)


OPERATOR_READ = replace(
    OPERATOR,
    read=DevicesRead((FOUND,), 2, unread=1, changed_again=True),
)
OPERATOR_READ_TWO = replace(
    OPERATOR,
    read=DevicesRead(
        (
            replace(FOUND, enterprise_href="/settings/enterprises/e0"),
            replace(FOUND, device_id="d1", number="661814461323", taxpayer=()),
        ),
        2,
    ),
)
OPERATOR_OF_OTHERS = replace(
    OPERATOR, read=DevicesRead((replace(FOUND, changes=(), confirm=""),), 2, unread=1)
)


OPERATOR_BUSY = replace(
    OPERATOR,
    state="running",
    open_request=RequestRef("q1", "QK202612-000128", "running"),
    blocked_reason="设备正在清卡，请等待其结束",
    devices=(replace(DEVICE, state="disconnected", fault_message="设备未连接"),),
)


OPERATOR_NEW = replace(
    OPERATOR,
    devices=(),
    effects=effects(numbers=()),
    checks=(),
    events=(),
    records=(),
    start=StartView(
        "提交后由审核员审核；通过后立即自动执行。", proof=False, may_ask=False, by_right=False
    ),
)


PAGES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "list": ("dashboard/operators.html", LIST, layout()),
    "list-empty": ("dashboard/operators.html", LIST_EMPTY, layout()),
    "list-by-name": ("dashboard/operators.html", LIST_BY_NAME, layout()),
    "list-which": ("dashboard/operators.html", LIST_WHICH, layout()),
    "list-no-enterprise": ("dashboard/operators.html", LIST_NO_ENTERPRISE, layout()),
    "list-first": ("dashboard/operators.html", LIST_FIRST, layout()),
    "list-full": ("dashboard/operators.html", LIST_FULL, layout()),
    "operator": (
        "dashboard/operator.html",
        OPERATOR,
        layout() | {"flash": {"kind": "ok", "text": "已读取 1 台设备，与登记一致"}},
    ),
    "operator-checking": ("dashboard/operator.html", OPERATOR_CHECKING, layout()),
    "operator-checked": ("dashboard/operator.html", OPERATOR_CHECKED, layout()),
    "operator-dialog": ("dashboard/operator.html", OPERATOR_DIALOG, layout()),
    "operator-warned": ("dashboard/operator.html", OPERATOR_WARNED, layout()),
    "operator-invalid": ("dashboard/operator.html", OPERATOR_INVALID, layout()),
    "operator-partial": ("dashboard/operator.html", OPERATOR_PARTIAL, layout()),
    "operator-choosing": ("dashboard/operator.html", OPERATOR_CHOOSING, layout()),
    "operator-exceptional": ("dashboard/operator.html", OPERATOR_EXCEPTIONAL, layout()),
    "operator-read": ("dashboard/operator.html", OPERATOR_READ, layout()),
    "operator-read-two": ("dashboard/operator.html", OPERATOR_READ_TWO, layout()),
    "operator-of-others": ("dashboard/operator.html", OPERATOR_OF_OTHERS, layout()),
    "operator-busy": ("dashboard/operator.html", OPERATOR_BUSY, layout()),
    "operator-new": ("dashboard/operator.html", OPERATOR_NEW, layout()),
}
