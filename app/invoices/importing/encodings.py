"""Which encoding a text file is in: UTF-8, UTF-16 with its mark, or GB 18030, and nothing by guessing.

Bytes that are valid UTF-8 are UTF-8: Chinese text in GB 18030 is not valid UTF-8 but by a rare chance. GB
18030 contains GBK and GB 2312.
"""

import codecs
from pathlib import Path

from app.invoices.importing.errors import FileRefused

_CHUNK = 1 << 20
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def detect(path: Path) -> str:
    """The name of the encoding the whole file can be read in. Raises FileRefused."""
    with path.open("rb") as file:
        start = file.read(4)
    marked = [name for mark, name in _MARKS if start.startswith(mark)]
    for name in marked or ["utf-8", "gb18030"]:
        if _decodes(path, name):
            return name
    raise FileRefused("文字编码无法识别，请另存为 UTF-8 编码的 CSV")


def _decodes(path: Path, encoding: str) -> bool:
    """Whether every byte is valid. Text has no NUL: with one it is some other kind of file."""
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                if "\x00" in decoder.decode(chunk):
                    return False
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
