"""Importing a ledger file: what is written, what is refused, and that a second time changes nothing."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from fastapi import FastAPI
from sqlmodel import col, select
from starlette.testclient import TestClient
from typer.testing import CliRunner

from app.accounts.principal import SYSTEM, Permission, Principal
from app.audit.models import AuditRecord
from app.contracts.devices import InvoiceStatus, InvoiceType
from app.core.db import Database, Session
from app.core.ids import new_id
from app.devices.models import Device, DeviceState
from app.invoices.cli import app as import_cli
from app.invoices.importing import service, writing
from app.invoices.importing.api import router as import_api
from app.invoices.importing.columns import Column
from app.invoices.importing.errors import ColumnsUnknown, FileRefused
from app.invoices.importing.rows import Defaults
from app.invoices.importing.service import SEVERAL_TIMES, Report, Source
from app.invoices.importing.writing import CLEARED_UNCHANGED
from app.invoices.models import ClearingStatus, Invoice

URL = "/api/v1/invoices/import"
HEADER = [
    "设备编号",
    "发票种类",
    "发票代码",
    "发票号码",
    "开票日期",
    "金额",
    "税额",
    "状态",
    "上传标志",
    "购方名称",
]
NUMBER = "661814461322"
ROW = [
    NUMBER,
    "普票",
    "3200201130",
    "00000001",
    "2026-11-20 11:00",
    "100.10",
    "13.01",
    "正常",
    "是",
    "甲公司",
]


def row(**changes: str) -> list[str]:
    """A row that is right, with changes by header."""
    return [changes.get(name, value) for name, value in zip(HEADER, ROW, strict=True)]


@pytest.fixture
def device(database: Database, add_device: Callable[[Session], Device]) -> Device:
    with database.transaction() as session:
        device = add_device(session)
        session.refresh(device)
        session.expunge(device)
    assert device.number == NUMBER
    return device


@pytest.fixture
def run(database: Database, device: Device, tmp_path: Path, now: datetime) -> Callable[..., Report]:
    """Imports rows under the usual header, as CSV."""

    def run(*rows: list[str], header: list[str] = HEADER, **more: Any) -> Report:
        path = tmp_path / "ledger.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([header, *rows])
        principal = more.pop("principal", SYSTEM)
        source = Source(path, "ledger.csv", **more)
        return service.import_file(database, source, principal=principal, clock=lambda: now)

    return run


def told(report: Report) -> tuple[int, int, int]:
    """(accepted, refused, unchanged)."""
    return report.accepted, report.refused, report.unchanged


def ledger(database: Database) -> list[Invoice]:
    with database.reading() as session:
        return list(session.exec(select(Invoice).order_by(col(Invoice.number), col(Invoice.id))))


def trail(database: Database) -> list[dict[str, Any]]:
    with database.reading() as session:
        query = select(AuditRecord).where(AuditRecord.action == "invoice.imported")
        return [
            json.loads(one.details) for one in session.exec(query.order_by(col(AuditRecord.seq)))
        ]


def test_a_row_becomes_an_invoice(
    run: Callable[..., Report], database: Database, device: Device
) -> None:
    assert told(run(ROW)) == (1, 0, 0)
    (invoice,) = ledger(database)
    assert invoice.model_dump(exclude={"id", "created_at", "updated_at"}) == {
        "device_id": device.id,
        "operator_id": device.operator_id,
        "invoice_type": InvoiceType.ORDINARY_PAPER,
        "code": "3200201130",
        "number": "00000001",
        "issued_at": datetime(2026, 11, 20, 3, 0, tzinfo=UTC),
        "period": "2026-11",
        "amount": Decimal("100.10"),
        "tax": Decimal("13.01"),
        "status": InvoiceStatus.NORMAL,
        "uploaded": True,
        "draft": False,
        "buyer_tax_no": "",
        "buyer_name": "甲公司",
        "clearing_status": ClearingStatus.UNCLEARED,
        "cleared_by_record_id": None,
        "revision": 1,
    }


def test_a_second_time_changes_nothing(run: Callable[..., Report], database: Database) -> None:
    rows = [row(发票号码=f"{number:08d}") for number in range(1, 8)]
    rows.append(row(发票号码="", 状态="草稿"))
    assert told(run(*rows)) == (8, 0, 0)
    before = [one.model_dump() for one in ledger(database)]
    assert told(run(*rows)) == (0, 0, 8)
    assert [one.model_dump() for one in ledger(database)] == before


def test_known_invoices_are_brought_up_to_date(
    run: Callable[..., Report], database: Database
) -> None:
    run(ROW, row(发票号码="00000002"))
    assert told(run(row(状态="作废", 上传标志="否"), row(发票号码="00000002"))) == (1, 0, 1)
    changed, same = ledger(database)
    assert (changed.status, changed.uploaded, changed.revision) == (InvoiceStatus.VOID, False, 2)
    assert same.revision == 1


def test_columns_the_file_does_not_have_stay_as_they_are(
    run: Callable[..., Report], database: Database
) -> None:
    run(row(状态="作废"))
    short = HEADER[:7]
    assert told(run(ROW[:7], header=short)) == (0, 0, 1)
    assert told(run([*ROW[:5], "200.00", "26.00"], header=short)) == (1, 0, 0)
    (invoice,) = ledger(database)
    assert (invoice.amount, invoice.status, invoice.uploaded, invoice.buyer_name) == (
        Decimal("200.00"),
        InvoiceStatus.VOID,
        True,
        "甲公司",
    )


def test_a_cleared_invoice_is_not_changed(run: Callable[..., Report], database: Database) -> None:
    run(ROW)
    with database.transaction() as session:
        invoice = session.exec(select(Invoice)).one()
        invoice.clearing_status = ClearingStatus.CLEARED
        session.add(invoice)
    assert told(run(ROW)) == (0, 0, 1)
    report = run(row(金额="999.00"))
    assert told(report) == (0, 1, 0)
    assert (report.rows[0].line, report.rows[0].message) == (2, CLEARED_UNCHANGED)
    assert ledger(database)[0].amount == Decimal("100.10")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"设备编号": "1"}, "设备“1”没有登记"),
        ({"设备编号": ""}, "没有设备编号"),
        ({"发票种类": "收据"}, "发票类型“收据”未知"),
        ({"发票种类": ""}, "没有发票类型"),
        ({"发票代码": "12"}, "10 或 12 位"),
        ({"发票号码": ""}, "发票号码是空的"),
        ({"发票号码": "x"}, "只能是数字"),
        ({"开票日期": "昨天"}, "无法识别"),
        ({"金额": ""}, "是空的"),
        ({"金额": "1.005"}, "两位小数"),
        ({"税额": "abc"}, "不是数字"),
        ({"状态": "寄出"}, "发票状态"),
        ({"上传标志": "也许"}, "应为“是”或“否”"),
        ({"购方名称": "甲\u0007公司"}, "购买方名称不能含有控制字符"),
        ({"购方名称": "甲" * 201}, "购买方名称太长了"),
    ],
)
def test_a_wrong_row_is_refused_with_its_line(
    run: Callable[..., Report], database: Database, change: dict[str, str], words: str
) -> None:
    report = run(ROW, row(**{"发票号码": "00000002", **change}))
    assert told(report) == (1, 1, 0)
    assert report.rows[0].line == 3
    assert words in report.rows[0].message
    assert [one.number for one in ledger(database)] == ["00000001"]


@pytest.mark.parametrize(
    ("change", "status", "draft"),
    [
        ({"状态": "", "金额": "-5.00", "税额": "-0.65"}, InvoiceStatus.RED, False),
        ({"状态": "作废", "金额": "-5.00"}, InvoiceStatus.VOID_RED, False),
        ({"状态": "空白作废", "金额": "0", "税额": "0"}, InvoiceStatus.VOID_BLANK, False),
        ({"状态": "草稿"}, InvoiceStatus.NORMAL, True),
    ],
)
def test_states(
    run: Callable[..., Report],
    database: Database,
    change: dict[str, str],
    status: InvoiceStatus,
    draft: bool,
) -> None:
    assert told(run(row(**change))) == (1, 0, 0)
    (invoice,) = ledger(database)
    assert (invoice.status, invoice.draft) == (status, draft)


def test_an_invoice_on_several_rows_is_refused_whole(
    run: Callable[..., Report], database: Database
) -> None:
    """An export of items has a row for each: their amounts are not the invoice's."""
    report = run(ROW, row(金额="20.00"), row(发票号码="00000002"))
    assert told(report) == (1, 2, 0)
    assert [(one.line, one.message) for one in report.rows] == [
        (2, SEVERAL_TIMES),
        (3, SEVERAL_TIMES),
    ]
    assert [one.number for one in ledger(database)] == ["00000002"]


