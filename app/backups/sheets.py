"""Excel copies inside a backup, for people who open it without this program."""

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import xlsxwriter


@contextmanager
def workbook(title: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[Path]:
    """A temporary .xlsx with one sheet; text stays text, so nothing in it can become a formula."""
    descriptor, name = tempfile.mkstemp(suffix=".xlsx")
    os.close(descriptor)
    path = Path(name)
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    try:
        with xlsxwriter.Workbook(name, options) as book:
            sheet = book.add_worksheet(title)
            bold = book.add_format({"bold": True})
            sheet.write_row(0, 0, header, bold)
            sheet.freeze_panes(1, 0)
            for index, row in enumerate(rows, start=1):
                sheet.write_row(index, 0, row)
        yield path
    finally:
        path.unlink(missing_ok=True)
