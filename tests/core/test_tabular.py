"""Tables as files: what a reader gets back, and that no text is a formula."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from python_calamine import CalamineWorkbook

from app.core import tabular
from app.core.tabular import Row, Table, TableFormat

ROWS: list[Row] = [
    (
        "王晓梅",
        3,
        Decimal("-1284330.50"),
        date(2026, 11, 16),
        datetime(2026, 11, 9, 17, 2, 3, tzinfo=UTC),
        None,
    ),
    ('=HYPERLINK("http://x")', 0, Decimal("0.00"), None, None, 'a,b\n"c"'),
]
TABLE = Table("清卡记录", ("操作员", "张数", "金额", "锁死日期", "完成时间", "说明"), ROWS)


def _csv(table: Table) -> list[list[str]]:
    text = b"".join(tabular.csv_chunks(table)).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline="")))


def _xlsx(table: Table, folder: Path) -> CalamineWorkbook:
    path = folder / "table.xlsx"
    path.write_bytes(b"".join(tabular.xlsx_chunks(table)))
    return CalamineWorkbook.from_path(path)


def test_csv_is_utf_8_with_a_mark_and_crlf() -> None:
    raw = b"".join(tabular.csv_chunks(TABLE))
    assert raw.startswith(b"\xef\xbb\xbf")
    assert raw.endswith(b"\r\n")
    assert _csv(TABLE) == [
        ["操作员", "张数", "金额", "锁死日期", "完成时间", "说明"],
        ["王晓梅", "3", "-1284330.50", "2026-11-16", "2026-11-10 01:02:03", ""],
        ['\'=HYPERLINK("http://x")', "0", "0.00", "", "", 'a,b\n"c"'],
    ]


@pytest.mark.parametrize("start", list("=+-@\t\r＝＋－＠"))
def test_text_that_begins_like_a_formula_gets_an_apostrophe(start: str) -> None:
    assert tabular.neutral(f"{start}1+1") == f"'{start}1+1"
    assert _csv(Table("t", ("a",), [(f"{start}cmd",)]))[1] == [f"'{start}cmd"]


def test_text_inside_is_left_alone() -> None:
    assert tabular.neutral("a=1") == "a=1"
    assert tabular.neutral("") == ""


def test_excel_has_types_and_text_stays_text(tmp_path: Path) -> None:
    book = _xlsx(TABLE, tmp_path)
    assert book.sheet_names == ["清卡记录"]
    _, first, second = book.get_sheet_by_index(0).to_python()
    assert first == [
        "王晓梅",
        3.0,
        -1284330.5,
        date(2026, 11, 16),
        datetime(2026, 11, 10, 1, 2, 3),
        "",
    ]
    assert second[0] == '=HYPERLINK("http://x")'


def test_more_rows_than_a_sheet_takes_go_on_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tabular, "ROWS_PER_SHEET", 2)
    book = _xlsx(Table("行", ("n",), [(number,) for number in range(5)]), tmp_path)
    assert book.sheet_names == ["行", "行2", "行3"]
    sheets = [book.get_sheet_by_name(name).to_python() for name in book.sheet_names]
    assert sheets == [[["n"], [0.0], [1.0]], [["n"], [2.0], [3.0]], [["n"], [4.0]]]


def test_the_temporary_workbook_is_removed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert b"".join(tabular.xlsx_chunks(TABLE)).startswith(b"PK")
    broken = Table("t", ("a",), _failing())
    with pytest.raises(ValueError, match="half way"):
        list(tabular.xlsx_chunks(broken))
    assert list(tmp_path.iterdir()) == []


def _failing() -> Iterator[Row]:
    yield ("a",)
    raise ValueError("half way")


def test_lines_are_joined_in_batches() -> None:
    chunks = list(tabular.line_chunks(str(number) for number in range(1001)))
    assert len(chunks) == 3
    assert b"".join(chunks).decode().splitlines() == [str(number) for number in range(1001)]


def test_a_file_is_named_for_every_client() -> None:
    header = tabular.disposition("records", "清卡记录", TableFormat.CSV)["Content-Disposition"]
    assert header == (
        'attachment; filename="records.csv"; '
        "filename*=UTF-8''%E6%B8%85%E5%8D%A1%E8%AE%B0%E5%BD%95.csv"
    )
