"""Frames of the serial converter's protocol, as bytes and back (docs/protocols.md, section 4). No I/O.

    request   1B  type  cmd  pack  len   data...  crc crc
    answer    'O''K' | 'E''R' | 'W''T' | 'N''P'  pack  len   data...  crc crc

`len` counts header and data, not the CRC. It is one byte in frames of type 0x10 (a frame is at most
255 bytes with its CRC) and two bytes, high byte first, in frames of type 0x20. The answer to a
request has the length form of the request.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum, StrEnum

ESCAPE = 0x1B
CRC_SIZE = 2


class FrameType(IntEnum):
    """The second byte of a request: which length form it and its answer have."""

    PLAIN = 0x10
    XML = 0x20

    @property
    def length_size(self) -> int:
        """Bytes of the length field."""
        return 1 if self is FrameType.PLAIN else 2

    @property
    def max_frame(self) -> int:
        """Largest frame with its CRC, in bytes."""
        return 0xFF if self is FrameType.PLAIN else 0xFFFF


class Status(StrEnum):
    """The first two bytes of an answer."""

    OK = "OK"
    ERROR = "ER"
    WAIT = "WT"
    NEXT_PACK = "NP"


@dataclass(frozen=True, slots=True)
class Request:
    """One frame from the host. `pack` is 0 on the only or the last frame, else 1, 2, …"""

    command: int
    data: bytes = b""
    pack: int = 0
    type: FrameType = FrameType.PLAIN


@dataclass(frozen=True, slots=True)
class Answer:
    """One frame from the converter; the host's acknowledgements have the same form."""

    status: Status
    data: bytes = b""
    pack: int = 0
    type: FrameType = FrameType.PLAIN


@dataclass(frozen=True, slots=True)
class Corrupt:
    """A whole frame whose CRC or header is wrong; `pack` as it was read, so not to be trusted."""

    raw: bytes
    pack: int


Frame = Request | Answer


def _crc_table() -> tuple[int, ...]:
    def entry(byte: int) -> int:
        crc = byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ (0x8005 if crc & 0x8000 else 0)
        return crc & 0xFFFF

    return tuple(entry(byte) for byte in range(256))


_TABLE = _crc_table()


def crc16(data: bytes) -> int:
    """CRC-16 with polynomial 0x8005, initial value 0, not reflected: 0xFEE8 for b"123456789"."""
    crc = 0
    for byte in data:
        crc = ((crc << 8) & 0xFFFF) ^ _TABLE[(crc >> 8) ^ byte]
    return crc


def _seal(head: bytes, data: bytes, kind: FrameType) -> bytes:
    length = len(head) + kind.length_size + len(data)
    if length + CRC_SIZE > kind.max_frame:
        raise ValueError(f"a frame of type {kind:#x} cannot hold {len(data)} bytes of data")
    body = head + length.to_bytes(kind.length_size, "big") + data
    return body + crc16(body).to_bytes(CRC_SIZE, "big")


def encode(frame: Frame) -> bytes:
    """The frame on the wire. ValueError when the data does not fit into one frame."""
    if isinstance(frame, Request):
        return _seal(bytes((ESCAPE, frame.type, frame.command, frame.pack)), frame.data, frame.type)
    return _seal(frame.status.encode("ascii") + bytes((frame.pack,)), frame.data, frame.type)


def request_capacity(kind: FrameType) -> int:
    """Bytes of data one request frame of this type can carry."""
    return kind.max_frame - CRC_SIZE - 4 - kind.length_size


def answer_capacity(kind: FrameType) -> int:
    """Bytes of data one answer frame of this type can carry."""
    return kind.max_frame - CRC_SIZE - 3 - kind.length_size


def next_pack(pack: int) -> int:
    """The number after `pack`; 0 is kept for the last frame, so 255 is followed by 1."""
    return pack % 0xFF + 1


def split(data: bytes, capacity: int) -> Iterator[tuple[int, bytes]]:
    """`data` as (pack, part): 1, 2, … and 0 for the only or the last part."""
    pack = 0
    while len(data) > capacity:
        pack = next_pack(pack)
        yield pack, data[:capacity]
        data = data[capacity:]
    yield 0, data


_ANSWER_HEADS = tuple(status.encode("ascii") for status in Status)


class Decoder:
    """Finds frames in a stream of bytes that may also hold noise, halves and corrupt frames.

    `type` is the length form answers are expected in; a request names its own. `requests` says
    whether requests are looked for as well: the converter receives requests and acknowledgements,
    the host only answers.
    """

    def __init__(self, kind: FrameType = FrameType.PLAIN, *, requests: bool = False) -> None:
        self.type = kind
        self._requests = requests
        self._buffer = bytearray()

    @property
    def half(self) -> bool:
        """Whether the beginning of a frame is held whose rest has not arrived."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> None:
        """Takes what arrived."""
        self._buffer += data

    def reset(self) -> None:
        """Forgets everything held."""
        self._buffer.clear()

    def give_up(self) -> None:
        """Drops the byte a half frame begins with, so that frames behind it are found."""
        del self._buffer[:1]

    def take(self) -> Frame | Corrupt | None:
        """The next frame, or None when more bytes are needed."""
        while True:
            self._skip_noise()
            size = self._size()
            if size is None or len(self._buffer) < size:
                return None
            if size:
                return self._cut(size)
            self.give_up()

    def _skip_noise(self) -> None:
        while self._buffer and not self._may_begin():
            del self._buffer[:1]

    def _may_begin(self) -> bool:
        head = bytes(self._buffer[:2])
        if head[0] == ESCAPE:
            return self._requests and (len(head) == 1 or head[1] in tuple(FrameType))
        return any(known.startswith(head) for known in _ANSWER_HEADS)

    def _layout(self) -> tuple[int, FrameType]:
        """Bytes before the length field, and the length form, of the frame the buffer begins with."""
        if self._buffer[0] == ESCAPE:
            return 4, FrameType(self._buffer[1])
        return 3, self.type

    def _size(self) -> int | None:
        """Bytes of the frame with its CRC; None while unknown, 0 when no frame can look like this."""
        if len(self._buffer) < 2:
            return None
        start, kind = self._layout()
        field = self._buffer[start : start + kind.length_size]
        if len(field) < kind.length_size:
            return None
        size = int.from_bytes(field, "big") + CRC_SIZE
        return size if start + kind.length_size + CRC_SIZE <= size <= kind.max_frame else 0

    def _cut(self, size: int) -> Frame | Corrupt:
        raw = bytes(self._buffer[:size])
        start, kind = self._layout()
        del self._buffer[:size]
        body, crc = raw[:-CRC_SIZE], raw[-CRC_SIZE:]
        if crc16(body) != int.from_bytes(crc, "big"):
            return Corrupt(raw, raw[start - 1])
        data = body[start + kind.length_size :]
        if raw[0] == ESCAPE:
            return Request(raw[2], data, raw[3], kind)
        return Answer(Status(raw[:2].decode("ascii")), data, raw[2], kind)
