"""The bureau's side of the conversations: WLCB, QLJS and QLJSJGQR (docs/protocols.md, section 16)."""

import time
from dataclasses import dataclass
from typing import NoReturn

from app.agent.drivers.base import CONFIRM_STEP, DELIVER_STEP, DeviceUnavailable
from app.agent.drivers.transports import TransportError, XmlTransport
from app.agent.drivers.xml import codes, messages
from app.agent.drivers.xml.dialects import Dialect
from app.agent.drivers.xml.messages import Answer, Fields, MessageInvalid, NotEncodable, Request
from app.contracts.devices import BureauState, BureauTypeView, DeviceInfo, InvoiceType
from app.contracts.faults import fault

UNLOCK_STEP = "QLJS"
"""The step that asks the bureau for the clearing ciphertexts."""

PROBE_MESSAGE = "LJCS"
"""A message id nobody uses: it is answered with -101, the general error (docs/protocols.md, section 4)."""
REACHABLE_SECONDS = 5.0
"""How long the answer to a probe is believed."""
SILENT_SECONDS = 1.0
"""The same where none came: it may come the next time."""

_COMMENTS = {DELIVER_STEP: "网络抄报", UNLOCK_STEP: "清零解锁", CONFIRM_STEP: "清零解锁结果确认"}


@dataclass(frozen=True, slots=True)
class SealedTotals:
    """What a device sealed for one type: the period (`sq`, 28 digits) and the totals (`fphz`, base64)."""

    period: str
    totals: str


@dataclass(frozen=True, slots=True)
class Ciphertexts:
    """清卡信息 of one type: `fpjkmw`, and `szjkmw` of the digital side where the bureau gives one."""

    invoice: str
    digital: str = ""


