"""XML of a workbook as a stream of events: bounded, without document types, and so without entities."""

import zipfile
import zlib
from collections.abc import Iterator
from typing import IO
from xml.parsers import expat

from app.invoices.importing.errors import FileRefused

BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError)
"""What reading a damaged archive raises."""

MAX_TEXT = 1 << 20
"""Characters of one row, or of one shared string."""

_CHUNK = 1 << 16
_MAX_DIGITS = 9


def new_parser() -> expat.XMLParserType:
    """A parser whose names are `namespace name`."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_doctype
    return parser


def _refuse_doctype(*_: object) -> None:
    raise FileRefused("工作簿含有不允许的文档类型声明")


def local_name(tag: str) -> str:
    """The name without its namespace."""
    return tag.rpartition(" ")[2]


def parsed(parser: expat.XMLParserType, stream: IO[bytes]) -> Iterator[None]:
    """Let the parser read on; after each step what it has found can be taken."""
    try:
        while chunk := stream.read(_CHUNK):
            parser.Parse(chunk, False)
            yield
        parser.Parse(b"", True)
    except (expat.ExpatError, *BROKEN) as error:
        raise FileRefused("工作簿的内容已损坏") from error
    yield


def number(text: str | None, default: int) -> int:
    """A number of the format itself: a row, a shared string. Raises FileRefused."""
    if text is None:
        return default
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _MAX_DIGITS):
        raise FileRefused("工作簿的内容已损坏：编号不正确")
    return int(digits)
