"""Rows of an .xlsx file, one at a time (ECMA-376 part 1, section 18.3).

The library that reads workbooks holds a whole sheet, as a rectangle as wide and high as its farthest cell:
one cell in the last corner of a small file would take all memory. Here the sheet's XML streams through
expat; document types, and with them entities, are refused. Formulas count by their stored values.
"""

import posixpath
import tempfile
import zipfile
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.invoices.importing.errors import FileRefused
from app.invoices.importing.shared_strings import SharedStrings
from app.invoices.importing.xml_stream import (
    BROKEN,
    MAX_TEXT,
    local_name,
    new_parser,
    number,
    parsed,
)

MAX_UNCOMPRESSED = 2 << 30
MAX_COLUMNS = 16_384
"""What Excel itself allows; the caller is stricter."""

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships id"
_RELATIONS_STRICT = "http://purl.oclc.org/ooxml/officeDocument/relationships id"


@contextmanager
def opened(path: Path) -> Iterator[Iterator[tuple[int, list[str]]]]:
    """Number and cells of every row of the first sheet. Opening and reading raise FileRefused."""
    with _archive(path) as archive, tempfile.TemporaryFile() as spool:
        workbook = _workbook(archive)
        shared = SharedStrings(spool)
        if workbook.strings in archive.namelist():
            shared.load(archive, workbook.strings)
        with closing(_rows(archive, workbook.sheet, shared)) as rows:
            yield rows


def date_system(path: Path) -> int:
    """1904 or 1900: where the workbook begins to count days."""
    with _archive(path) as archive:
        return _workbook(archive).date_system


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(path)
    except BROKEN as error:
        raise FileRefused("不是可以读取的 .xlsx 文件，可能已损坏") from error
    with archive:
        entries = archive.infolist()
        if sum(entry.file_size for entry in entries) > MAX_UNCOMPRESSED:
            raise FileRefused(f"解压后超过 {MAX_UNCOMPRESSED >> 30} GB")
        if any(entry.flag_bits & 1 for entry in entries):
            raise FileRefused("文件设有密码")
        if any(entry.compress_type not in _METHODS for entry in entries):
            raise FileRefused("文件的压缩方式不受支持")
        yield archive


@dataclass(slots=True)
class _Workbook:
    """Where the parts of the first sheet stand in the archive."""

    sheet: str = ""
    strings: str = "xl/sharedStrings.xml"
    date_system: int = 1900
    relation: str = ""


def _workbook(archive: zipfile.ZipFile) -> _Workbook:
    found = _Workbook()

    def start(tag: str, attributes: dict[str, str]) -> None:
        if tag == "workbookPr" and attributes.get("date1904") in ("1", "true"):
            found.date_system = 1904
        if tag == "sheet" and not found.relation:
            found.relation = attributes.get(_RELATIONS, attributes.get(_RELATIONS_STRICT, ""))

    def relation(tag: str, attributes: dict[str, str]) -> None:
        target = posixpath.normpath(posixpath.join("/xl", attributes.get("Target", ""))).lstrip("/")
        if attributes.get("Id") == found.relation:
            found.sheet = target
        if attributes.get("Type", "").endswith("/sharedStrings"):
            found.strings = target

    _parse(archive, "xl/workbook.xml", start)
    _parse(archive, "xl/_rels/workbook.xml.rels", relation)
    if found.sheet not in archive.namelist():
        raise FileRefused("工作簿中没有工作表")
    return found


def _parse(
    archive: zipfile.ZipFile, name: str, start: Callable[[str, dict[str, str]], None]
) -> None:
    parser = new_parser()
    parser.StartElementHandler = lambda tag, attributes: start(local_name(tag), attributes)
    try:
        stream = archive.open(name)
    except KeyError as error:
        raise FileRefused("不是 .xlsx 工作簿") from error
    with stream:
        deque(parsed(parser, stream), maxlen=0)


def _rows(
    archive: zipfile.ZipFile, name: str, shared: SharedStrings
) -> Generator[tuple[int, list[str]], None, None]:
    reader = _SheetReader(shared)
    parser = new_parser()
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    with archive.open(name) as stream:
        for _ in parsed(parser, stream):
            yield from reader.taken()


class _SheetReader:
    """Collects the cells of each <row>; what is between <v> or <t> is the value."""

    def __init__(self, shared: SharedStrings) -> None:
        self._shared = shared
        self._done: list[tuple[int, list[str]]] = []
        self._number = 0
        self._cells: list[str] = []
        self._column = 0
        self._next = 0
        self._kind = ""
        self._in_value = False
        self._parts: list[str] = []
        self._length = 0

    def taken(self) -> list[tuple[int, list[str]]]:
        """The rows that are complete."""
        done, self._done = self._done, []
        return done

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = local_name(tag)
        if name in ("v", "t"):
            self._in_value = True
        elif name == "c":
            self._kind = attributes.get("t", "n")
            self._column = self._place(attributes.get("r", ""))
            self._parts = []
        elif name == "row":
            self._number = number(attributes.get("r"), self._number + 1)
            self._cells, self._length, self._next = [], 0, 0

    def end(self, tag: str) -> None:
        name = local_name(tag)
        if name in ("v", "t"):
            self._in_value = False
        elif name == "c":
            self._put("".join(self._parts))
        elif name == "row":
            self._done.append((self._number, self._cells))

    def text(self, data: str) -> None:
        if self._in_value:
            self._length += len(data)
            if self._length > MAX_TEXT:
                raise FileRefused(f"第 {self._number} 行的内容过长")
            self._parts.append(data)

    def _place(self, reference: str) -> int:
        """Column of a reference like AB12; the next one for a cell without."""
        letters = reference.rstrip("0123456789")
        if not letters:
            return self._next
        column = 0
        for letter in letters.upper():
            if not "A" <= letter <= "Z" or column > MAX_COLUMNS:
                raise FileRefused(f"工作簿的内容已损坏：单元格 {reference[:20]}")
            column = column * 26 + ord(letter) - ord("A") + 1
        if column > MAX_COLUMNS:
            raise FileRefused(f"第 {self._number} 行的列数过多")
        return column - 1

    def _put(self, raw: str) -> None:
        value = raw
        if self._kind == "s":
            value = self._shared[number(raw, -1)]
        elif self._kind == "e":
            value = ""
        if self._column < self._next:
            raise FileRefused(f"第 {self._number} 行的单元格次序混乱")
        self._next = self._column + 1
        if value:
            self._cells.extend([""] * (self._column - len(self._cells)))
            self._cells.append(value)
