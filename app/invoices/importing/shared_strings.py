"""The texts that cells of a workbook name by number (ECMA-376 part 1, section 18.4)."""

import zipfile
from array import array
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO

from app.invoices.importing.errors import FileRefused
from app.invoices.importing.xml_stream import MAX_TEXT, local_name, new_parser, parsed

_KEPT = 10_000
"""Texts that are kept at hand; types and states are said again and again."""


class SharedStrings:
    """The texts, on disk, so that how many there are does not matter."""

    def __init__(self, spool: IO[bytes]) -> None:
        self._spool = spool
        self._ends = array("Q", [0])
        self._cache: dict[int, str] = {}

    def load(self, archive: zipfile.ZipFile, name: str) -> None:
        """Read the part. Phonetic guides (rPh) are not part of a text."""
        reader = _StringReader(self._keep)
        parser = new_parser()
        parser.StartElementHandler = reader.start
        parser.EndElementHandler = reader.end
        parser.CharacterDataHandler = reader.text
        with archive.open(name) as stream:
            deque(parsed(parser, stream), maxlen=0)
        self._spool.flush()

    def _keep(self, text: str) -> None:
        raw = text.encode("utf-8", "replace")
        self._spool.write(raw)
        self._ends.append(self._ends[-1] + len(raw))

    def __getitem__(self, index: int) -> str:
        if not 0 <= index < len(self._ends) - 1:
            raise FileRefused("工作簿的内容已损坏：共享文字不存在")
        known = self._cache.get(index)
        if known is not None:
            return known
        start, end = self._ends[index], self._ends[index + 1]
        self._spool.seek(start)
        text = self._spool.read(end - start).decode("utf-8")
        if len(self._cache) < _KEPT:
            self._cache[index] = text
        return text


@dataclass(slots=True)
class _StringReader:
    """Collects the <t> of each <si>."""

    keep: Callable[[str], None]
    parts: list[str] = field(default_factory=list)
    length: int = 0
    in_text: bool = False
    phonetic: bool = False

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = local_name(tag)
        if name == "si":
            self.parts, self.length = [], 0
        elif name == "rPh":
            self.phonetic = True
        elif name == "t":
            self.in_text = not self.phonetic

    def end(self, tag: str) -> None:
        name = local_name(tag)
        if name == "si":
            self.keep("".join(self.parts))
        elif name == "rPh":
            self.phonetic = False
        elif name == "t":
            self.in_text = False

    def text(self, data: str) -> None:
        if self.in_text:
            self.length += len(data)
            if self.length > MAX_TEXT:
                raise FileRefused("工作簿中有过长的文字")
            self.parts.append(data)
