"""A device that speaks the XML messages, over any transport."""

import time
from collections.abc import Callable
from datetime import date, datetime
from typing import TypeVar

from app.agent.drivers.base import Capability, Conversation, OutcomeUnknown, StepRecorder
from app.agent.drivers.transports import AnswerLost, NotSent, TransportError, XmlTransport
from app.agent.drivers.xml import codes, conversations, messages, readings, values
from app.agent.drivers.xml.bureau import BureauClient, Ciphertexts, SealedTotals
from app.agent.drivers.xml.dialects import Dialect
from app.agent.drivers.xml.messages import Answer, Fields, MessageInvalid, NotEncodable, Request
from app.contracts.devices import (
    BureauTypeView,
    DeviceInfo,
    DeviceInvoice,
    DeviceKind,
    InvoiceType,
    Monitor,
    Statistics,
)
from app.contracts.periods import Period

T = TypeVar("T")

_COMMENTS = {
    "SKSBBH": "税控设备编号查询",
    "SKPXXCX": "税控设备信息查询",
    "SKSBQTYXXCX": "税控设备其他信息查询",
    "JKSJCX": "监控数据查询",
    "TJXXCX": "发票统计信息查询",
    "FPCX": "发票查询",
    "SJCB": "数据抄报",
    "JKHC": "监控回传",
    "SKPBSP": "税控设备报税盘组合操作",
}
_GOLDEN_GROUPS = (
    (InvoiceType.SPECIAL_PAPER, InvoiceType.ORDINARY_PAPER),
    (InvoiceType.VEHICLE, InvoiceType.ORDINARY_ELECTRONIC, InvoiceType.USED_VEHICLE),
    (InvoiceType.ROLL,),
)
_NETWORK = "1"  # jzlx: the totals go over the network
_BY_MONTH = "1"  # cxfs: invoices of a month
_SET_CLOCK = "4"  # czlx
_BUSY_PAUSE = 0.5
_PROBE_TIMEOUT = 2.0
"""Seconds: a device that is not there has to be noticed within three."""