def test_the_same_row_again_says_nothing_new(
    run: Callable[..., Report], database: Database
) -> None:
    assert told(run(ROW, ROW, row(发票号码="1"))) == (1, 0, 2)
    assert len(ledger(database)) == 1


def test_what_the_file_does_not_say(run: Callable[..., Report], database: Database) -> None:
    header = ["发票号码", "开票日期", "金额", "税额"]
    defaults = Defaults(NUMBER, InvoiceType.ROLL, uploaded=True)
    report = run(["7", "20261120", "10", "1.30"], header=header, defaults=defaults)
    assert told(report) == (1, 0, 0)
    (invoice,) = ledger(database)
    assert (invoice.invoice_type, invoice.number, invoice.uploaded) == (
        InvoiceType.ROLL,
        "00000007",
        True,
    )


def test_columns_chosen_by_hand(run: Callable[..., Report], database: Database) -> None:
    header = ["票", "日", "钱", "税额", "机器"]
    mapping = {
        Column.NUMBER: "票",
        Column.ISSUED_AT: "日",
        Column.AMOUNT: "钱",
        Column.DEVICE: "机器",
    }
    values = ["7", "20261120", "10", "1.30", NUMBER]
    defaults = Defaults(invoice_type=InvoiceType.ROLL)
    assert told(run(values, header=header, mapping=mapping, defaults=defaults)) == (1, 0, 0)
    with pytest.raises(ColumnsUnknown):
        run(values, header=header, defaults=defaults)


