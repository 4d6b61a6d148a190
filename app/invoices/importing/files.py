"""Rows of a ledger file: .xlsx, .xls or text. Every cell is text, as it is stored, not as it is shown.

What a file can do to this process is limited: bytes, uncompressed bytes, rows, columns. `.xlsx` and text
are read row by row; `.xls` has 65,536 rows at most and is read whole (python-calamine).
"""

import csv
import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path

import python_calamine

from app.invoices.importing import encodings, xlsx
from app.invoices.importing.errors import FileRefused

MAX_ROWS = 1_000_000
MAX_COLUMNS = 200
MAX_CELL = 2000
"""Characters of a cell; what the ledger takes is shorter by far."""

MAX_XLS_BYTES = 40 << 20

_ZIP = b"PK\x03\x04"
_COMPOUND = bytes.fromhex("d0cf11e0a1b11ae1")


@dataclass(frozen=True, slots=True)
class Line:
    """A row that is not empty, with its number in the file (from 1)."""

    number: int
    cells: tuple[str, ...]


@contextmanager
def opened(path: Path) -> Iterator[Iterator[Line]]:
    """The rows of the file's first sheet. Opening and reading raise FileRefused."""
    with path.open("rb") as file:
        start = file.read(8)
    if not start:
        raise FileRefused("文件是空的")
    if start.startswith(_ZIP):
        with xlsx.opened(path) as rows:
            yield _limited(rows)
    elif start == _COMPOUND:
        yield _limited(_xls_rows(path))
    else:
        with _text_rows(path) as rows:
            yield _limited(rows)


def date_system(path: Path) -> int:
    """1904 for a workbook that counts days from there (old Excel for Mac), else 1900."""
    return xlsx.date_system(path) if zipfile.is_zipfile(path) else 1900


def _limited(rows: Iterator[tuple[int, list[str]]]) -> Iterator[Line]:
    """Empty rows left out, cells trimmed, limits kept."""
    count = 0
    for number, cells in rows:
        while cells and not cells[-1].strip():
            cells.pop()
        if not cells:
            continue
        count += 1
        if count > MAX_ROWS + 1:
            raise FileRefused(f"超过 {MAX_ROWS:,} 行，请分成几个文件")
        if len(cells) > MAX_COLUMNS:
            raise FileRefused(f"第 {number} 行超过 {MAX_COLUMNS} 列")
        if any(len(cell) > MAX_CELL for cell in cells):
            raise FileRefused(f"第 {number} 行有超过 {MAX_CELL} 个字符的单元格")
        yield Line(number, tuple(cell.strip() for cell in cells))


@contextmanager
def _text_rows(path: Path) -> Iterator[Iterator[tuple[int, list[str]]]]:
    encoding = encodings.detect(path)
    with path.open(encoding=encoding, newline="") as file:
        delimiter = _delimiter(file)
        yield _csv_rows(file, delimiter)


def _delimiter(file: io.TextIOWrapper) -> str:
    """The one of comma, tab and semicolon that stands most often in the first lines."""
    start = file.read(8192)
    file.seek(0)
    return max((",", "\t", ";"), key=start.count)


def _csv_rows(file: io.TextIOWrapper, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise FileRefused(f"第 {number} 行不是有效的 CSV：{error}") from error
        yield number, cells


def _xls_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    if path.stat().st_size > MAX_XLS_BYTES:
        raise FileRefused(f".xls 文件超过 {MAX_XLS_BYTES >> 20} MB，请另存为 .xlsx 或 CSV")
    try:
        workbook = python_calamine.CalamineWorkbook.from_path(path)
        sheet = workbook.get_sheet_by_index(0)
        first = 1 if sheet.start is None else sheet.start[0] + 1
        for number, row in enumerate(sheet.iter_rows(), start=first):
            yield number, [_xls_text(cell) for cell in row]
    except (python_calamine.CalamineError, python_calamine.PasswordError, IndexError) as error:
        raise FileRefused("不是可以读取的 .xls 文件，或设有密码") from error


def _xls_text(cell: object) -> str:
    """As an .xlsx would store it; dates are text already."""
    if isinstance(cell, bool):
        return "1" if cell else "0"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell)
    if isinstance(cell, datetime | date | time):
        return cell.isoformat(sep=" ") if isinstance(cell, datetime) else cell.isoformat()
    return str(cell)
