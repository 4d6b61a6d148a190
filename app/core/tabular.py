"""Tables as files: Excel, CSV and JSON Lines, written row by row so that memory does not grow with them.

Text can never become a formula. In CSV a text that a spreadsheet would calculate gets an apostrophe in
front (OWASP, CSV Injection); in Excel text is written as text.
"""

import csv
import io
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote

from app.core.clock import local

T = TypeVar("T")

Cell: TypeAlias = "str | int | Decimal | date | datetime | None"
Row: TypeAlias = Sequence[Cell]

ROWS_PER_SHEET = 1_000_000
"""Excel takes 1,048,576; what is more goes on the next sheet."""

_BATCH = 500
_CHUNK_BYTES = 1 << 16
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
"""The wide ones are the same to a spreadsheet set to Chinese (OWASP, CSV Injection)."""
_BOM = "\ufeff"
"""Without it Excel takes UTF-8 for the code page of the PC."""


class TableFormat(StrEnum):
    """File formats of an export."""

    XLSX = "xlsx"
    CSV = "csv"
    JSONL = "jsonl"

    @property
    def media_type(self) -> str:
        """For Content-Type."""
        return _MEDIA_TYPES[self]


_MEDIA_TYPES = {
    TableFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    TableFormat.CSV: "text/csv; charset=utf-8",
    TableFormat.JSONL: "application/jsonl",
}


@dataclass(frozen=True, slots=True)
class Table:
    """A title, the words over the columns, and the rows, which are gone through once."""

    title: str
    header: Sequence[str]
    rows: Iterable[Row]


def disposition(name: str, chinese_name: str, kind: TableFormat) -> dict[str, str]:
    """The header that saves an answer under a name, the Chinese one where the client can."""
    full = quote(f"{chinese_name}.{kind}")
    return {
        "Content-Disposition": f"attachment; filename=\"{name}.{kind}\"; filename*=UTF-8''{full}"
    }


def csv_chunks(table: Table) -> Iterator[bytes]:
    """The table as CSV in UTF-8 with BOM, lines ended by CRLF (RFC 4180)."""
    yield _csv_text([table.header], _BOM)
    for batch in batches(table.rows, _BATCH):
        yield _csv_text(batch)


def xlsx_chunks(table: Table) -> Iterator[bytes]:
    """The table as an Excel file; it is finished in a temporary file before the first byte goes out."""
    with workbook(table) as path, path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def line_chunks(lines: Iterable[str]) -> Iterator[bytes]:
    """JSON Lines, many at a time."""
    for batch in batches(lines, _BATCH):
        yield "".join(f"{line}\n" for line in batch).encode()


@contextmanager
def workbook(table: Table) -> Iterator[Path]:
    """A temporary .xlsx file of the table, removed afterwards."""
    descriptor, name = tempfile.mkstemp(suffix=".xlsx")
    os.close(descriptor)
    path = Path(name)
    try:
        _write_workbook(path, table)
        yield path
    finally:
        path.unlink(missing_ok=True)


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of `size`, the last one shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def neutral(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_DANGEROUS) else text


def _csv_text(rows: Iterable[Row], before: str = "") -> bytes:
    buffer = io.StringIO()
    buffer.write(before)
    csv.writer(buffer).writerows([_csv_cell(cell) for cell in row] for row in rows)
    return buffer.getvalue().encode()


def _csv_cell(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        return neutral(cell)
    if isinstance(cell, datetime):
        return f"{local(cell):%Y-%m-%d %H:%M:%S}"
    return f"{cell:.2f}" if isinstance(cell, Decimal) else str(cell)


def _write_workbook(path: Path, table: Table) -> None:
    import xlsxwriter  # forty modules, which a start does without

    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(str(path), options) as book:
        formats = {
            kind: book.add_format({"num_format": pattern}) for kind, pattern in _PATTERNS.items()
        }
        bold = book.add_format({"bold": True})
        sheet = _new_sheet(book, table, bold, 1)
        for number, row in enumerate(table.rows):
            place = number % ROWS_PER_SHEET
            if number and not place:
                sheet = _new_sheet(book, table, bold, number // ROWS_PER_SHEET + 1)
            _write_row(sheet, place + 1, row, formats)


_PATTERNS: dict[type, str] = {
    datetime: "yyyy-mm-dd hh:mm:ss",
    date: "yyyy-mm-dd",
    Decimal: "#,##0.00",
}


def _new_sheet(book: Any, table: Table, bold: Any, number: int) -> Any:
    sheet = book.add_worksheet(table.title if number == 1 else f"{table.title}{number}")
    sheet.set_column(0, len(table.header) - 1, 16)
    for index, words in enumerate(table.header):
        sheet.write_string(0, index, words, bold)
    sheet.freeze_panes(1, 0)
    return sheet


def _write_row(sheet: Any, index: int, row: Row, formats: dict[type, Any]) -> None:
    for column, cell in enumerate(row):
        if cell is None or cell == "":
            continue
        if isinstance(cell, str):
            sheet.write_string(index, column, cell)
        elif isinstance(cell, datetime):
            sheet.write_datetime(index, column, local(cell).replace(tzinfo=None), formats[datetime])
        elif isinstance(cell, date):
            sheet.write_datetime(index, column, cell, formats[date])
        else:
            sheet.write_number(index, column, cell, formats.get(type(cell)))