def test_devices_out_of_sight_or_out_of_use_are_unknown(
    run: Callable[..., Report], database: Database, device: Device, admin: Principal, now: datetime
) -> None:
    stranger = replace(admin, enterprise_ids=frozenset({new_id()}))
    assert "没有登记" in run(ROW, principal=stranger).rows[0].message
    with database.transaction() as session:
        row = session.get_one(Device, device.id)
        row.state, row.retired_at = DeviceState.RETIRED, now
        session.add(row)
    assert "已注销" in run(ROW).rows[0].message


def test_every_chunk_is_on_record(
    run: Callable[..., Report], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "CHUNK", 2)
    rows = [row(发票号码=f"{number:08d}") for number in range(1, 6)]
    run(*rows, row(发票号码="x"))
    told_of = trail(database)
    assert [one["lines"] for one in told_of] == [[2, 3], [4, 5], [6, 6]]
    assert [one["accepted"] for one in told_of] == [2, 2, 1]
    assert {(one["file"], len(one["sha256"])) for one in told_of} == {("ledger.csv", 64)}


def test_a_file_without_a_good_row_is_on_record(
    run: Callable[..., Report], database: Database
) -> None:
    assert told(run(row(金额="x"))) == (0, 1, 0)
    (one,) = trail(database)
    assert (one["accepted"], one["refused"]) == (0, 1)


