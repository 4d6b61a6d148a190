"""Fixed-width fields and the commands built of them."""

import contextlib
from datetime import date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.agent.drivers.serial_converter.fields import layout
from app.agent.drivers.serial_converter.messages import (
    ANSWERS,
    REQUESTS,
    STATISTICS_HEAD,
    STATISTICS_PERIOD,
    Command,
    fits,
    parse_info,
    parse_monitor,
    parse_number,
    parse_statistics,
)
from app.agent.drivers.xml.messages import MessageInvalid, NotEncodable
from app.contracts.devices import InvoiceType

INFO = {
    "skpbh": "661814461322",
    "nsrsbh": "91310000MA1K12345X",
    "nsrmc": "上海清卡科技有限公司",
    "swjgdm": "13101010000",
    "swjgmc": "国家税务总局上海市税务局",
    "fplxdm": "004007026",
    "dqsz": "20261103091500",
    "qysj": "00000000000000",
    "bbh": "V3.2",
    "kpjh": "0",
}
MONITOR = {
    "fplxdm": "007",
    "kpjzrq": "20261116",
    "bsqsrq": "20261001000000",
    "bszzrq": "20261031235959",
    "dzkpxe": "99999.99",
    "zxbsrq": "",
    "syrl": "2048",
    "scjzrq": "15",
    "lxkpsc": "72",
    "lxzsljje": "10000.00",
}


def test_widths_are_those_of_the_protocol() -> None:
    assert {command: request.size for command, request in REQUESTS.items()} == {
        Command.ONLINE: 0,
        Command.NUMBER: 12,
        Command.INFO: 20,
        Command.MONITOR: 55,
        Command.REPORT: 61,
        Command.CLEAR: 60,
        Command.STATISTICS: 71,
    }
    assert ANSWERS[Command.NUMBER].size == 12
    assert ANSWERS[Command.INFO].size == 375
    assert ANSWERS[Command.MONITOR].size == 356
    assert STATISTICS_HEAD.size + STATISTICS_PERIOD.size == 6 + 202


def test_fields_are_gbk_padded_with_nul() -> None:
    fields = layout("skpkl 8, nsrmc 6")
    assert fields.pack({"skpkl": "1234", "nsrmc": "清卡"}) == b"1234\0\0\0\0\xc7\xe5\xbf\xa8\0\0"
    assert fields.unpack(b"1234    \xc7\xe5\xbf\xa8\0\0") == {"skpkl": "1234", "nsrmc": "清卡"}
    assert fields.pack({}) == bytes(14)


@pytest.mark.parametrize(
    ("value", "why"),
    [("123456789", "最多 8 字节"), ("清卡清卡清", "最多 8 字节"), ("𠮷", "𠮷"), ("a\0b", "空字符")],
)
def test_text_that_does_not_fit_is_refused_not_cut(value: str, why: str) -> None:
    with pytest.raises(NotEncodable, match=why):
        layout("skpkl 8").pack({"skpkl": value})


def test_a_character_cut_at_the_end_of_its_field_is_dropped() -> None:
    assert layout("nsrmc 3").unpack(b"\xc7\xe5\xbf") == {"nsrmc": "清"}


@pytest.mark.parametrize("raw", [b"\xff\xffab", b"\xc7\xff\x00\x00", b"abc", b"abcde"])
def test_text_that_is_not_gbk_or_too_short_or_long_is_invalid(raw: bytes) -> None:
    with pytest.raises(MessageInvalid):
        layout("nsrmc 4").unpack(raw)


@given(st.text(st.characters(codec="gbk", exclude_characters="\0 "), max_size=40))
def test_any_gbk_text_survives(text: str) -> None:
    fields = layout("a 3, b 80, c 1")
    values = {"a": "xyz", "b": text, "c": "!"}
    assert fields.unpack(fields.pack(values)) == values


def test_number() -> None:
    assert parse_number(b"661814461322") == "661814461322"


