"""One filled context for every page, for the tests and for scripts/preview_templates.py.

The people, companies and numbers are made up. Everything is fixed: no clock, no random numbers.
"""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from app.backups.contexts import BackupRow, BackupsPage
from app.clearing.contexts import (
    BackupRef,
    CheckItem,
    ClearingForm,
    DeviceCard,
    Event,
    EvidenceStep,
    Failure,
    HomePage,
    Impact,
    ListPage,
    LogLine,
    MonthCount,
    OperatorPage,
    OperatorRow,
    RecordPage,
    RecordRow,
    RecordsPage,
    RequestActions,
    RequestPage,
    RequestRef,
    RequestRow,
    RequestsPage,
    StageView,
    StateCounts,
    Task,
    TypeOutcomeRow,
    TypeRow,
)
from app.contracts.faults import FAULTS, device_codes
from app.core.page_parts import Option, Pager, Segment
from app.devices.contexts import (
    AgentForm,
    AgentRow,
    AgentsPage,
    Change,
    DeviceForm,
    DeviceNewPage,
    DevicePage,
    DeviceRow,
    DevicesPage,
    FoundDevice,
    MonitorRow,
)
from app.enterprises.contexts import (
    EnterpriseForm,
    EnterprisePage,
    EnterpriseRow,
    EnterprisesPage,
)
from app.error_handlers import ErrorPage
from app.invoices.contexts import InvoicePage, InvoiceRow, InvoicesPage
from app.operators.contexts import OperatorEditPage, OperatorForm, OperatorLine, OperatorsPage
from app.system.contexts import (
    AboutPage,
    AgentInfo,
    DeviceCodeEntry,
    HealthItem,
    HelpEntry,
    HelpPage,
)

NOW = datetime(2026, 12, 9, 2, 43, tzinfo=UTC)
TODAY = date(2026, 12, 9)
LOCK = date(2026, 12, 15)
NEXT_LOCK = date(2027, 1, 18)


@dataclass(frozen=True)
class _Me:
    name: str
    display_name: str
    role_names: list[str]
    permissions: set[str]


@dataclass(frozen=True)
class _Deadline:
    date: date
    days_left: int
    published: bool


@dataclass(frozen=True)
class _NavItem:
    label: str
    href: str
    current: bool = False
    count: int | None = None
    bad: bool = False


@dataclass(frozen=True)
class _NavGroup:
    title: str
    items: list[_NavItem]


def layout(current: str = "/clearing", *, signed_in: bool = True) -> dict[str, Any]:
    """What assembly gives to layout.html."""
    groups: list[tuple[str, list[tuple[str, str, int | None, bool]]]] = [
        ("", [("首页", "/", None, False)]),
        (
            "系统管理",
            [
                ("清卡管理", "/clearing", 38, False),
                ("清卡申请", "/clearing/requests", 5, True),
                ("清卡记录", "/clearing/records", None, False),
                ("税控设备", "/devices", None, False),
                ("发票", "/invoices", None, False),
            ],
        ),
        (
            "保障",
            [
                ("备份与恢复", "/backups", None, False),
                ("审计", "/audit", None, False),
                ("定期检查", "/inspections", None, False),
            ],
        ),
        (
            "其他",
            [
                ("通知", "/notifications", 2, False),
                ("系统设置", "/settings/enterprises", None, False),
                ("帮助", "/help", None, False),
                ("关于", "/about", None, False),
            ],
        ),
    ]
    nav = [
        _NavGroup(
            title, [_NavItem(label, href, href == current, n, bad) for label, href, n, bad in items]
        )
        for title, items in groups
    ]
    return {
        "me": _Me("lin", "林会计", ["管理员"], {"read", "clearing:execute"}) if signed_in else None,
        "nav": nav if signed_in else [],
        "deadline": _Deadline(LOCK, 6, True) if signed_in else None,
        "simulated": False,
        "version": "1.0.0",
        "flash": None,
        "path": current,
    }


