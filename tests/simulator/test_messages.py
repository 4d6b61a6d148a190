"""The XML from the device's side: what is read, what is refused, what is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.simulator.messages import Dialect, InvalidRequest, build_answer, parse_request, unparsable


def xml(body: str, declaration: str = '<?xml version="1.0" encoding="gbk"?>\n') -> bytes:
    return f'{declaration}<business id="JKSJCX" comment="监控">{body}</business>'.encode("gbk")


def test_the_component_dialect_is_read_by_the_same_names() -> None:
    request = parse_request(
        xml('<body yylxdm="1"><input><skpbh>1</skpbh><skpkl>2</skpkl></input></body>')
    )
    assert request.dialect is Dialect.COMPONENT
    assert (request.id, request.comment) == ("JKSJCX", "监控")
    assert (request.get("sksbbh"), request.get("sksbkl")) == ("1", "2")


def test_the_middleware_dialect() -> None:
    request = parse_request(xml("<body><input><sksbbh> 1 </sksbbh></input></body>", ""))
    assert request.dialect is Dialect.MIDDLEWARE
    assert request.get("sksbbh") == "1"
    assert request.get("fplxdm") == ""


@pytest.mark.parametrize(
    "groups",
    [
        '<group xh="1"><fplxdm>004</fplxdm></group><group xh="2"><fplxdm>007</fplxdm></group>',
        '<group xh="1"><fplxdm>004</fplxdm><fplxdm>007</fplxdm></group>',
    ],
)
def test_groups_give_one_type_each(groups: str) -> None:
    request = parse_request(
        xml(f'<body count="2" skph="9"><input>{groups}<qtxx>q</qtxx></input></body>')
    )
    assert [group["fplxdm"] for group in request.groups] == ["004", "007"]
    assert (request.get("skph"), request.get("qtxx")) == ("9", "q")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x00\xff\xfe",
        b"<business",
        b"<other id='x'><body/></other>",
        b"<business id='x'/>",
        b'<!DOCTYPE b [<!ENTITY a "aaaa">]><business id="x"><body>&a;</body></business>',
        "<business id='x'><body/></business>".encode("utf-16"),
    ],
)
def test_what_is_no_business_message(payload: bytes) -> None:
    with pytest.raises(InvalidRequest):
        parse_request(payload)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(payload: bytes) -> None:
    try:
        request = parse_request(payload)
    except InvalidRequest:
        return
    assert isinstance(request.id, str)


def test_an_answer_names_the_device_as_its_dialect_does() -> None:
    fields = {"sksbbh": "1", "nsrmc": "甲<乙>&"}
    component = build_answer("SKPXXCX", fields, dialect=Dialect.COMPONENT).decode("gbk")
    assert '<body yylxdm="1"><output><skpbh>1</skpbh>' in component
    assert "<nsrmc>甲&lt;乙&gt;&amp;</nsrmc>" in component
    middleware = build_answer("SKPXXCX", fields).decode("gbk")
    assert "<body><output><sksbbh>1</sksbbh>" in middleware
    assert middleware.startswith('<?xml version="1.0" encoding="gbk"?>')


def test_lists_become_counted_numbered_groups() -> None:
    answer = build_answer("TJXXCX", {"tjxx": [{"qsrq": "1"}, {"qsrq": "2"}]}).decode("gbk")
    assert (
        '<tjxx count="2"><group xh="1"><qsrq>1</qsrq></group>'
        '<group xh="2"><qsrq>2</qsrq></group></tjxx>' in answer
    )
    groups = build_answer("QLJS", {"group": [{"fplxdm": "004"}]}).decode("gbk")
    assert '<output><group xh="1"><fplxdm>004</fplxdm></group></output>' in groups


def test_a_character_gbk_cannot_hold_becomes_a_reference() -> None:
    assert b"&#128512;" in build_answer("X", {"nsrmc": "\U0001f600"})


def test_the_answer_to_nonsense_has_an_empty_id() -> None:
    text = unparsable().decode("gbk")
    assert 'id=""' in text
    assert "<returncode>-101</returncode><returnmsg>解析请求数据错误</returnmsg>" in text
