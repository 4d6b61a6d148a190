"""What cells and headers mean: the words of the usual programs, and what is refused."""

from datetime import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.contracts.devices import InvoiceStatus, InvoiceType
from app.core.clock import SHANGHAI
from app.invoices.importing import cells, columns
from app.invoices.importing.columns import Column
from app.invoices.importing.errors import ColumnsUnknown
from app.invoices.importing.files import Line

T = InvoiceType
S = InvoiceStatus


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ("007", T.ORDINARY_PAPER),
        ("7", T.ORDINARY_PAPER),
        ("26", T.ORDINARY_ELECTRONIC),
        ("004 增值税专用发票", T.SPECIAL_PAPER),
        ("增值税普通发票", T.ORDINARY_PAPER),
        ("普票", T.ORDINARY_PAPER),
        ("专用发票", T.SPECIAL_PAPER),
        ("增值税普通发票（卷票）", T.ROLL),
        ("增值税普通发票(卷式)", T.ROLL),
        ("机动车销售统一发票", T.VEHICLE),
        ("二手车销售统一发票", T.USED_VEHICLE),
        ("增值税电子普通发票", T.ORDINARY_ELECTRONIC),
        ("电子发票（增值税专用发票）", T.SPECIAL_ELECTRONIC),
        ("０２８", T.SPECIAL_ELECTRONIC),
    ],
)
def test_types(cell: str, kind: InvoiceType) -> None:
    assert cells.invoice_type(cell) is kind


@pytest.mark.parametrize("cell", ["999", "0", "收据", "", "00007"])
def test_unknown_types(cell: str) -> None:
    with pytest.raises(ValueError, match="发票类型"):
        cells.invoice_type(cell)


@pytest.mark.parametrize(
    ("cell", "digits"),
    [
        ("032002100311", "032002100311"),
        ("32002100311", "032002100311"),
        ("3200201130", "3200201130"),
        ("3200201130.0", "3200201130"),
        ("3.2002011300E+9", "3200201130"),
        ("", ""),
    ],
)
def test_codes(cell: str, digits: str) -> None:
    assert cells.code(cell) == digits


@pytest.mark.parametrize(
    ("cell", "digits"),
    [
        ("20117764", "20117764"),
        ("123", "00000123"),
        ("20117764.0", "20117764"),
        ("24442000000000000012", "24442000000000000012"),
    ],
)
def test_numbers(cell: str, digits: str) -> None:
    assert cells.number(cell) == digits


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("2.4442000000000001E+19", "已丢失"),
        ("1E+99", "已丢失"),
        ("1e999999999", "只能是数字"),
        ("2011776X", "只能是数字"),
        ("-1", "只能是数字"),
        ("123456789", "8 位或 20 位"),
    ],
)
def test_wrong_numbers(cell: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        cells.number(cell)


@pytest.mark.parametrize("cell", ["12345", "1234567890123", "x"])
def test_wrong_codes(cell: str) -> None:
    with pytest.raises(ValueError, match="发票代码"):
        cells.code(cell)


@pytest.mark.parametrize(
    ("cell", "moment"),
    [
        ("2026-11-20", datetime(2026, 11, 20)),
        ("2026/1/5", datetime(2026, 1, 5)),
        ("2026.11.20", datetime(2026, 11, 20)),
        ("2026-11-20 11:05:30", datetime(2026, 11, 20, 11, 5, 30)),
        ("2026-11-20T11:05", datetime(2026, 11, 20, 11, 5)),
        ("2026-11-20 11:05:30.123", datetime(2026, 11, 20, 11, 5, 30)),
        ("2026年11月20日", datetime(2026, 11, 20)),
        ("2026年11月20日 11时05分30秒", datetime(2026, 11, 20, 11, 5, 30)),
        ("20261120", datetime(2026, 11, 20)),
        ("20261120110530", datetime(2026, 11, 20, 11, 5, 30)),
        ("46346", datetime(2026, 11, 20)),
        ("46346.5", datetime(2026, 11, 20, 12)),
        ("46346.999999999", datetime(2026, 11, 21)),
    ],
)
def test_dates(cell: str, moment: datetime) -> None:
    assert cells.issued_at(cell, 1900) == moment.replace(tzinfo=SHANGHAI)


def test_dates_of_old_macs() -> None:
    assert cells.issued_at("44884", 1904) == datetime(2026, 11, 20, tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    "cell",
    [
        "",
        "x",
        "2026-13-01",
        "2026-02-30",
        "1999-12-31",
        "2099-01-01",
        "nan",
        "inf",
        "1e300",
        "1",
        "99",
    ],
)
def test_no_dates(cell: str) -> None:
    with pytest.raises(ValueError, match="开票日期"):
        cells.issued_at(cell, 1900)


@pytest.mark.parametrize(
    ("cell", "amount"),
    [
        ("1284.5", "1284.50"),
        ("1,284,330.00", "1284330.00"),
        ("￥1,284.50", "1284.50"),
        ("-20", "-20.00"),
        ("100.10000000000001", "100.10"),
        ("1.2843E3", "1284.30"),
        ("１２.５", "12.50"),
        ("12.5 元", "12.50"),
    ],
)
def test_amounts(cell: str, amount: str) -> None:
    assert str(cells.money(cell, "金额")) == amount


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("", "不是数字"),
        ("x", "不是数字"),
        ("NaN", "不是数字"),
        ("Infinity", "不是数字"),
        ("1e999999", "不是数字"),
        ("1.005", "两位小数"),
        ("100000000000000", "过大"),
    ],
)
def test_wrong_amounts(cell: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        cells.money(cell, "金额")


@pytest.mark.parametrize(
    ("cell", "status"),
    [
        ("正常", S.NORMAL),
        ("否", S.NORMAL),
        ("0", S.NORMAL),
        ("红字", S.RED),
        ("负数发票", S.RED),
        ("作废", S.VOID),
        ("是", S.VOID),
        ("红字作废", S.VOID_RED),
        ("空白作废", S.VOID_BLANK),
        ("Void", S.VOID),
        ("4", S.VOID_RED),
    ],
)
def test_statuses(cell: str, status: InvoiceStatus) -> None:
    assert cells.status(cell) is status


def test_unknown_words() -> None:
    with pytest.raises(ValueError, match="发票状态“寄出”未知"):
        cells.status("寄出")
    with pytest.raises(ValueError, match="上传标志“也许”"):
        cells.flag("也许", "上传标志")


@pytest.mark.parametrize(
    ("cell", "yes"),
    [("是", True), ("已上传", True), ("TRUE", True), ("1", True), ("未上传", False), ("N", False)],
)
def test_flags(cell: str, yes: bool) -> None:
    assert cells.flag(cell, "上传标志") is yes


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('="20117764"', "20117764"),
        ("'00012", "00012"),
        (" x ", "x"),
        ("\t20117764", "20117764"),
        ('=""', ""),
    ],
)
def test_tricks_that_keep_text_as_text(cell: str, text: str) -> None:
    assert cells.unwrapped(cell) == text


