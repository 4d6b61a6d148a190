"""The conversation with the converter, byte by byte, on a clock that only waiting moves."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.agent.drivers.serial_converter.frames import FrameType
from app.agent.drivers.serial_converter.link import (
    Ask,
    ConverterError,
    Garbled,
    Link,
    LinkError,
    Lost,
    Silent,
    Timing,
    Unexpected,
)
from app.agent.drivers.serial_converter.ports import PortLost

if TYPE_CHECKING:
    from tests.agent.serial_converter.conftest import ScriptedPort

    Script = list[tuple[str, list[str | float]]]
    Scripted = Callable[[Script], ScriptedPort]

HELLO = "1b 10 01 00 05 c4c7"
OK = "4f4b 00 04 c99a"
OK_A = "4f4b 00 05 41 1f33"
OK_A_BAD_CRC = "4f4b 00 05 41 1f34"
BUSY = "5754 00 04 2810"
ASK = "1b 10 06 00 05 44a8"
CLEAR = "1b 10 12 00 05 45b8"
NEXT_1 = "4e50 00 05 01 42ce"
NEXT_2 = "4e50 00 05 02 42c4"
CRC_REFUSED = "4552 00 05 1f 69c2"
HEADER_REFUSED = "4552 00 05 12 e9ef"
GREETED: Script = [(HELLO, [OK])]

GREETING = (Ask(0x01, b"", 3.5, lambda data: data == b""),)


def frame(head: str, data: bytes = b"") -> str:
    """Hex of a plain frame with its length and CRC, written apart from the code under test."""
    body = bytes.fromhex(head) + bytes((len(bytes.fromhex(head)) + 1 + len(data),)) + data
    rest = int.from_bytes(body, "big") << 16
    while rest.bit_length() > 16:
        rest ^= 0x18005 << (rest.bit_length() - 17)
    return (body + rest.to_bytes(2, "big")).hex()


def query(data: bytes = b"", *, size: int = 1, timeout: float = 10.0) -> Ask:
    return Ask(0x06, data, timeout, lambda answer: len(answer) == size)


def clear(timeout: float = 60.0) -> Ask:
    return Ask(0x12, b"", timeout, lambda answer: answer == b"", repeatable=False)


def link_to(port: ScriptedPort) -> Link:
    return Link(lambda: port, GREETING, Timing(), port.clock)


def failure(link: Link, ask: Ask, kind: type[LinkError]) -> LinkError:
    with pytest.raises(kind) as caught:
        link.exchange(ask)
    assert type(caught.value) is kind
    return caught.value


def test_a_link_greets_once_then_asks(scripted: Scripted) -> None:
    port = scripted([*GREETED, (ASK, [OK_A]), (ASK, [OK_A])])
    link = link_to(port)
    assert link.exchange(query()) == b"A"
    assert link.exchange(query()) == b"A"
    port.finish()


def test_an_answer_may_come_in_pieces(scripted: Scripted) -> None:
    port = scripted([*GREETED, (ASK, ["4f", 2.9, "4b0005", 2.9, "411f", 1.0, "33"])])
    assert link_to(port).exchange(query()) == b"A"
    port.finish()


def test_busy_keeps_waiting(scripted: Scripted) -> None:
    port = scripted([*GREETED, (CLEAR, [BUSY, 20.0, BUSY, 20.0, BUSY, 19.0, OK])])
    assert link_to(port).exchange(clear()) == b""
    port.finish()


def test_busy_does_not_wait_longer_than_the_timeout(scripted: Scripted) -> None:
    port = scripted([*GREETED, (CLEAR, [item for _ in range(99) for item in (BUSY, 1.0)])])
    started = port.now
    assert failure(link_to(port), clear(), Silent).executed
    assert port.now - started <= 60.0


def test_a_long_request_goes_in_packs_each_called_for(scripted: Scripted) -> None:
    data = bytes(range(250)) * 2
    port = scripted(
        [
            *GREETED,
            (frame("1b100601", data[:248]), [BUSY, 1.0, NEXT_1]),
            (frame("1b100602", data[248:496]), [NEXT_1, NEXT_2]),
            (frame("1b100600", data[496:]), [OK_A]),
        ]
    )
    assert link_to(port).exchange(query(data)) == b"A"
    port.finish()


def test_a_pack_that_is_not_called_for_ends_the_request_unexecuted(scripted: Scripted) -> None:
    port = scripted([*GREETED, (frame("1b101201", b"x" * 248), [])])
    ask = Ask(0x12, b"x" * 300, 60.0, lambda answer: answer == b"", repeatable=False)
    assert not failure(link_to(port), ask, Silent).executed
    port.finish()


def test_a_long_answer_is_acknowledged_pack_by_pack_and_at_its_end(scripted: Scripted) -> None:
    port = scripted(
        [
            *GREETED,
            (ASK, [frame("4f4b01", b"a" * 249)]),
            (NEXT_1, [frame("4f4b02", b"b" * 249)]),
            (NEXT_2, [frame("4f4b00", b"c")]),
            (OK, []),
            (ASK, [OK_A]),
        ]
    )
    link = link_to(port)
    assert link.exchange(query(size=499)) == b"a" * 249 + b"b" * 249 + b"c"
    assert link.exchange(query()) == b"A"
    port.finish()


def test_a_pack_sent_again_is_called_for_again_and_counted_once(scripted: Scripted) -> None:
    first = frame("4f4b01", b"a")
    port = scripted([*GREETED, (ASK, [first]), (NEXT_1, [first]), (NEXT_1, [OK_A]), (OK, [])])
    assert link_to(port).exchange(query(size=2)) == b"aA"
    port.finish()


def test_packs_out_of_order_are_asked_for_once_more(scripted: Scripted) -> None:
    port = scripted(
        [
            *GREETED,
            (ASK, [frame("4f4b02", b"b")]),
            (HELLO, [OK]),
            (ASK, [OK_A]),
        ]
    )
    started = port.now
    assert link_to(port).exchange(query()) == b"A"
    assert port.now - started >= 3.0, "the converter waits 3 s for its pack to be called for"
    port.finish()


def test_a_wrong_crc_is_asked_once_more_after_greeting(scripted: Scripted) -> None:
    port = scripted([*GREETED, (ASK, [OK_A_BAD_CRC]), (HELLO, [OK]), (ASK, [OK_A])])
    assert link_to(port).exchange(query()) == b"A"
    port.finish()


def test_a_wrong_crc_twice_is_an_error(scripted: Scripted) -> None:
    again: Script = [(HELLO, [OK]), (ASK, [OK_A_BAD_CRC])]
    port = scripted([*again, *again])
    failure(link_to(port), query(), Garbled)
    port.finish()


def test_a_clearing_is_never_asked_again_by_the_link(scripted: Scripted) -> None:
    port = scripted([*GREETED, (CLEAR, ["4f4b0004c99b"])])
    assert failure(link_to(port), clear(), Garbled).executed
    port.finish()


def test_half_a_frame_is_given_up_after_three_seconds_of_silence(scripted: Scripted) -> None:
    port = scripted([*GREETED, (CLEAR, [1.0, "4f4b00"])])
    started = port.now
    assert failure(link_to(port), clear(), Garbled).executed
    assert 4.0 <= port.now - started < 4.5


@pytest.mark.parametrize(
    ("answer", "data"),
    [
        (HEADER_REFUSED, b"\x12"),
        (CRC_REFUSED, b"\x1f"),
        ("4552 00 0a ceb4c9eab1a8 e404", "未申报".encode("gbk")),
    ],
)
def test_an_error_answer_is_told_with_its_data(
    scripted: Scripted, answer: str, data: bytes
) -> None:
    port = scripted([*GREETED, (CLEAR, [answer])])
    error = failure(link_to(port), clear(), ConverterError)
    assert isinstance(error, ConverterError)
    assert error.data == data
    port.finish()


def test_after_an_error_answer_the_link_is_in_step(scripted: Scripted) -> None:
    port = scripted([*GREETED, (ASK, [HEADER_REFUSED]), (ASK, [OK_A])])
    link = link_to(port)
    failure(link, query(), ConverterError)
    assert link.exchange(query()) == b"A"
    port.finish()


def test_a_request_that_arrived_corrupt_is_sent_once_more(scripted: Scripted) -> None:
    port = scripted([*GREETED, (ASK, [CRC_REFUSED]), (ASK, [OK_A])])
    assert link_to(port).exchange(query()) == b"A"
    port.finish()


def test_a_late_answer_is_not_taken_for_the_next_commands(scripted: Scripted) -> None:
    """0x12 times out, its empty OK comes late: the next 0x12 must not see it."""
    number = Ask(0x02, b"", 3.5, lambda data: len(data) == 1)
    port = scripted(
        [
            ("1b100200 05 c4fb", [OK_A]),
            (CLEAR, [61.0, OK]),
            ("1b100200 05 c4fb", [2.0, OK_A]),
            (CLEAR, [BUSY]),
        ]
    )
    link = Link(lambda: port, (number,), Timing(), port.clock)
    failure(link, clear(), Silent)
    failure(link, clear(), Silent)
    port.finish()


def test_a_late_error_is_not_taken_for_the_next_commands(scripted: Scripted) -> None:
    port = scripted(
        [*GREETED, (ASK, [11.0, HEADER_REFUSED]), (HELLO, [2.0, OK]), (HELLO, [OK]), (ASK, [OK_A])]
    )
    link = link_to(port)
    failure(link, query(), Silent)
    assert link.exchange(query()) == b"A"
    port.finish()


def test_a_greeting_refused_twice_is_the_converters_answer(scripted: Scripted) -> None:
    port = scripted([(HELLO, [HEADER_REFUSED]), (HELLO, [HEADER_REFUSED])])
    error = failure(link_to(port), clear(), ConverterError)
    assert not error.executed
    port.finish()


def test_a_first_greeting_may_be_swallowed(scripted: Scripted) -> None:
    port = scripted([(HELLO, []), (HELLO, [OK]), (ASK, [OK_A])])
    assert link_to(port).exchange(query()) == b"A"
    port.finish()


def test_a_clearing_is_not_sent_to_a_silent_converter(scripted: Scripted) -> None:
    port = scripted([(HELLO, [])] * 99)
    started = port.now
    assert not failure(link_to(port), clear(30.0), Silent).executed
    assert port.now - started <= 30.5


def test_an_answer_of_impossible_length_is_not_the_commands(scripted: Scripted) -> None:
    port = scripted([*GREETED, (ASK, [OK, OK_A]), (ASK, [OK])])
    link = link_to(port)
    assert link.exchange(query()) == b"A"
    failure(link, query(), Unexpected)


def test_a_port_that_does_not_open_was_not_used() -> None:
    def refuse() -> ScriptedPort:
        raise PortLost("no such port")

    error = failure(Link(refuse, GREETING), clear(), Lost)
    assert not error.executed


def test_a_port_lost_in_use_is_closed_and_opened_again(scripted: Scripted) -> None:
    ports = [scripted([*GREETED, (CLEAR, [])]), scripted([*GREETED, (ASK, [OK_A])])]
    waiting = iter(ports)
    link = Link(lambda: next(waiting), GREETING, Timing(), ports[0].clock)
    read = ports[0].read

    def unplugged_after_the_command(size: int = 1, /) -> bytes:
        ports[0].lost = not ports[0].script
        return read(size)

    ports[0].read = unplugged_after_the_command  # type: ignore[method-assign]
    assert failure(link, clear(), Lost).executed
    assert ports[0].closed
    assert link.exchange(query()) == b"A"


def test_xml_frames_have_a_length_of_two_bytes(scripted: Scripted) -> None:
    xml = b"<business/>"
    port = scripted([*GREETED, ("1b20400000113c627573696e6573732f3e f210", ["4f4b000006 41 a086"])])
    ask = Ask(0x40, xml, 1.0, lambda data: bool(data), type=FrameType.XML)
    assert link_to(port).exchange(ask) == b"A"
    port.finish()


@given(
    given_bytes=st.lists(
        st.one_of(
            st.binary(max_size=40).map(bytes.hex),
            st.sampled_from([OK, OK_A, BUSY, NEXT_1, CRC_REFUSED, OK_A_BAD_CRC, "4f4b", "4552"]),
            st.floats(0, 4),
        ),
        max_size=12,
    ),
    repeatable=st.booleans(),
)
def test_whatever_arrives_the_link_ends_in_time(
    scripted: Scripted, given_bytes: list[str | float], repeatable: bool
) -> None:
    """Every exchange ends within its timeout, with an answer that fits or a LinkError."""
    port = scripted([])
    port.write = len  # type: ignore[method-assign]
    port.give(given_bytes)
    ask = Ask(0x06, b"", 8.0, lambda data: len(data) == 1, repeatable)
    started = port.now
    with contextlib.suppress(LinkError):
        assert len(link_to(port).exchange(ask)) == 1
    assert port.now - started <= 8.0 + Timing().quiet
