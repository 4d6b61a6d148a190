"""Samples of reconciliation, of certificates that are verified, and of the import of a ledger."""

from dataclasses import replace
from typing import Any

from app.core.page_parts import Pager, Segment
from app.invoices.contexts import ColumnChoice, ImportPage, ImportRow, ImportStartPage
from app.invoices.importing.columns import LABELS, REQUIRED, Column
from app.reconciliation.contexts import (
    BureauDeviceRow,
    BureauTypeRow,
    ComparedDeviceRow,
    DifferenceRow,
    HandlingForm,
    RunPage,
    RunRow,
    RunsPage,
)
from app.records.contexts import CertificatePage, CertifiedRecord

from .frame import NOW, PAGER, layout

CODE = "01KDT5-ZQ8M7N-4V2C9R-0XKEJH-3TWPA6-7GQSBD-M1N8YF-C2V4K9"

CERTIFICATE_EMPTY = CertificatePage("")
CERTIFICATE = CertificatePage(
    CODE,
    "genuine",
    CertifiedRecord(
        "r1",
        (
            ("操作员", "王晓梅（KP0012）"),
            ("企业", "南京德茂商贸有限公司"),
            ("属期", "2026-11"),
            ("007 增值税普通发票", "锁死日期 2026-12-15 → 2027-01-18"),
            ("审核人", ""),
        ),
        True,
    ),
)
CERTIFICATE_REFUSED = CertificatePage(CODE, "refused", refusal="请逐组核对凭证上的验证码。")

RUNS = RunsPage(
    "2026-11",
    "",
    (
        RunRow("n1", NOW, "林会计", "2026-11", "王晓梅", 1, 0, 3, 2),
        RunRow("n2", NOW, "林会计", "2026-11", "", 24, 2, 0, 0),
        RunRow("n3", NOW, "方审计", "2026-10", "", 24, 0, 1, 0),
        RunRow("n4", NOW, "方审计", "2026-09", "", 24, 0, 0, 0),
    ),
    PAGER,
    True,
)
RUNS_EMPTY = RunsPage("2026-11", "", (), Pager(), False)
RUNS_INVALID = replace(
    RUNS, period="2026-13", operator_code="KP", errors={"period": "属期应为 YYYY-MM"}
)

_DIFFERENCES = (
    (
        "number_gap",
        "007 增值税普通发票：代码 032002100311，号码 20117760 至 20117790 之间缺 2 张（20117765、20117771）",
        "",
    ),
    (
        "amount_mismatch",
        "007 增值税普通发票：正数 台账 586 张 1,692,455.22 元（税额 211,204.88），设备 587 张 "
        "1,693,455.22 元（税额 211,334.88）",
        "accepted",
    ),
    (
        "status_not_updated",
        "004 增值税专用发票：清卡记录显示 2026-11 已清卡，台账仍有 2 张未清卡",
        "",
    ),
)
RUN = RunPage(
    id="n1",
    period="2026-11",
    operator_id="o0",
    operator_name="王晓梅",
    started_at=NOW,
    started_by="林会计",
    bureau_message="已询问税务端：1 台设备与税务端一致，1 台不一致，1 台税务端没有提供。",
    devices=3,
    unread=(ComparedDeviceRow("d2", "661814461330", "设备没有读到：设备未连接"),),
    kind="",
    segments=(
        Segment("全部", "/invoices/reconciliations/n1", True, 3),
        Segment("断号", "/invoices/reconciliations/n1?kind=number_gap", False, 1),
    ),
    rows=tuple(
        DifferenceRow(
            f"x{index}",
            kind,
            "d1",
            "661814461322",
            message,
            handling,
            "顾主管" if handling else "",
            NOW if handling else None,
            "设备当日补开一张，次日导入" if handling else "",
            not handling,
        )
        for index, (kind, message, handling) in enumerate(_DIFFERENCES)
    ),
    can_run=True,
    bureau=(
        BureauDeviceRow(
            "d1",
            "661814461322",
            "differs",
            "",
            (
                BureauTypeRow("004", "mismatch", "一窗式比对不符", "reported", "agrees"),
                BureauTypeRow("007", "ready", "", "cleared", "differs"),
            ),
        ),
        BureauDeviceRow("d2", "661814461330", "not_told", "设备没有读到，没有询问税务端。", ()),
        BureauDeviceRow(
            "d3",
            "661814461338",
            "agrees",
            "",
            (BureauTypeRow("025", "cleared", "本属期已清卡", "cleared", "agrees"),),
        ),
    ),
)
RUN_HANDLING = replace(
    RUN,
    form=HandlingForm("x2", "status_not_updated", _DIFFERENCES[2][1], True, True, "correct"),
    errors={"reason": "必填"},
)
RUN_AGREES = replace(
    RUN,
    operator_id="",
    operator_name="",
    unread=(),
    rows=(),
    segments=RUN.segments[:1],
    bureau=(),
    bureau_message="没有询问税务端；按“同步税务信息”可以询问并核对。",
)