def test_an_import_that_is_broken_off_is_finished_by_the_next(
    run: Callable[..., Report], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "CHUNK", 2)
    rows = [row(发票号码=f"{number:08d}") for number in range(1, 6)]
    write, calls = writing.write, iter(range(100))

    def break_off(*args: Any, **more: Any) -> Any:
        if next(calls) == 1:
            raise OSError("disk full")
        return write(*args, **more)

    monkeypatch.setattr(writing, "write", break_off)
    with pytest.raises(OSError, match="disk full"):
        run(*rows)
    assert [one.number for one in ledger(database)] == ["00000001", "00000002"]
    assert len(trail(database)) == 1
    assert told(run(*rows)) == (3, 0, 2)


def test_refused_rows_are_counted_beyond_those_told_of(
    run: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MAX_TOLD", 3)
    report = run(*(row(金额="x", 发票号码=str(number)) for number in range(10)))
    assert (report.refused, [one.line for one in report.rows]) == (10, [2, 3, 4])


@pytest.mark.parametrize(
    "content", [b"", b"\x89PNG\r\n", b'"unfinished', b"PK\x03\x04nonsense", b"\n\n"]
)
def test_a_refused_file_writes_nothing(
    database: Database, device: Device, tmp_path: Path, now: datetime, content: bytes
) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises((FileRefused, ColumnsUnknown)):
        service.import_file(database, Source(path, "x"), principal=SYSTEM, clock=lambda: now)
    assert (ledger(database), trail(database)) == ([], [])


def test_a_file_that_breaks_at_its_end_writes_nothing(
    database: Database, device: Device, tmp_path: Path, now: datetime
) -> None:
    buffer = io.StringIO()
    csv.writer(buffer).writerows([HEADER, *(row(发票号码=f"{n:08d}") for n in range(3000))])
    path = tmp_path / "x.csv"
    path.write_bytes(buffer.getvalue().encode() + b'"unfinished')
    with pytest.raises(FileRefused):
        service.import_file(database, Source(path, "x"), principal=SYSTEM, clock=lambda: now)
    assert (ledger(database), trail(database)) == ([], [])


def test_both_databases_write_the_same(
    any_database: Database, add_device: Callable[[Session], Device], tmp_path: Path, now: datetime
) -> None:
    with any_database.transaction() as session:
        add_device(session)
    path = tmp_path / "book.xlsx"
    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, HEADER)
        rows = [row(发票号码=f"{number:08d}") for number in range(1500)]
        for index, cells in enumerate([*rows, row(发票号码="", 状态="草稿")], start=1):
            sheet.write_row(index, 0, cells)
        sheet.write_number(1, 5, 1284.5)
        sheet.write_number(1, 4, 46346.5)
    source = Source(path, "book.xlsx")

    def run() -> tuple[int, int, int]:
        return told(service.import_file(any_database, source, principal=SYSTEM, clock=lambda: now))

    assert run() == (1501, 0, 0)
    assert run() == (0, 0, 1501)
    draft, first = ledger(any_database)[:2]
    assert draft.draft
    assert (first.number, first.amount) == ("00000000", Decimal("1284.50"))
    assert first.issued_at == datetime(2026, 11, 20, 4, 0, tzinfo=UTC)


# -- REST API ------------------------------------------------------------------------------------


@pytest.fixture
def api(app: FastAPI) -> Iterator[TestClient]:
    app.include_router(import_api, prefix="/api/v1")
    with TestClient(app) as client:
        yield client


def as_csv(*rows: list[str], header: list[str] = HEADER) -> dict[str, tuple[str, bytes]]:
    buffer = io.StringIO()
    csv.writer(buffer).writerows([header, *rows])
    return {"file": ("开票.csv", buffer.getvalue().encode("gb18030"))}


def test_the_api_reports_what_became_of_the_rows(
    api: TestClient, database: Database, device: Device
) -> None:
    answer = api.post(URL, files=as_csv(ROW, row(发票号码="x")))
    assert answer.status_code == 200
    assert answer.json() == {
        "accepted": 1,
        "refused": 1,
        "unchanged": 0,
        "rows": [{"line": 3, "message": "发票号码“x”只能是数字"}],
    }
    assert trail(database)[0]["file"] == "开票.csv"


