"""The serial converter's frames: worked examples in hex, round trips, any bytes at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.agent.drivers.serial_converter.frames import (
    Answer,
    Corrupt,
    Decoder,
    Frame,
    FrameType,
    Request,
    Status,
    answer_capacity,
    crc16,
    encode,
    next_pack,
    request_capacity,
    split,
)

kinds = st.sampled_from(list(FrameType))
requests = st.builds(
    Request, st.integers(0, 255), st.binary(max_size=248), st.integers(0, 255), kinds
)
answers = st.builds(
    Answer, st.sampled_from(list(Status)), st.binary(max_size=249), st.integers(0, 255), kinds
)


def decode_all(decoder: Decoder, data: bytes) -> list[Frame | Corrupt]:
    decoder.feed(data)
    return list(iter(decoder.take, None))


def test_crc_check_value() -> None:
    assert crc16(b"123456789") == 0xFEE8


@pytest.mark.parametrize(
    ("frame", "wire"),
    [
        (Request(0x01), "1b 10 01 00 05 c4 c7"),
        (Request(0x02, b"ABC"), "1b 10 02 00 08 41 42 43 79 c4"),
        (Request(0x40, b"<", 0, FrameType.XML), "1b 20 40 00 00 07 3c 96 19"),
        (Answer(Status.OK), "4f 4b 00 04 c9 9a"),
        (Answer(Status.ERROR, b"\x1f"), "45 52 00 05 1f 69 c2"),
        (Answer(Status.WAIT), "57 54 00 04 28 10"),
        (Answer(Status.NEXT_PACK, b"\x01"), "4e 50 00 05 01 42 ce"),
        (Answer(Status.OK, b"7", 3, FrameType.XML), "4f 4b 03 00 06 37 1d b1"),
    ],
)
def test_frames_on_the_wire(frame: Frame, wire: str) -> None:
    raw = bytes.fromhex(wire)
    assert encode(frame) == raw
    assert decode_all(Decoder(frame.type, requests=True), raw) == [frame]


@given(frame=requests | answers, chunk=st.integers(1, 7))
def test_round_trip_however_the_bytes_arrive(frame: Frame, chunk: int) -> None:
    decoder = Decoder(frame.type, requests=True)
    raw = encode(frame)
    found: list[Frame | Corrupt] = []
    for start in range(0, len(raw), chunk):
        assert not found
        found += decode_all(decoder, raw[start : start + chunk])
    assert found == [frame]
    assert not decoder.half


@pytest.mark.parametrize("kind", list(FrameType))
def test_a_frame_holds_its_capacity_and_no_byte_more(kind: FrameType) -> None:
    for make, capacity in (
        (lambda data: Request(1, data, 0, kind), request_capacity(kind)),
        (lambda data: Answer(Status.OK, data, 0, kind), answer_capacity(kind)),
    ):
        assert len(encode(make(b"x" * capacity))) == kind.max_frame
        with pytest.raises(ValueError, match="cannot hold"):
            encode(make(b"x" * (capacity + 1)))


def test_split_counts_packs_and_ends_with_zero() -> None:
    assert list(split(b"", 3)) == [(0, b"")]
    assert list(split(b"abc", 3)) == [(0, b"abc")]
    assert list(split(b"abcdefg", 3)) == [(1, b"abc"), (2, b"def"), (0, b"g")]


@given(data=st.binary(max_size=2000), capacity=st.integers(1, 5))
def test_split_loses_nothing(data: bytes, capacity: int) -> None:
    parts = list(split(data, capacity))
    assert b"".join(part for _, part in parts) == data
    assert [pack for pack, _ in parts].index(0) == len(parts) - 1


def test_pack_numbers_never_become_the_last_ones_mark() -> None:
    assert next_pack(254) == 255
    assert next_pack(255) == 1


def test_a_wrong_crc_is_told_and_the_next_frame_found() -> None:
    bad = bytearray(encode(Answer(Status.OK, b"abc", 2)))
    bad[5] ^= 0x01
    good = Answer(Status.WAIT)
    found = decode_all(Decoder(), bytes(bad) + encode(good))
    assert found == [Corrupt(bytes(bad), 2), good]


def test_noise_is_skipped_and_an_impossible_length_is_no_frame() -> None:
    good = Answer(Status.OK, b"x")
    assert decode_all(Decoder(), b"OOOK\x00\x03\xff\x00ER" + b"\x00\x00" + encode(good)) == [good]


def test_the_host_takes_no_request_for_an_answer() -> None:
    decoder = Decoder()
    assert decode_all(decoder, encode(Request(0x01))) == []
    assert not decoder.half


def test_a_half_frame_is_held_until_given_up() -> None:
    decoder = Decoder()
    good = Answer(Status.OK)
    assert decode_all(decoder, b"OK\x00\xf0" + encode(good)) == []
    assert decoder.half
    decoder.give_up()
    assert decoder.take() == good


@given(noise=st.binary(max_size=400), kind=kinds, requests=st.booleans())
def test_any_bytes_are_survived(noise: bytes, kind: FrameType, requests: bool) -> None:
    decoder = Decoder(kind, requests=requests)
    decode_all(decoder, noise)
    while decoder.half:
        decoder.give_up()
        while decoder.take():
            pass
    good = Answer(Status.OK, b"after the noise", 0, kind)
    assert decode_all(decoder, encode(good)) == [good]
