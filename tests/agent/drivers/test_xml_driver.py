"""The XML driver with scripted exchanges: these exact bytes go out, these come back."""

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.agent.drivers.base import DeviceRefused, DeviceUnavailable, DriverError, OutcomeUnknown
from app.agent.drivers.transports import AnswerLost, NotSent
from app.agent.drivers.xml.bureau import BureauClient, Ciphertexts
from app.agent.drivers.xml.dialects import dialect_of
from app.agent.drivers.xml.driver import XmlDriver
from app.contracts.devices import DeviceInfo, DeviceKind, InvoiceStatus, InvoiceType
from app.contracts.periods import Period

Step = tuple[str | None, bytes | Exception]


@dataclass
class Script:
    """A transport that expects these messages and gives these answers."""

    steps: list[Step] = field(default_factory=list)
    address: str = "script"

    def exchange(self, message: bytes, timeout: float | None = None) -> bytes:
        expected, answer = self.steps.pop(0)
        if expected is not None:
            declaration = '<?xml version="1.0" encoding="gbk"?>\n'
            assert message.decode("gbk") == declaration + expected
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        pass


def driver(
    *steps: Step, dialect: str = "component", kind: DeviceKind = DeviceKind.TAX_DISK
) -> XmlDriver:
    words = dialect_of(dialect)
    return XmlDriver(
        "tax_server",
        kind,
        dialect=words,
        transport=Script(list(steps)),
        bureau=BureauClient(Script(), words),
        password="71624935",
        number="661814461322",
        timeout=1.0,
    )


def ok(name: str, payload: str = "", code: str = "0", text: str = "成功") -> bytes:
    return (
        f'<?xml version="1.0" encoding="gbk"?><business id="{name}"><body><output>{payload}'
        f"<returncode>{code}</returncode><returnmsg>{text}</returnmsg></output></body></business>"
    ).encode("gbk")


INFO = DeviceInfo(
    number="661814461322",
    tax_no="91420111LQHQ3ULKA4",
    taxpayer_name="某公司",
    invoice_types=(InvoiceType.ORDINARY_PAPER,),
    clock_at=datetime(2026, 11, 10, 10, 0),
    machine_no=0,
)
INFO_PAYLOAD = (
    "<{n}>661814461322</{n}><nsrsbh>91420111LQHQ3ULKA4</nsrsbh><nsrmc>武汉源华</nsrmc>"
    "<swjgdm>142</swjgdm><swjgmc>武汉税务</swjgmc><fplxdm>004007</fplxdm>"
    "<dqsz>20261110100000</dqsz><qysj>20210101090000</qysj><bbh>V2.0.1</bbh><kpjh>2</kpjh>"
)


@pytest.mark.parametrize(
    ("dialect", "body", "number", "password"),
    [
        ("component", '<body yylxdm="1">', "skpbh", "skpkl"),
        ("middleware", "<body>", "sksbbh", "sksbkl"),
    ],
)
def test_info(dialect: str, body: str, number: str, password: str) -> None:
    expected = (
        f'<business id="SKPXXCX" comment="税控设备信息查询">{body}<input><jqbh></jqbh>'
        f"<{number}>661814461322</{number}><{password}>71624935</{password}></input></body></business>"
    )
    answer = ok("SKPXXCX", INFO_PAYLOAD.format(n=number))
    info = driver((expected, answer), dialect=dialect).read_info()
    assert info.number == "661814461322"
    assert info.taxpayer_name == "武汉源华"
    assert info.invoice_types == (InvoiceType.SPECIAL_PAPER, InvoiceType.ORDINARY_PAPER)
    assert info.clock_at == datetime(2026, 11, 10, 10, 0)
    assert info.machine_no == 2


def test_probe_wants_no_password() -> None:
    expected = (
        '<business id="SKSBBH" comment="税控设备编号查询"><body yylxdm="1"><input><jqbh></jqbh>'
        "<skpbh>661814461322</skpbh></input></body></business>"
    )
    answer = ok("SKSBBH", "<skpbh>661814461322</skpbh>")
    assert driver((expected, answer)).probe() == "661814461322"


@pytest.mark.parametrize("lock", ["20261116", "20261116000000"])
def test_monitor(lock: str) -> None:
    expected = (
        '<business id="JKSJCX" comment="监控数据查询"><body yylxdm="1"><input><jqbh></jqbh>'
        "<nsrsbh>91420111LQHQ3ULKA4</nsrsbh><skpbh>661814461322</skpbh><skpkl>71624935</skpkl>"
        "<fplxdm>007</fplxdm></input></body></business>"
    )
    payload = (
        f"<fplxdm>007</fplxdm><kpjzsj>{lock}</kpjzsj><bsqsrq>20261001000000</bsqsrq>"
        "<bszzrq>20261031235959</bszzrq><dzkpxe>99999.99</dzkpxe><zxbsrq>20261008090000</zxbsrq>"
        "<syrl>100</syrl><scjzrq>15</scjzrq><lxkpsc>72</lxkpsc><lxzsljje>1000000.00</lxzsljje>"
    )
    monitor = driver((expected, ok("JKSJCX", payload))).read_monitor(
        INFO, InvoiceType.ORDINARY_PAPER
    )
    assert monitor.lock_date == date(2026, 11, 16)
    assert monitor.last_reported_at == datetime(2026, 10, 8, 9, 0)
    assert monitor.single_limit == Decimal("99999.99")
    assert (monitor.upload_due_day, monitor.offline_hours) == (15, 72)