IMPORT_START = ImportStartPage()
IMPORT_REFUSED = ImportStartPage({"file": "请选择文件", "form": "文件是空的"})
_HEADERS = ("发票代码", "发票号码", "发票种类", "开票日期", "合计金额", "税额", "备注", "")
_FOUND = {
    Column.CODE: "发票代码",
    Column.NUMBER: "发票号码",
    Column.TYPE: "发票种类",
    Column.ISSUED_AT: "开票日期",
    Column.AMOUNT: "合计金额",
}
IMPORT = ImportPage(
    id="u1",
    name="2026年11月开票明细.xlsx",
    header_line=3,
    headers=_HEADERS,
    columns=tuple(
        ColumnChoice(column, LABELS[column], _FOUND.get(column, ""), column in REQUIRED)
        for column in Column
    ),
    preview=(
        ImportRow(4, ("032002100311", "20117764", "普票", "2026-11-20", "1284.50", "166.99"), ""),
        ImportRow(5, ("032002100311", "2011776X", "普票", "2026-11-20"), "发票号码只能是数字"),
    ),
    device_number="661814461322",
    errors={"tax": "没有识别出“税额”列", "form": "没有识别出需要的列"},
)
IMPORT_NOTHING = replace(IMPORT, preview=(), errors={})
IMPORT_DONE = ImportPage(
    "u1",
    IMPORT.name,
    done=True,
    accepted=584,
    refused=1200,
    unchanged=2,
    refused_rows=(ImportRow(5, (), "发票号码“2011776X”只能是数字"),),
)
IMPORT_CLEAN = replace(IMPORT_DONE, refused=0, refused_rows=())

_BELOW = layout("/invoices")
PAGES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "certificate": ("records/certificate.html", CERTIFICATE, layout("/audit")),
    "certificate-empty": ("records/certificate.html", CERTIFICATE_EMPTY, layout("/audit")),
    "certificate-refused": ("records/certificate.html", CERTIFICATE_REFUSED, layout("/audit")),
    "reconciliations": ("reconciliation/list.html", RUNS, _BELOW),
    "reconciliations-empty": ("reconciliation/list.html", RUNS_EMPTY, _BELOW),
    "reconciliations-invalid": ("reconciliation/list.html", RUNS_INVALID, _BELOW),
    "reconciliation": ("reconciliation/detail.html", RUN, _BELOW),
    "reconciliation-handling": ("reconciliation/detail.html", RUN_HANDLING, _BELOW),
    "reconciliation-agrees": ("reconciliation/detail.html", RUN_AGREES, _BELOW),
    "import-start": ("invoices/import_start.html", IMPORT_START, _BELOW),
    "import-refused": ("invoices/import_start.html", IMPORT_REFUSED, _BELOW),
    "import": ("invoices/import.html", IMPORT, _BELOW),
    "import-nothing": ("invoices/import.html", IMPORT_NOTHING, _BELOW),
    "import-done": ("invoices/import.html", IMPORT_DONE, _BELOW),
    "import-clean": ("invoices/import.html", IMPORT_CLEAN, _BELOW),
}