COUNTS = StateCounts(due=38, running=4, cleared=79, failed=3, locked=2)
ENTERPRISES = (Option("e1", "南京德茂商贸有限公司"), Option("e2", "无锡云帆科技有限公司"))
PAGER = Pager(next_href="?cursor=abc")
FULL_PAGER = Pager("?cursor=abc", "?cursor=xyz", "?")

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
    to_review=5,
    tasks=(
        Task(
            "failed",
            "赵伟 · 税务端未申报，先完成纳税申报",
            "/clearing/requests/q1",
            "查看原因",
        ),
        Task(
            "locked",
            "孙丽华 · 设备已过锁死日期，需到办税厅处理",
            "/clearing/operators/o4",
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

_PEOPLE = [
    ("王晓梅", "KP0012", "due", "南京德茂商贸有限公司", "661814461322", LOCK, 6),
    ("赵伟", "KP0031", "failed", "南京德茂商贸有限公司", "661814461330", LOCK, 6),
    ("陈思远", "KP0007", "running", "无锡云帆科技有限公司", "539904612711", LOCK, 6),
    ("孙丽华", "KP0102", "locked", "苏州锦程物流有限公司", "539912237528", date(2026, 12, 6), -3),
    ("周涛", "KP0055", "due", "常州宏泰机电有限公司", "499905080012", date(2026, 12, 11), 2),
    ("何静", "KP0044", "cleared", "扬州福源食品有限公司", "537100494968", NEXT_LOCK, 40),
    ("许明杰", "KP0061", "cleared", "镇江鼎新建材有限公司", "661814461355", NEXT_LOCK, 40),
    ("吕建国", "KP0078", "due", "南通海安纺织有限公司", "539904612799", LOCK, 6),
]

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
    for index, (name, code, state, enterprise, number, lock, left) in enumerate(_PEOPLE)
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

LIST = ListPage("", "", "", 50, "2026-11", COUNTS, ENTERPRISES, STATE_SEGMENTS, ROWS, PAGER)
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
RECORDS = tuple(
    RecordRow(
        f"r{index}",
        NOW - timedelta(days=25 + 30 * index),
        "王晓梅",
        "661814461322",
        period,
        "regular",
        "full",
        result,
        before,
        after,
        count,
        amount,
        "林会计",
        index == 2,
    )
    for index, (period, result, before, after, count, amount) in enumerate(
        [
            ("2026-10", "succeeded", date(2026, 11, 16), LOCK, 586, Decimal("1692455.22")),
            ("2026-09", "failed", date(2026, 10, 26), date(2026, 10, 26), 0, Decimal("0.00")),
            ("2026-08", "unknown", date(2026, 9, 15), None, 0, Decimal("0.00")),
        ]
    )
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
OUTCOMES = tuple(
    TypeOutcomeRow("661814461322", code, LOCK, NEXT_LOCK, code == "026")
    for code in ("004", "007", "026")
)
BACKUP = BackupRef("b1", 586, 1_258_291, NOW)
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
    record_ids=(),
    failure=None,
    actions=RequestActions(),
    key="0190b5a2-7c3e-7d11-9f4e-2f1c8a6b0d56",
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
    record_ids=("r1",),
    actions=RequestActions(confirm=True),
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
    failure=Failure(
        "bureau.not_filed",
        FAULTS["bureau.not_filed"].title,
        FAULTS["bureau.not_filed"].remedy,
        "2602",
        "未申报或申报未成功",
    ),
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
    scope="partial",
    invoice_types=("004", "007"),
    reviewed_by="",
    reviewed_at=None,
    review_comment="",
    executed_by="",
    log=(),
    actions=RequestActions(approve=True, reject=True, execute=True, cancel=True),
    events_url="",
)
REJECTING = replace(
    SUBMITTED, dialog_open="reject", comment="", errors={"comment": "请填写驳回原因"}
)
SCHEDULED = replace(SUBMITTED, state="scheduled", scheduled_for=NOW + timedelta(hours=9))

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
            _PEOPLE[index % 8][0],
            _PEOPLE[index % 8][3],
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
RECORD_LIST = RecordsPage("", "", "", 50, RECORDS, FULL_PAGER, True, "result=succeeded")
RECORD_LIST_EMPTY = replace(RECORD_LIST, rows=(), result="failed", pager=Pager())
RECORD = RecordPage(
    id="r1",
    result="succeeded",
    operator_id="o0",
    operator_name="王晓梅",
    enterprise="南京德茂商贸有限公司",
    device_number="661814461322",
    request=RequestRef("q1", "QK202612-000128", "succeeded"),
    period="2026-11",
    mode="regular",
    kind="device",
    scope="full",
    invoice_types=("004", "007", "026"),
    already=False,
    simulated_device=True,
    failure=None,
    started_at=NOW - timedelta(seconds=73),
    finished_at=NOW,
    duration_seconds=73,
    executed_by="林会计",
    approved_by="陈审核",
    lock_date_before=LOCK,
    lock_date_after=NEXT_LOCK,
    invoices_cleared=586,
    amount=Decimal("1692455.22"),
    tax=Decimal("211204.88"),
    backup=BACKUP,
    outcomes=OUTCOMES,
    steps=tuple(
        EvidenceStep(NOW, name, code, state, message, device_code)
        for name, code, state, message, device_code in [
            ("SJCB", "004", "succeeded", "抄报成功", "0"),
            ("SJCB", "007", "skipped", "当天已抄报", ""),
            ("WLCB", "", "succeeded", "上报汇总成功", "0"),
            ("QLJS", "", "succeeded", "取得清卡信息", "0"),
            ("JKHC", "004", "succeeded", "写入设备", "0"),
            ("QLJSJGQR", "", "failed", "税务端忙，稍后再确认", "-101"),
        ]
    ),
    certificate_href="/api/v1/clearing-records/r1/certificate",
)
RECORD_FAILED = replace(
    RECORD, result="failed", failure=FAILED.failure, outcomes=(), steps=(), backup=None
)

DEVICES = DevicesPage(
    "",
    "",
    "",
    50,
    ENTERPRISES,
    (Segment("全部", "/devices", True), Segment("已连接", "?state=connected")),
    tuple(
        DeviceRow(
            f"d{index}",
            person[4],
            kind,
            state,
            clearing_state,
            person[3],
            f"o{index}",
            person[0],
            "财务室一号机",
            person[5],
            person[6],
            NOW,
            index == 1,
        )
        for index, (person, kind, state, clearing_state) in enumerate(
            zip(
                _PEOPLE,
                ["tax_disk", "golden_tax_disk", "ukey", "tax_server"] * 2,
                [
                    "connected",
                    "disconnected",
                    "connected",
                    "locked",
                    "fault",
                    "connected",
                    "connected",
                    "retired",
                ],
                [
                    "not_reported",
                    "unread",
                    "reported",
                    "locked",
                    "zombie",
                    "cleared",
                    "cleared",
                    "cleared",
                ],
                strict=True,
            )
        )
    ),
    PAGER,
    True,
)
DEVICES_EMPTY = replace(DEVICES, rows=(), pager=Pager())
DEVICE_PAGE = DevicePage(
    id="d1",
    number="661814461322",
    kind="tax_disk",
    state="connected",
    clearing_state="not_reported",
    enterprise="南京德茂商贸有限公司",
    tax_no="91320118MA20LU6N3P",
    device_tax_no="91320118MA20LU6N3P",
    device_taxpayer_name="南京德茂商贸有限公司",
    operator_id="o0",
    operator_name="王晓梅",
    agent_name="财务室一号机",
    machine_no=0,
    software_version="V2.0.18",
    clock_at=datetime(2026, 12, 9, 10, 43),
    clock_drift_seconds=412,
    read_at=NOW,
    last_reported_at=NOW - timedelta(minutes=3),
    last_cleared_at=NOW - timedelta(days=25),
    lock_date=LOCK,
    days_left=6,
    fault_code="",
    fault_message="",
    fault_remedy="",
    simulated_device=True,
    monitors=tuple(
        MonitorRow(
            row.invoice_type,
            row.state,
            row.report_from,
            row.last_reported_at,
            row.lock_date,
            15,
            72,
            Decimal("5000000.00"),
            Decimal("113000.00"),
        )
        for row in TYPES
    ),
    changes=(
        Change("版本", "V2.0.17", "V2.0.18"),
        Change("026 锁死日期", "2026-11-16", "2026-12-15"),
    ),
    can_refresh=True,
    can_set_clock=True,
)
DEVICE_FAULT = replace(
    DEVICE_PAGE,
    state="disconnected",
    changes=None,
    monitors=(),
    device_tax_no="",
    clock_at=None,
    clock_drift_seconds=None,
    fault_code="agent.unreachable",
    fault_message=FAULTS["agent.unreachable"].title,
    fault_remedy=FAULTS["agent.unreachable"].remedy,
)
AGENTS = AgentsPage(
    (
        AgentRow("a1", "本机", "", "online", "1.0.0", NOW, 12, True),
        AgentRow("a2", "门店二", "https://10.0.3.8:8711", "unreachable", "1.0.0", NOW, 4),
        AgentRow("a3", "门店三", "https://10.0.3.9:8711", "new", "", None, 0),
    ),
    True,
    AgentForm(),
    "qka_3kf8s0d9f2h1m5n7",
)
AGENTS_INVALID = replace(
    AGENTS,
    new_token="",
    dialog_open=True,
    form=AgentForm("门店四", "ftp://x"),
    errors={"base_url": "地址应以 http:// 或 https:// 开头"},
)
AGENTS_EMPTY = AgentsPage(())

BACKUPS = BackupsPage(
    tuple(
        BackupRow(
            f"b{index}",
            kind,
            state,
            "王晓梅" if kind != "on_demand" else "",
            "2026-11" if kind != "on_demand" else "",
            "local",
            586,
            1_258_291 * (index + 1),
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            NOW - timedelta(hours=index),
            NOW,
            "第 3 部分的校验和不一致" if state == "damaged" else "",
            "q1" if kind != "on_demand" else "",
        )
        for index, (kind, state) in enumerate(
            [
                ("pre_clearing", "verified"),
                ("post_clearing", "verified"),
                ("on_demand", "damaged"),
            ]
        )
    ),
    PAGER,
    True,
    True,
)
BACKUPS_EMPTY = BackupsPage((), Pager())
HELP = HelpPage(
    "",
    tuple(
        HelpEntry(kind.code, kind.title, kind.remedy, kind.retryable) for kind in FAULTS.values()
    ),
    tuple(
        DeviceCodeEntry(code.family, code.code, code.text, code.remedy)
        for code in device_codes().values()
    ),
)
HELP_FILTERED = replace(HELP, q="bureau.not_filed")
ABOUT = AboutPage(
    "1.0.0",
    "0005",
    "SQLite 3.45",
    "3.11.9",
    NOW - timedelta(days=3, hours=4),
    273_600,
    126,
    143,
    "data",
    (
        HealthItem("ok", "数据库正常"),
        HealthItem("ok", "备份目录可写，剩 182 GB"),
        HealthItem("warning", "1 个设备代理无法访问：门店二", "检查该电脑是否开机"),
    ),
    (AgentInfo("本机", "online", "1.0.0", NOW), AgentInfo("门店二", "unreachable", "", None)),
    "有新版本 1.1.0 可以更新。",
)
ENTERPRISE_FORM = EnterpriseForm(
    tax_no="91320118MA20LU6N3P",
    name="南京德茂商贸有限公司",
    tax_authority_code="13201180000",
    tax_authority_name="国家税务总局南京市溧水区税务局",
    contact_name="王晓梅",
    contact_phone="025-84110021",
    review_required=True,
    revision=3,
)
ENTERPRISE_LIST = EnterprisesPage(
    "",
    50,
    tuple(
        EnterpriseRow(
            f"e{index}", name, "91320118MA20LU6N3P", "溧水区税务局", cycle, "王晓梅", phone, True
        )
        for index, (name, cycle, phone) in enumerate(
            [
                ("南京德茂商贸有限公司", "monthly", "025-84110021"),
                ("无锡云帆科技有限公司", "quarterly", ""),
            ]
        )
    ),
    PAGER,
    EnterpriseForm(review_required=True),
    True,
)
ENTERPRISE_INVALID = replace(
    ENTERPRISE_LIST,
    dialog_open=True,
    form=ENTERPRISE_FORM,
    errors={"tax_no": "纳税人识别号不正确", "form": "没有登记"},
)
ENTERPRISE_LIST_EMPTY = EnterprisesPage("", 20, (), Pager(), EnterpriseForm(), True)
ENTERPRISE = EnterprisePage("e1", ENTERPRISE_FORM.name, ENTERPRISE_FORM, True)
ENTERPRISE_STALE = replace(ENTERPRISE, errors={"form": "数据已被他人修改。请重新读取后再修改。"})
ENTERPRISE_READ_ONLY = replace(ENTERPRISE, can_change=False)
OPERATOR_FORM = OperatorForm(
    code="KP0012", name="王晓梅", enterprise_id="e1", department="财务部", active=True, revision=2
)
OPERATOR_LINES = OperatorsPage(
    "",
    "",
    50,
    ENTERPRISES,
    tuple(
        OperatorLine(f"o{i}", p[1], p[0], p[3], "财务部" if i else "", "025-84110021", i != 3, 1)
        for i, p in enumerate(_PEOPLE)
    ),
    PAGER,
    OperatorForm(active=True),
    True,
)
OPERATOR_LINES_INVALID = replace(
    OPERATOR_LINES, dialog_open=True, form=OPERATOR_FORM, errors={"code": "格式不正确"}
)
OPERATOR_LINES_EMPTY = replace(OPERATOR_LINES, rows=(), enterprises=(), pager=Pager())
OPERATOR_EDIT = OperatorEditPage("o0", "王晓梅", ENTERPRISES, 1, OPERATOR_FORM, True)
DEVICE_NEW = DeviceNewPage(
    DeviceForm("661814461322", "tax_disk", "KP0012", "a1"),
    (Option("a1", "本机"),),
    (FoundDevice("539904612711", "ukey", "a1", "本机", "connected", True),),
)
DEVICE_NEW_INVALID = replace(
    DEVICE_NEW, found=(), errors={"operator_code": "没有这个工号的操作员", "number": "格式不正确"}
)
INVOICE = InvoiceRow(
    "i1",
    "007",
    "032002100311",
    "20117764",
    NOW,
    "苏州锦程物流有限公司",
    Decimal("1284.50"),
    Decimal("166.99"),
    "normal",
    True,
    False,
    "uncleared",
)
INVOICES = InvoicesPage(
    "",
    "2026-11",
    "",
    "",
    "d1",
    "o0",
    50,
    (
        INVOICE,
        replace(INVOICE, clearing_status="cleared", status="red", amount=Decimal("-20.00")),
        replace(INVOICE, uploaded=False, status="void"),
        replace(INVOICE, number="", code="", draft=True, buyer_name=""),
    ),
    PAGER,
)
INVOICES_EMPTY = InvoicesPage("", "", "", "", "", "", 50, (), Pager())
INVOICE_PAGE = InvoicePage(
    INVOICE, "2026-11", "91320500MA1MXXXX0Q", "d1", "661814461322", "o0", "", 1, True
)
INVOICE_CORRECTING = replace(
    INVOICE_PAGE, dialog_open=True, errors={"reason": "必填"}, cleared_by_record_id="r1"
)
NOT_FOUND = ErrorPage(
    404,
    "not_found",
    "没有找到",
    "没有找到",
    "它可能已被删除，或您没有查看的权限。请返回列表重新查找。",
    {},
)
INVALID = ErrorPage(
    422,
    "invalid",
    "输入有误",
    "有 1 项输入不正确",
    "请按提示修改后重新提交。",
    {"period": "属期应为 YYYY-MM"},
)
BROKEN = ErrorPage(
    500,
    "internal",
    "系统内部错误",
    "系统内部错误",
    "请稍后重试；仍然出现时收集诊断信息并联系技术支持。",
    {},
)

PAGES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "home": ("dashboard/home.html", HOME, layout("/")),
    "home-quiet": (
        "dashboard/home.html",
        replace(HOME, counts=StateCounts(0, 0, 0, 0, 0), tasks=(), events=(), months=()),
        layout("/") | {"deadline": None, "simulated": True},
    ),
    "home-late": (
        "dashboard/home.html",
        HOME,
        layout("/") | {"deadline": _Deadline(date(2026, 12, 6), -3, False)},
    ),
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
    "operator-invalid": ("clearing/operator.html", OPERATOR_INVALID, layout()),
    "operator-busy": ("clearing/operator.html", OPERATOR_BUSY, layout()),
    "operator-new": ("clearing/operator.html", OPERATOR_NEW, layout()),
    "request-running": ("clearing/request.html", RUNNING, layout("/clearing/requests")),
    "request-succeeded": ("clearing/request.html", SUCCEEDED, layout("/clearing/requests")),
    "request-failed": ("clearing/request.html", FAILED, layout("/clearing/requests")),
    "request-retry": ("clearing/request.html", RETRY, layout("/clearing/requests")),
    "request-attention": ("clearing/request.html", ATTENTION, layout("/clearing/requests")),
    "request-submitted": ("clearing/request.html", SUBMITTED, layout("/clearing/requests")),
    "request-rejecting": ("clearing/request.html", REJECTING, layout("/clearing/requests")),
    "request-scheduled": ("clearing/request.html", SCHEDULED, layout("/clearing/requests")),
    "requests": ("clearing/requests.html", REQUESTS, layout("/clearing/requests")),
    "requests-empty": ("clearing/requests.html", REQUESTS_EMPTY, layout("/clearing/requests")),
    "records": ("clearing/records.html", RECORD_LIST, layout("/clearing/records")),
    "records-empty": ("clearing/records.html", RECORD_LIST_EMPTY, layout("/clearing/records")),
    "record": ("clearing/record.html", RECORD, layout("/clearing/records")),
    "record-failed": ("clearing/record.html", RECORD_FAILED, layout("/clearing/records")),
    "devices": ("devices/list.html", DEVICES, layout("/devices")),
    "devices-empty": ("devices/list.html", DEVICES_EMPTY, layout("/devices")),
    "device": ("devices/detail.html", DEVICE_PAGE, layout("/devices")),
    "device-fault": ("devices/detail.html", DEVICE_FAULT, layout("/devices")),
    "agents": ("devices/agents.html", AGENTS, layout("/devices")),
    "agents-invalid": ("devices/agents.html", AGENTS_INVALID, layout("/devices")),
    "agents-empty": ("devices/agents.html", AGENTS_EMPTY, layout("/devices")),
    "enterprises": ("enterprises/list.html", ENTERPRISE_LIST, layout("/settings/enterprises")),
    "enterprises-invalid": ("enterprises/list.html", ENTERPRISE_INVALID, layout("")),
    "enterprises-empty": ("enterprises/list.html", ENTERPRISE_LIST_EMPTY, layout("")),
    "enterprise": ("enterprises/detail.html", ENTERPRISE, layout("/settings/enterprises")),
    "enterprise-stale": ("enterprises/detail.html", ENTERPRISE_STALE, layout("")),
    "enterprise-read-only": ("enterprises/detail.html", ENTERPRISE_READ_ONLY, layout("")),
    "operators": ("operators/list.html", OPERATOR_LINES, layout("/settings/operators")),
    "operators-invalid": ("operators/list.html", OPERATOR_LINES_INVALID, layout("")),
    "operators-empty": ("operators/list.html", OPERATOR_LINES_EMPTY, layout("")),
    "operator-edit": ("operators/detail.html", OPERATOR_EDIT, layout("/settings/operators")),
    "device-new": ("devices/new.html", DEVICE_NEW, layout("/devices")),
    "device-new-invalid": ("devices/new.html", DEVICE_NEW_INVALID, layout("/devices")),
    "invoices": ("invoices/list.html", INVOICES, layout("/invoices")),
    "invoices-empty": ("invoices/list.html", INVOICES_EMPTY, layout("/invoices")),
    "invoice": ("invoices/detail.html", INVOICE_PAGE, layout("/invoices")),
    "invoice-correcting": ("invoices/detail.html", INVOICE_CORRECTING, layout("/invoices")),
    "backups": ("backups/list.html", BACKUPS, layout("/backups")),
    "backups-empty": ("backups/list.html", BACKUPS_EMPTY, layout("/backups")),
    "help": ("help.html", HELP, layout("/help")),
    "help-filtered": ("help.html", HELP_FILTERED, layout("/help")),
    "about": ("about.html", ABOUT, layout("/about")),
    "error-404": ("error.html", NOT_FOUND, layout("")),
    "error-422": (
        "error.html",
        INVALID,
        layout("") | {"flash": {"kind": "bad", "text": "没有保存"}},
    ),
    "error-signed-out": ("error.html", BROKEN, layout("", signed_in=False)),
}
"""Name → template, context, layout."""