@given(st.text(max_size=60))
def test_no_text_breaks_a_cell(text: str) -> None:
    """A sentence or a value, never another error."""
    for read in (
        cells.invoice_type,
        cells.code,
        cells.number,
        cells.status,
        lambda cell: cells.issued_at(cell, 1900),
        lambda cell: cells.money(cell, "金额"),
        lambda cell: cells.flag(cell, "标志"),
    ):
        try:
            value = read(text)
        except ValueError as error:
            value = str(error)
        assert isinstance(value, str | datetime | Decimal | bool)


def _line(number: int, *words: str) -> Line:
    return Line(number, words)


def test_the_header_is_found_below_titles() -> None:
    header = columns.recognise(
        [
            _line(1, "2026年11月 开票明细"),
            _line(2, "导出时间", "2026-12-01", "操作员", "王晓梅"),
            _line(
                4,
                "发票代码",
                "发票号码",
                "发票种类",
                "开票日期",
                "合计金额（元）",
                "税额 *",
                "备注",
            ),
            _line(5, "3200201130", "00000001", "普票", "2026-11-20", "1", "1", ""),
        ]
    )
    assert header is not None
    assert header.line == 4
    assert dict(header.places) == {
        Column.CODE: 0,
        Column.NUMBER: 1,
        Column.TYPE: 2,
        Column.ISSUED_AT: 3,
        Column.AMOUNT: 4,
        Column.TAX: 5,
    }


@pytest.mark.parametrize(
    "words",
    [
        ("invoice_type", "code", "number", "issued_at", "amount", "tax", "device_number"),
        (
            "Invoice Type",
            "Invoice-Code",
            "INVOICE NO",
            "Issue Date",
            "Net Amount",
            "Tax Amount",
            "Device",
        ),
        ("fplxdm", "fpdm", "fphm", "kprq", "hjje", "hjse", "sksbbh"),
        ("票种", "发票 代码", "发票号", "开具时间", "不含税金额", "合计税额", "税控盘号"),
    ],
)
def test_synonyms(words: tuple[str, ...]) -> None:
    found = columns.places(words)
    columns.require(columns.Header(1, words, found), given=[])
    assert len(found) == 7


def test_of_two_columns_with_one_meaning_the_first_counts() -> None:
    assert columns.places(("金额", "合计金额"))[Column.AMOUNT] == 0


def test_an_unknown_header_is_the_widest_line() -> None:
    header = columns.recognise([_line(1, "A"), _line(2, "A", "B", "C"), _line(3, "1", "", "3")])
    assert header is not None
    assert (header.line, header.places) == (2, {})
    assert columns.recognise([]) is None


def test_columns_chosen_by_hand() -> None:
    header = columns.Header(1, ("票号", "日子", "税额"), {Column.TAX: 2})
    chosen = columns.mapped(
        header, {Column.NUMBER: "票号", Column.ISSUED_AT: "日子", Column.TAX: ""}
    )
    assert dict(chosen.places) == {Column.NUMBER: 0, Column.ISSUED_AT: 1}
    with pytest.raises(ColumnsUnknown) as unknown:
        columns.mapped(header, {Column.AMOUNT: "没有的"})
    assert unknown.value.errors == {"amount": "文件中没有“没有的”列"}


def test_what_is_missing_is_named() -> None:
    header = columns.Header(3, ("发票号码",), {Column.NUMBER: 0})
    with pytest.raises(ColumnsUnknown, match="第 3 行的表头是：发票号码") as unknown:
        columns.require(header, given=[Column.DEVICE])
    assert set(unknown.value.errors) == {"invoice_type", "issued_at", "amount", "tax"}


def test_every_column_has_a_label_and_synonyms() -> None:
    assert set(columns.LABELS) == set(Column)
    for column, label in columns.LABELS.items():
        assert columns.places((label,)) == {column: 0}