def test_monitor_of_another_type_is_not_taken() -> None:
    answer = ok("JKSJCX", "<fplxdm>004</fplxdm><kpjzsj>20261116</kpjzsj>")
    with pytest.raises(DeviceUnavailable, match=r"device\.answer_invalid"):
        driver((None, answer)).read_monitor(INFO, InvoiceType.ORDINARY_PAPER)


def test_invoices() -> None:
    payload = (
        '<fpxx count="1"><group xh="1"><fpdm>3100000130</fpdm><fphm>10000001</fphm><fpzt>4</fpzt>'
        "<scbz>0</scbz><kprq>20261003</kprq><kpsj>12:16:22</kpsj><ghdwmc>西安某公司</ghdwmc>"
        "<hjje>-10.00</hjje><hjse>-1.30</hjse><jshj>-11.30</jshj></group></fpxx>"
    )
    [invoice] = driver((None, ok("FPCX", payload))).read_invoices(
        INFO, InvoiceType.ORDINARY_PAPER, Period("2026-10")
    )
    assert invoice.status is InvoiceStatus.VOID_RED
    assert invoice.issued_at == datetime(2026, 10, 3, 12, 16, 22)
    assert not invoice.uploaded
    assert invoice.total == Decimal("-11.30")


def test_an_answer_to_another_message_is_not_taken() -> None:
    late = ok("JKSJCX", "<fplxdm>007</fplxdm>")
    with pytest.raises(DeviceUnavailable, match=r"device\.answer_invalid"):
        driver((None, late)).read_info()


def test_password_that_the_device_cannot_hold() -> None:
    device = driver()
    device._password = "𠮷"
    with pytest.raises(DeviceRefused, match=r"device\.text_not_encodable"):
        device.read_info()


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (NotSent("x"), "device.disconnected"),
        (NotSent("x", timed_out=True), "device.timeout"),
        (AnswerLost("x"), "device.disconnected"),
        (AnswerLost("x", timed_out=True), "device.timeout"),
        (b"rubbish", "device.answer_invalid"),
    ],
)
def test_queries_without_an_answer_can_be_repeated(failure: bytes | Exception, code: str) -> None:
    with pytest.raises(DeviceUnavailable) as caught:
        driver((None, failure)).read_info()
    assert caught.value.fault.code == code
    assert caught.value.fault.retryable


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (NotSent("x"), DeviceUnavailable),
        (AnswerLost("x"), OutcomeUnknown),
        (AnswerLost("x", timed_out=True), OutcomeUnknown),
        (b"rubbish", OutcomeUnknown),
        (ok("JKHC", code="-101", text="内部错误"), OutcomeUnknown),
        (ok("JKHC", code="3001", text="与金税盘通讯异常"), OutcomeUnknown),
        (ok("JKHC", code="158", text="清卡随机数不匹配"), DeviceRefused),
        (ok("SJCB"), OutcomeUnknown),
    ],
)
def test_what_is_known_after_writing_a_ciphertext(
    failure: bytes | Exception, kind: type[DriverError]
) -> None:
    with pytest.raises(kind):
        driver((None, failure)).write_back(INFO, InvoiceType.ROLL, Ciphertexts("密文"))


def test_a_device_that_stays_busy_is_given_up() -> None:
    busy = ok("SKPXXCX", code="-101", text="设备忙")
    with pytest.raises(DeviceUnavailable, match=r"device\.busy"):
        driver(*[(None, busy)] * 10).read_info()


@pytest.mark.parametrize(
    ("kind", "groups"),
    [
        (DeviceKind.GOLDEN_TAX_DISK, [("004", "007"), ("005", "026", "006"), ("025",), ("028",)]),
        (
            DeviceKind.TAX_DISK,
            [("004",), ("005",), ("026",), ("007",), ("025",), ("006",), ("028",)],
        ),
        (DeviceKind.UKEY, [("004", "005", "026", "007", "025", "006", "028")]),
    ],
)
def test_groups_that_clear_together(kind: DeviceKind, groups: list[tuple[str, ...]]) -> None:
    types = tuple(InvoiceType(code) for code in ("004", "005", "026", "007", "025", "006", "028"))
    assert driver(kind=kind).clear_groups(types) == groups
    assert driver(kind=kind).clear_groups(()) == []


@given(st.binary(max_size=200))
def test_nothing_but_driver_errors(data: bytes) -> None:
    with pytest.raises(DriverError):
        driver((None, data)).read_info()


@given(
    st.dictionaries(
        st.sampled_from(["skpbh", "nsrsbh", "fplxdm", "dqsz", "qysj", "kpjh", "kpjzsj", "bsqsrq"]),
        st.text(st.characters(codec="gbk", exclude_characters="<&"), max_size=16),
    )
)
def test_nothing_but_driver_errors_for_odd_values(fields: dict[str, str]) -> None:
    payload = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    asks = (
        lambda: driver((None, ok("SKPXXCX", payload))).read_info(),
        lambda: driver((None, ok("JKSJCX", payload))).read_monitor(INFO, InvoiceType.ROLL),
        lambda: driver((None, ok("TJXXCX", f"<group>{payload}</group>"))).read_statistics(
            INFO, InvoiceType.ROLL, date(2026, 10, 1), date(2026, 10, 31)
        ),
        lambda: driver((None, ok("FPCX", f"<group>{payload}</group>"))).read_invoices(
            INFO, InvoiceType.ROLL, Period("2026-10")
        ),
    )
    for ask in asks:
        with pytest.raises(DriverError):
            ask()