def test_info() -> None:
    info = parse_info(ANSWERS[Command.INFO].pack(INFO))
    assert info.number == "661814461322"
    assert info.taxpayer_name == "上海清卡科技有限公司"
    assert info.invoice_types == (
        InvoiceType.SPECIAL_PAPER,
        InvoiceType.ORDINARY_PAPER,
        InvoiceType.ORDINARY_ELECTRONIC,
    )
    assert info.clock_at == datetime(2026, 11, 3, 9, 15)
    assert info.enabled_at is None
    assert info.machine_no == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [("dqsz", "20261301000000"), ("dqsz", ""), ("fplxdm", "00"), ("fplxdm", "999"), ("kpjh", "x")],
)
def test_info_that_says_nothing_sensible_is_invalid(name: str, value: str) -> None:
    with pytest.raises(MessageInvalid):
        parse_info(ANSWERS[Command.INFO].pack({**INFO, name: value}))


def test_monitor() -> None:
    monitor = parse_monitor(ANSWERS[Command.MONITOR].pack(MONITOR), InvoiceType.ORDINARY_PAPER)
    assert monitor.lock_date == date(2026, 11, 16)
    assert monitor.report_from == datetime(2026, 10, 1)
    assert monitor.last_reported_at is None
    assert monitor.single_limit == Decimal("99999.99")
    assert monitor.offline_hours == 72


def test_monitor_of_another_type_is_invalid() -> None:
    with pytest.raises(MessageInvalid, match="004"):
        parse_monitor(ANSWERS[Command.MONITOR].pack(MONITOR), InvoiceType.SPECIAL_PAPER)


def _statistics(count: int, periods: int) -> bytes:
    numbers = {name: "1" for name, _ in STATISTICS_PERIOD.fields}
    period = {**numbers, "qsrq": "20261001", "jzrq": "20261031", "zsfpfs": "12"}
    amounts = {"zsfpljje": "1234567.89", "fsfpljje": "-120.00"}
    head = STATISTICS_HEAD.pack({"fplxdm": "007", "count": f"{count:03d}"})
    return head + STATISTICS_PERIOD.pack({**period, **amounts}) * periods


def test_statistics() -> None:
    statistics = parse_statistics(_statistics(2, 2), InvoiceType.ORDINARY_PAPER)
    assert len(statistics.periods) == 2
    period = statistics.periods[1]
    assert (period.period_from, period.period_to) == (date(2026, 10, 1), date(2026, 10, 31))
    assert period.issued == 12
    assert period.issued_amount == Decimal("1234567.89")
    assert period.red_amount == Decimal("-120.00")


def test_statistics_of_another_count_or_type_are_invalid() -> None:
    with pytest.raises(MessageInvalid):
        parse_statistics(_statistics(2, 1), InvoiceType.ORDINARY_PAPER)
    with pytest.raises(MessageInvalid):
        parse_statistics(_statistics(1, 1), InvoiceType.ROLL)


@pytest.mark.parametrize("command", list(Command))
def test_what_fits(command: Command) -> None:
    size = ANSWERS[command].size if command in ANSWERS else len(_statistics(3, 3))
    assert fits(command, bytes(size))
    assert not fits(command, bytes(size + 1))


@given(st.binary(max_size=500), st.integers(0, 2))
def test_any_bytes_are_read_or_invalid(raw: bytes, which: int) -> None:
    """Whatever has the right length is either understood or `MessageInvalid`."""
    size = (ANSWERS[Command.INFO].size, ANSWERS[Command.MONITOR].size, len(_statistics(1, 1)))[
        which
    ]
    data = (raw * (size // max(len(raw), 1) + 1))[:size].ljust(size, b"0")
    kind = InvoiceType.ORDINARY_PAPER
    parse = (parse_info, lambda d: parse_monitor(d, kind), lambda d: parse_statistics(d, kind))
    with contextlib.suppress(MessageInvalid):
        assert parse[which](data)
