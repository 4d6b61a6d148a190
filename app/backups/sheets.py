"""Excel copies inside a backup, for people who open it without this program."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xlsxwriter import Workbook
    from xlsxwriter.worksheet import Worksheet


class Sheet:
    """The one sheet of a workbook; used through `workbook`. Text stays text: none becomes a formula."""

    def __init__(self, book: "Workbook", sheet: "Worksheet", path: Path) -> None:
        self._book = book
        self._sheet = sheet
        self._path = path
        self._next = 1

    def add(self, row: Sequence[Any]) -> None:
        """One more row."""
        for column, value in enumerate(row):
            if isinstance(value, int | float):
                self._sheet.write_number(self._next, column, value)
            elif value is not None and value != "":
                self._sheet.write_string(self._next, column, str(value))
        self._next += 1

    def finish(self) -> Path:
        """The file, complete; nothing can be added any more."""
        self._book.close()
        return self._path


@contextmanager
def workbook(title: str, header: Sequence[str], *, small: bool = False) -> Iterator[Sheet]:
    """A temporary .xlsx with one sheet, filled row by row with constant memory.

    A `small` one is put together in memory: the files of its parts would cost more than its rows.
    """
    from xlsxwriter import Workbook  # forty modules, which a start does without

    descriptor, name = tempfile.mkstemp(suffix=".xlsx")
    os.close(descriptor)
    path = Path(name)
    book = Workbook(name, {"in_memory" if small else "constant_memory": True})
    try:
        sheet = book.add_worksheet(title)
        for column, text in enumerate(header):
            sheet.write_string(0, column, text, book.add_format({"bold": True}))
        sheet.freeze_panes(1, 0)
        yield Sheet(book, sheet, path)
    finally:
        if not book.fileclosed:
            book.close()
        path.unlink(missing_ok=True)