def test_the_api_takes_a_mapping_and_defaults(
    api: TestClient, database: Database, device: Device
) -> None:
    file = as_csv(["7", "20261120", "10", "1.30"], header=["票", "日", "金额", "税额"])
    unknown = api.post(URL, files=file)
    assert (unknown.status_code, unknown.json()["code"]) == (422, "import.columns_unknown")
    assert set(unknown.json()["errors"]) == {
        "device_number",
        "invoice_type",
        "number",
        "issued_at",
    }
    form = {
        "device_id": str(device.id),
        "invoice_type": "025",
        "assume_uploaded": "true",
        "mapping": json.dumps({"number": "票", "issued_at": "日"}),
    }
    assert api.post(URL, files=file, data=form).json()["accepted"] == 1
    assert ledger(database)[0].uploaded


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"mapping": "{"}, "mapping"),
        ({"mapping": "[1]"}, "mapping"),
        ({"mapping": '{"price": "x"}'}, "mapping"),
        ({"mapping": '{"number": 1}'}, "mapping"),
        ({"mapping": '{"number": "没有的"}'}, "number"),
        ({"device_id": "00000000-0000-7000-8000-000000000000"}, "device_id"),
        ({"device_id": "x"}, "device_id"),
        ({"invoice_type": "7"}, "invoice_type"),
    ],
)
def test_the_api_says_which_field_is_wrong(
    api: TestClient, device: Device, database: Database, form: dict[str, str], field: str
) -> None:
    answer = api.post(URL, files=as_csv(ROW), data=form)
    assert answer.status_code == 422
    assert field in answer.json()["errors"]
    assert ledger(database) == []


def test_a_refused_file_is_a_problem(api: TestClient, device: Device) -> None:
    answer = api.post(URL, files={"file": ("x.png", b"\x89PNG\x00\x00")})
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["code"]) == (422, "import.file_refused")
    assert api.post(URL).status_code == 422


def test_who_may_import(app: FastAPI, api: TestClient, device: Device, admin: Principal) -> None:
    app.state.principal = replace(admin, permissions=frozenset({Permission.READ}))
    assert api.post(URL, files=as_csv(ROW)).status_code == 403


# -- command line --------------------------------------------------------------------------------


@pytest.fixture
def shell(
    device: Device, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """Runs `qingka import invoices` on a file of these rows."""
    monkeypatch.setenv("QINGKA_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("QINGKA_DATABASE_URL", sqlite_url)

    def run(*args: str, rows: list[list[str]], header: list[str] = HEADER) -> tuple[int, str, str]:
        path = tmp_path / "x.csv"
        path.write_bytes(as_csv(*rows, header=header)["file"][1])
        done = CliRunner().invoke(import_cli, ["invoices", str(path), *args])
        return done.exit_code, done.stdout, done.stderr

    return run


def test_the_command_reports(shell: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = shell(rows=[ROW])
    assert (code, out, err) == (0, "写入 1 行，没有变化 0 行，未接受 0 行\n", "")
    code, out, err = shell(rows=[ROW, row(发票号码="x")])
    assert (code, out) == (3, "写入 0 行，没有变化 1 行，未接受 1 行\n")
    assert err == "第 3 行：发票号码“x”只能是数字\n"


def test_the_command_takes_columns_and_defaults(
    shell: Callable[..., tuple[int, str, str]],
) -> None:
    rows, header = [["7", "20261120", "10", "1.30"]], ["票", "日", "金额", "税额"]
    code, _, err = shell(rows=rows, header=header)
    assert code == 1
    assert "import.columns_unknown" in err
    assert "没有识别出“发票号码”列" in err
    options = ("--column", "number=票", "--column", "issued_at=日")
    defaults = ("--device", NUMBER, "--type", "025", "--assume-uploaded")
    assert shell(*options, *defaults, rows=rows, header=header)[0] == 0
    assert shell("--column", "price=x", rows=rows)[0] == 2
