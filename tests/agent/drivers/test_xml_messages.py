"""Building and parsing of the XML messages: exact bytes, both dialects, and whatever a device may send."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.agent.drivers.xml import messages, readings, values
from app.agent.drivers.xml.dialects import COMPONENT, MIDDLEWARE, Dialect, dialect_of
from app.agent.drivers.xml.messages import Answer, MessageInvalid, NotEncodable, Request
from app.contracts.devices import InvoiceType


def answer(payload: str, code: str = "0", name: str = "SKPXXCX") -> bytes:
    return (
        f'<?xml version="1.0" encoding="gbk"?><business id="{name}"><body><output>{payload}'
        f"<returncode>{code}</returncode><returnmsg>成功</returnmsg></output></body></business>"
    ).encode("gbk")


REQUEST = Request("SKPXXCX", "税控设备信息查询", {"jqbh": "", "sksbbh": "1", "sksbkl": "a&b"})


def test_component_dialect() -> None:
    assert messages.encode(COMPONENT.write(REQUEST)) == (
        '<?xml version="1.0" encoding="gbk"?>\n'
        '<business id="SKPXXCX" comment="税控设备信息查询"><body yylxdm="1"><input>'
        "<jqbh></jqbh><skpbh>1</skpbh><skpkl>a&amp;b</skpkl></input></body></business>"
    ).encode("gbk")


def test_middleware_dialect() -> None:
    assert messages.encode(MIDDLEWARE.write(REQUEST)) == (
        '<?xml version="1.0" encoding="gbk"?>\n'
        '<business id="SKPXXCX" comment="税控设备信息查询"><body><input>'
        "<jqbh></jqbh><sksbbh>1</sksbbh><sksbkl>a&amp;b</sksbkl></input></body></business>"
    ).encode("gbk")


def test_names_of_a_vendor_are_configuration() -> None:
    dialect = dialect_of("middleware", {"kpjzsj": "kpjzrq"})
    read = dialect.read(messages.decode(answer("<kpjzrq>20261116</kpjzrq>")))
    assert read.fields["kpjzsj"] == "20261116"


def test_groups_stand_before_fields_and_attributes_on_the_body() -> None:
    request = Request(
        "QLJS", "x", {"qtxx": "1"}, ({"fplxdm": "004"}, {"fplxdm": "007"}), {"count": "2"}
    )
    assert b'<body count="2"><input><group xh="1"><fplxdm>004</fplxdm></group>' in messages.encode(
        request
    )
    assert messages.encode(request).endswith(b"</group><qtxx>1</qtxx></input></body></business>")


@pytest.mark.parametrize("text", ["𠮷野家", "😀", "a\x00b", "\x1b"])
def test_text_the_device_cannot_hold_is_never_sent(text: str) -> None:
    with pytest.raises(NotEncodable):
        messages.encode(Request("SKPXXCX", "x", {"sksbkl": text}))


def test_payload_under_returndata() -> None:
    read = messages.decode(answer("<returndata><sksbbh>12</sksbbh></returndata>"))
    assert read == Answer("SKPXXCX", "0", "成功", {"sksbbh": "12"})


def test_groups_with_and_without_a_counting_element() -> None:
    group = '<group xh="1"><fpdm>1</fpdm><sfxm count="1"><group xh="1"><xm>x</xm></group></sfxm></group>'
    for payload in (group, f'<fpxx count="1">{group}</fpxx>'):
        assert messages.decode(answer(payload)).groups == ({"fpdm": "1"},)


def test_a_code_in_the_groups_only() -> None:
    data = (
        b'<business id="WLCB"><body><output><group><fplxdm>004</fplxdm><returncode>5</returncode>'
        b"</group></output></body></business>"
    )
    assert messages.decode(data).succeeded


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"<business/>",
        b"<other><body><output><returncode>0</returncode></output></body></other>",
        b"<business><body><output></output></body></business>",
        answer("")[:-20],
        b'<!DOCTYPE b [<!ENTITY a "aaaa">]><business><body><output>&a;</output></body></business>',
        "<business>嗯".encode("utf-16"),
    ],
)
def test_what_is_no_answer(data: bytes) -> None:
    with pytest.raises(MessageInvalid):
        messages.decode(data)


def test_billion_laughs_is_refused() -> None:
    bomb = '<!DOCTYPE l [<!ENTITY a "ha">' + "".join(
        f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(9)
    )
    with pytest.raises(MessageInvalid):
        messages.decode(
            (bomb + "]><business><body><output>&j;</output></body></business>").encode()
        )


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    with pytest.raises(MessageInvalid):
        messages.decode(data)


@given(st.binary(min_size=1, max_size=8), st.integers(min_value=0, max_value=200), st.booleans())
def test_damaged_answers(noise: bytes, place: int, cut: bool) -> None:
    data = answer("<sksbbh>661814461322</sksbbh><nsrmc>武汉某公司</nsrmc>")
    damaged = data[:place] + noise + (b"" if cut else data[place + len(noise) :])
    try:
        readings.device_info(messages.decode(damaged))
    except MessageInvalid:
        return
    raise AssertionError("a message without its required fields was accepted")


gbk_text = st.text(st.characters(codec="gbk", exclude_categories=["Cc", "Cs"]), max_size=40).map(
    str.strip
)
names = st.sampled_from(["sksbbh", "sksbkl", "nsrsbh", "fplxdm", "qtxx", "xyz"])
fields = st.dictionaries(names, gbk_text, max_size=6)


@given(fields, st.lists(fields, max_size=4), st.sampled_from([COMPONENT, MIDDLEWARE]))
def test_round_trip(
    given_fields: dict[str, str], groups: list[dict[str, str]], dialect: Dialect
) -> None:
    """What is written is read back, through the bytes of either dialect."""
    request = Request("SJCB", "数据抄报", given_fields, tuple(groups))
    sent = messages.encode(dialect.write(request)).decode("gbk")
    back = sent.replace("<input>", "<output>").replace(
        "</input>", "<returncode>0</returncode></output>"
    )
    read = dialect.read(messages.decode(back.encode("gbk")))
    assert read.fields == given_fields
    assert list(read.groups) == groups


@pytest.mark.parametrize("text", ["20261116", "20261116235959", "202611162359"])
def test_dates_of_8_to_14_digits(text: str) -> None:
    assert values.day({"kpjzsj": text}, "kpjzsj").isoformat() == "2026-11-16"


@pytest.mark.parametrize("text", ["", "2026", "20261301", "２０２６１１１６", "2026-11-16"])
def test_no_dates(text: str) -> None:
    with pytest.raises(MessageInvalid):
        values.day({"kpjzsj": text}, "kpjzsj")


def test_a_time_that_never_was() -> None:
    assert values.optional_moment({"zxbsrq": "00000000000000"}, "zxbsrq") is None
    assert values.optional_moment({}, "zxbsrq") is None


@pytest.mark.parametrize("text", ["NaN", "Infinity", "abc", "1e"])
def test_no_amounts(text: str) -> None:
    with pytest.raises(MessageInvalid):
        values.amount({"je": text}, "je")


def test_amounts_are_exact() -> None:
    assert values.amount({"je": "-0.10"}, "je") == Decimal("-0.10")
    assert values.amount({}, "je") == 0


@pytest.mark.parametrize("text", ["-1", "1.5", "9" * 19, "一"])
def test_no_numbers(text: str) -> None:
    with pytest.raises(MessageInvalid):
        values.number({"n": text}, "n")


def test_types_run_together() -> None:
    assert readings.invoice_types("004007004") == (
        InvoiceType.SPECIAL_PAPER,
        InvoiceType.ORDINARY_PAPER,
    )


@pytest.mark.parametrize("codes", ["00400", "004999"])
def test_unknown_types_are_not_passed_over(codes: str) -> None:
    with pytest.raises(MessageInvalid):
        readings.invoice_types(codes)


def test_a_vendors_inverted_flag_is_turned_back() -> None:
    from app.agent.drivers.xml.dialects import dialect_of
    from app.agent.drivers.xml.messages import Answer

    dialect = dialect_of("middleware", inverted=["scbz"])
    answer = Answer(
        id="FPCX",
        returncode="0",
        returnmsg="成功",
        fields={"scbz": "0", "fpzt": "0"},
        groups=({"scbz": "1"},),
    )
    turned = dialect.read(answer)
    assert turned.fields == {"scbz": "1", "fpzt": "0"}
    assert turned.groups == ({"scbz": "0"},)