class XmlDriver:
    """One device behind an XML transport. `number` names it where a transport serves several."""

    capabilities = frozenset(Capability)

    def __init__(
        self,
        family: str,
        kind: DeviceKind,
        *,
        dialect: Dialect,
        transport: XmlTransport,
        bureau: BureauClient,
        password: str,
        number: str = "",
        machine: str = "",
        timeout: float = 30.0,
    ) -> None:
        self.family = family
        self.kind = kind
        self.transport = transport.address
        self._dialect = dialect
        self._link = transport
        self._bureau = bureau
        self._password = password
        self._number = number
        self._machine = machine
        self._timeout = timeout

    # -- reading ---------------------------------------------------------------------------------

    def probe(self) -> str:
        """编号查询: no password, so that probing never costs a try."""
        fields = {"jqbh": self._machine} | ({"sksbbh": self._number} if self._number else {})
        answer = self._ask("SKSBBH", fields, timeout=min(_PROBE_TIMEOUT, self._timeout))
        return _understood(lambda: values.required(answer.fields, "sksbbh"))

    def read_info(self) -> DeviceInfo:
        """设备信息."""
        fields = {"jqbh": self._machine} | ({"sksbbh": self._number} if self._number else {})
        answer = self._ask("SKPXXCX", fields | {"sksbkl": self._password})
        return _understood(lambda: readings.device_info(answer))

    def read_monitor(self, info: DeviceInfo, invoice_type: InvoiceType) -> Monitor:
        """监控数据 of one type."""
        answer = self._ask_type("JKSJCX", info, invoice_type)
        return _understood(lambda: readings.monitor(answer, invoice_type))

    def read_statistics(
        self, info: DeviceInfo, invoice_type: InvoiceType, first: date, last: date
    ) -> Statistics:
        """统计 of one type, both days included."""
        extra = {"qsrq": f"{first:%Y%m%d}", "zzrq": f"{last:%Y%m%d}"}
        answer = self._ask_type("TJXXCX", info, invoice_type, extra)
        return _understood(lambda: readings.statistics(answer, invoice_type))

    def read_invoices(
        self, info: DeviceInfo, invoice_type: InvoiceType, period: Period
    ) -> list[DeviceInvoice]:
        """The invoices of one type and month."""
        extra = {"cxfs": _BY_MONTH, "cxtj": period.replace("-", "")}
        answer = self._ask_type("FPCX", info, invoice_type, extra)
        return _understood(lambda: readings.invoices(answer, invoice_type))

    # -- conversations ---------------------------------------------------------------------------

    def report(self, conversation: Conversation, steps: StepRecorder) -> None:
        """抄报."""
        conversations.report(self, self._bureau, conversation, steps)

    def clear_groups(self, invoice_types: tuple[InvoiceType, ...]) -> list[tuple[InvoiceType, ...]]:
        """Golden-tax disks by group, tax disks by type, a UKey all at once (docs/domain.md, rule 4)."""
        if self.kind is DeviceKind.UKEY:
            return [invoice_types] if invoice_types else []
        groups: dict[object, list[InvoiceType]] = {}
        for kind in invoice_types:
            groups.setdefault(self._group_of(kind), []).append(kind)
        return [tuple(group) for group in groups.values()]

    def clear(self, conversation: Conversation, steps: StepRecorder) -> None:
        """清卡."""
        conversations.clear(self, self._bureau, conversation, steps)

    def set_clock(self, info: DeviceInfo, at: datetime) -> None:
        """校准时钟 to `at`, naive Asia/Shanghai. Repeating it does no harm."""
        fields = self._identity(info) | {
            "bspbh": "",
            "bspkl": "",
            "fplxdm": "",
            "czlx": _SET_CLOCK,
            "hzxx": f"{at:%Y%m%d%H%M%S}",
            "qtxx": "",
        }
        self._ask("SKPBSP", fields)

    def bureau_reachable(self, info: DeviceInfo) -> bool | None:
        """Whether the bureau answers messages about this device, as found within the last seconds."""
        return self._bureau.reachable(info)

    def bureau_view(self, info: DeviceInfo) -> tuple[BureauTypeView, ...]:
        """Where the bureau stands with every authorised type (QLJS as a question)."""
        return conversations.bureau_view(self, self._bureau, info)

    def close(self) -> None:
        """Drop the connections."""
        self._link.close()
        self._bureau.close()

    # -- the device's part of the conversations --------------------------------------------------

    def other_info(self, info: DeviceInfo, wanted: str) -> str:
        """其他信息 (SKSBQTYXXCX), as the device writes it: the bureau gets it unchanged."""
        fields = {"jqbh": self._machine, "sksbbh": info.number, "sksbkl": self._password}
        answer = self._ask("SKSBQTYXXCX", fields | {"xxlx": wanted})
        return answer.fields.get("sksbxx", "")

    def seal_totals(self, info: DeviceInfo, invoice_type: InvoiceType) -> SealedTotals:
        """数据抄报 (SJCB) over the network."""
        answer = self._ask_type("SJCB", info, invoice_type, {"jzlx": _NETWORK})
        return _understood(
            lambda: SealedTotals(
                answer.fields.get("sq", ""), values.required(answer.fields, "fphz")
            )
        )

    def write_back(
        self, info: DeviceInfo, invoice_type: InvoiceType, ciphertexts: Ciphertexts
    ) -> None:
        """监控回传 (JKHC). Raises `OutcomeUnknown` when the answer does not tell what the device did."""
        extra = {"fpjkmw": ciphertexts.invoice, "szjkmw": ciphertexts.digital}
        self._ask_type("JKHC", info, invoice_type, extra, commits=True)

    # -- asking ----------------------------------------------------------------------------------

    def _group_of(self, kind: InvoiceType) -> object:
        if self.kind is not DeviceKind.GOLDEN_TAX_DISK:
            return kind
        return next((group for group in _GOLDEN_GROUPS if kind in group), kind)

    def _identity(self, info: DeviceInfo) -> dict[str, str]:
        return {
            "jqbh": self._machine,
            "nsrsbh": info.tax_no,
            "sksbbh": info.number,
            "sksbkl": self._password,
        }

    def _ask_type(
        self,
        name: str,
        info: DeviceInfo,
        invoice_type: InvoiceType,
        extra: Fields | None = None,
        *,
        commits: bool = False,
    ) -> Answer:
        fields = self._identity(info) | {"fplxdm": invoice_type.value} | dict(extra or {})
        return self._ask(name, fields, invoice_type=invoice_type, commits=commits)

    def _ask(
        self,
        name: str,
        fields: Fields,
        *,
        invoice_type: InvoiceType | None = None,
        commits: bool = False,
        timeout: float | None = None,
    ) -> Answer:
        """The answer to one message. A busy device has done nothing yet, so it is asked again."""
        deadline = time.monotonic() + (timeout or self._timeout)
        request = self._dialect.write(Request(name, _COMMENTS[name], fields))
        while True:
            answer = self._exchange(request, timeout, commits=commits)
            if answer.succeeded:
                return answer
            refusal = codes.Refusal(answer.returncode, answer.returnmsg)
            error = codes.device_error(self.kind, refusal, invoice_type)
            if error.fault.code == "device.busy" and time.monotonic() + _BUSY_PAUSE < deadline:
                time.sleep(_BUSY_PAUSE)
            elif commits and error.fault.code in codes.AMBIGUOUS:
                raise OutcomeUnknown(error.fault)
            else:
                raise error

    def _exchange(self, request: Request, timeout: float | None, *, commits: bool) -> Answer:
        try:
            data = self._link.exchange(messages.encode(request), timeout)
            answer = self._dialect.read(messages.decode(data))
            if answer.succeeded and answer.id != request.id:
                raise MessageInvalid(f"应答的是 {answer.id or '（空）'}，不是 {request.id}")
        except NotEncodable as error:
            raise codes.error_of("device.text_not_encodable", message=str(error)) from error
        except NotSent as error:
            raise codes.error_of(_gone(error), codes.Refusal("", str(error))) from error
        except (AnswerLost, MessageInvalid) as error:
            ours = _gone(error) if isinstance(error, AnswerLost) else "device.answer_invalid"
            failure = codes.error_of(ours, codes.Refusal("", str(error)))
            raise (OutcomeUnknown(failure.fault) if commits else failure) from error
        return answer


def _understood(read: Callable[[], T]) -> T:
    try:
        return read()
    except MessageInvalid as error:
        raise codes.error_of("device.answer_invalid", codes.Refusal("", str(error))) from error


def _gone(error: TransportError) -> str:
    return "device.timeout" if error.timed_out else "device.disconnected"
