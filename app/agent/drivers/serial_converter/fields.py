"""Fixed-width fields of the serial converter's commands: GBK or ASCII text padded with NUL."""

from dataclasses import dataclass

from app.agent.drivers.xml.messages import MessageInvalid, NotEncodable


@dataclass(frozen=True, slots=True)
class Layout:
    """The names and widths, in bytes, of the fields of one request or answer, in order."""

    fields: tuple[tuple[str, int], ...]

    @property
    def size(self) -> int:
        """Bytes of all fields together."""
        return sum(width for _, width in self.fields)

    def pack(self, values: dict[str, str]) -> bytes:
        """The fields on the wire; a missing value is empty. `NotEncodable` when one does not fit."""
        return b"".join(_pad(name, width, values.get(name, "")) for name, width in self.fields)

    def unpack(self, data: bytes) -> dict[str, str]:
        """The values in `data`. `MessageInvalid` when its length or its text is impossible."""
        if len(data) != self.size:
            raise MessageInvalid(f"应答应为 {self.size} 字节，实际为 {len(data)} 字节")
        values: dict[str, str] = {}
        start = 0
        for name, width in self.fields:
            values[name] = _text(name, data[start : start + width])
            start += width
        return values


def layout(text: str) -> Layout:
    """A layout written the way docs/protocols.md does: `"skpkl 8, jqbh 12"`."""
    pairs = (part.split() for part in text.split(","))
    return Layout(tuple((name, int(width)) for name, width in pairs))


def _pad(name: str, width: int, value: str) -> bytes:
    try:
        raw = value.encode("gbk")
    except UnicodeEncodeError as error:
        raise NotEncodable(f"{name}：GBK 不能表示“{value[error.start : error.end]}”") from error
    if b"\x00" in raw:
        raise NotEncodable(f"{name} 不能含有空字符")
    if len(raw) > width:
        raise NotEncodable(f"{name} 最多 {width} 字节，内容有 {len(raw)} 字节")
    return raw.ljust(width, b"\x00")


def _text(name: str, raw: bytes) -> str:
    try:
        return raw.rstrip(b"\x00 ").decode("gbk")
    except UnicodeDecodeError as error:
        # A text longer than its field is cut by the converter, maybe inside its last character.
        if error.end == len(raw) and error.start == len(raw) - 1:
            return raw[: error.start].decode("gbk")
        raise MessageInvalid(f"字段 {name} 不是 GBK 文本") from error