class BureauClient:
    """Asks the bureau. One message for all types of a device; a group for each type in it."""

    def __init__(self, transport: XmlTransport, dialect: Dialect) -> None:
        self._transport = transport
        self._dialect = dialect
        self._answered: tuple[float, bool] | None = None

    def reachable(self, info: DeviceInfo) -> bool:
        """Whether the bureau answers, in the time it has for every message: on the last days it is slow. A message it does not know is enough: it is told -101 so.

        An answer that is no envelope of this protocol (an error page, a proxy's) counts as none. What
        was found holds for `REACHABLE_SECONDS`, that none came for `SILENT_SECONDS`.
        """
        known = self._answered
        if known is not None:
            believed = REACHABLE_SECONDS if known[1] else SILENT_SECONDS
            if time.monotonic() - known[0] < believed:
                return known[1]
        found = self._answers(info)
        self._answered = time.monotonic(), found
        return found

    def deliver(
        self, info: DeviceInfo, sealed: dict[InvoiceType, SealedTotals], lock_info: str
    ) -> None:
        """上报汇总 (WLCB). `lock_info` is what the device says about its lock date. Safe to repeat."""
        groups = [
            {"fplxdm": kind.value, "sq": item.period, "fphz": item.totals, "qtxx": lock_info}
            for kind, item in sealed.items()
        ]
        self._ask(DELIVER_STEP, info, groups, {})

    def unlock(
        self, info: DeviceInfo, invoice_types: tuple[InvoiceType, ...], last_report: str
    ) -> dict[InvoiceType, Ciphertexts]:
        """清零解锁 (QLJS): the ciphertext of every type, or the refusal of the first one refused."""
        groups = [{"fplxdm": kind.value} for kind in invoice_types]
        answer = self._ask(UNLOCK_STEP, info, groups, {"qtxx": last_report})
        given = {group.get("fplxdm", ""): group for group in answer.groups}
        return {kind: self._ciphertexts(given.get(kind, {}), kind) for kind in invoice_types}

    def view(
        self, info: DeviceInfo, invoice_types: tuple[InvoiceType, ...], last_report: str
    ) -> tuple[BureauTypeView, ...]:
        """Where the bureau stands with every type: the question of QLJS, its ciphertexts thrown away.

        Asked again it gives the same ciphertexts, so that asking changes nothing about a clearing
        (docs/decisions/0009-the-bureau-is-asked-with-qljs.md).
        """
        groups = [{"fplxdm": kind.value} for kind in invoice_types]
        answer = self._answer(UNLOCK_STEP, info, groups, {"qtxx": last_report})
        if not answer.succeeded and not answer.groups:
            refusal = codes.Refusal(answer.returncode, answer.returnmsg)
            return tuple(_type_view(kind, refusal) for kind in invoice_types)
        given = {group.get("fplxdm", ""): group for group in answer.groups}
        return tuple(_group_view(kind, given.get(kind, {})) for kind in invoice_types)

    def confirm(
        self, info: DeviceInfo, invoice_types: tuple[InvoiceType, ...], written: str
    ) -> None:
        """结果确认 (QLJSJGQR). `written` is the ciphertext that was written last. Safe to repeat."""
        groups = [{"fplxdm": kind.value} for kind in invoice_types]
        self._ask(CONFIRM_STEP, info, groups, {"qtxx": written})

    def close(self) -> None:
        """Drop the connection."""
        self._transport.close()

    def _answers(self, info: DeviceInfo) -> bool:
        request = Request(PROBE_MESSAGE, "连接测试", {}, attributes=_attributes(info, 0))
        try:
            sent = messages.encode(self._dialect.write(request))
            messages.decode(self._transport.exchange(sent))
        except (TransportError, MessageInvalid, NotEncodable):
            return False
        return True

    def _ask(
        self, name: str, info: DeviceInfo, groups: list[dict[str, str]], fields: Fields
    ) -> Answer:
        answer = self._answer(name, info, groups, fields)
        if not answer.succeeded:
            raise codes.bureau_error(codes.Refusal(answer.returncode, answer.returnmsg))
        for group in answer.groups:
            _raise_refused(group)
        return answer

    def _answer(
        self, name: str, info: DeviceInfo, groups: list[dict[str, str]], fields: Fields
    ) -> Answer:
        attributes = _attributes(info, len(groups))
        return self._exchange(Request(name, _COMMENTS[name], fields, tuple(groups), attributes))

    def _exchange(self, request: Request) -> Answer:
        try:
            sent = messages.encode(self._dialect.write(request))
            answer = self._dialect.read(messages.decode(self._transport.exchange(sent)))
        except NotEncodable as error:
            raise codes.error_of("device.text_not_encodable", message=str(error)) from error
        except TransportError as error:
            raise DeviceUnavailable(
                fault("bureau.unreachable", device_message=str(error))
            ) from error
        except MessageInvalid as error:
            _invalid(str(error), error)
        if answer.succeeded and answer.id != request.id:
            _invalid(f"应答的是 {answer.id or '（空）'}，不是 {request.id}")
        return answer

    @staticmethod
    def _ciphertexts(group: Fields, invoice_type: InvoiceType) -> Ciphertexts:
        if not group.get("fpjkmw"):
            _invalid(f"没有给出票种 {invoice_type.value} 的清卡信息")
        return Ciphertexts(group["fpjkmw"], group.get("szjkmw", ""))


def _attributes(info: DeviceInfo, count: int) -> dict[str, str]:
    return {
        "count": str(count),
        "skph": info.number,
        "nsrsbh": info.tax_no,
        "kpjh": str(info.machine_no),
    }


def _raise_refused(group: Fields) -> None:
    code = group.get("returncode", messages.SUCCESS)
    if code == messages.SUCCESS:
        return
    known = {kind.value: kind for kind in InvoiceType}
    raise codes.bureau_error(
        codes.Refusal(code, group.get("returnmsg", "")), known.get(group.get("fplxdm", ""))
    )


def _group_view(kind: InvoiceType, group: Fields) -> BureauTypeView:
    code = group.get("returncode", messages.SUCCESS)
    if code != messages.SUCCESS:
        return _type_view(kind, codes.Refusal(code, group.get("returnmsg", "")))
    if not group.get("fpjkmw"):
        _invalid(f"没有给出票种 {kind.value} 的清卡信息")
    return BureauTypeView(invoice_type=kind, state=BureauState.READY)


def _type_view(kind: InvoiceType, refusal: codes.Refusal) -> BureauTypeView:
    error = codes.bureau_error(refusal, kind)
    state = codes.bureau_state(refusal, error.fault.code)
    return BureauTypeView(
        invoice_type=kind,
        state=state,
        code="" if state is BureauState.CLEARED else error.fault.code,
        bureau_code=refusal.code,
        message=refusal.text or error.fault.message,
    )


def _invalid(why: str, cause: Exception | None = None) -> NoReturn:
    raise DeviceUnavailable(fault("bureau.answer_invalid", device_message=why)) from cause
