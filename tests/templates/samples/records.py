"""Samples of clearing records, and of what results are made of."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from app.clearing.figure_lines import Sides, lines
from app.clearing.outcomes import Failure
from app.contracts.devices import InvoiceType
from app.contracts.faults import FAULTS
from app.core.page_parts import Pager
from app.invoices.figures import Figures, Sum
from app.records.contexts import (
    BackupRef,
    EvidenceStep,
    RecordPage,
    RecordRow,
    RecordsPage,
    RequestRef,
    TypeOutcomeRow,
)

from .frame import FULL_PAGER, LOCK, NEXT_LOCK, NOW, layout

OUTCOMES = tuple(
    TypeOutcomeRow("661814461322", code, LOCK, NEXT_LOCK, code == "026")
    for code in ("004", "007", "026")
)


FIGURES = lines(
    Sides(
        {
            InvoiceType.SPECIAL_PAPER: Figures(
                Sum(580, Decimal("1692455.22"), Decimal("211204.88")),
                Sum(2, Decimal("-3100.00"), Decimal("-403.00")),
                Sum(4, Decimal("34431.77"), Decimal("2764.30")),
            )
        },
        {
            InvoiceType.SPECIAL_PAPER: Figures(
                Sum(583, Decimal("4692455.22"), Decimal("601204.88")),
                Sum(2, Decimal("-3100.00"), Decimal("-403.00")),
                Sum(4, Decimal("34431.77"), Decimal("2764.30")),
            )
        },
    )
)


BACKUP = BackupRef("b1", 586, 1_258_291, NOW)


NOT_FILED = Failure(
    "bureau.not_filed",
    FAULTS["bureau.not_filed"].title,
    FAULTS["bureau.not_filed"].remedy,
    "2602",
    "未申报或申报未成功",
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
    outcome="partial",
    remaining_said="005 未清卡，2026-12-15 锁死",
    next_lock_date=LOCK,
    figures=FIGURES,
)


RECORD_FAILED = replace(
    RECORD, result="failed", failure=NOT_FILED, outcomes=(), steps=(), backup=None
)


PAGES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "records": ("records/list.html", RECORD_LIST, layout("/clearing/records")),
    "records-empty": ("records/list.html", RECORD_LIST_EMPTY, layout("/clearing/records")),
    "record": ("records/detail.html", RECORD, layout("/clearing/records")),
    "record-failed": ("records/detail.html", RECORD_FAILED, layout("/clearing/records")),
}
