"""The two conversations with a device and the bureau, message by message (docs/protocols.md, section 3).

report (抄报):  SKSBQTYXXCX(xxlx=0) -> SJCB of each type -> WLCB
clear  (清卡):  SKSBQTYXXCX(xxlx=1) -> QLJS -> JKHC of each type, group by group -> QLJSJGQR
"""

from typing import Protocol

from app.agent.drivers.base import (
    COMMIT_STEP,
    CONFIRM_STEP,
    DELIVER_STEP,
    REPORT_STEP,
    ConfirmationFailed,
    Conversation,
    DeviceRefused,
    DriverError,
    StepRecorder,
)
from app.agent.drivers.recording import StepResult, recorded
from app.agent.drivers.xml.bureau import UNLOCK_STEP, BureauClient, Ciphertexts, SealedTotals
from app.contracts.devices import BureauTypeView, DeviceInfo, InvoiceType, Monitor
from app.contracts.operations import StepState
from app.contracts.periods import is_cleared

OTHER_INFO_STEP = "SKSBQTYXXCX"
LOCK_DATE = "0"
"""`xxlx` that asks for the lock date."""
LAST_REPORT = "1"
"""`xxlx` that asks for the time of the last report."""


class DeviceSide(Protocol):
    """The device's messages these conversations use."""

    def other_info(self, info: DeviceInfo, wanted: str) -> str: ...

    def seal_totals(self, info: DeviceInfo, invoice_type: InvoiceType) -> SealedTotals: ...

    def write_back(
        self, info: DeviceInfo, invoice_type: InvoiceType, ciphertexts: Ciphertexts
    ) -> None: ...

    def read_monitor(self, info: DeviceInfo, invoice_type: InvoiceType) -> Monitor: ...

    def clear_groups(
        self, invoice_types: tuple[InvoiceType, ...]
    ) -> list[tuple[InvoiceType, ...]]: ...


def report(
    device: DeviceSide, bureau: BureauClient, conversation: Conversation, steps: StepRecorder
) -> None:
    """抄报 of the given types. Resumes at the first type that was not sealed yet."""
    if steps.done(DELIVER_STEP) is not None:
        return
    lock_info = _other_info(device, conversation.info, LOCK_DATE, steps)
    found = {
        kind: _sealed(device, conversation, kind, steps) for kind in conversation.invoice_types
    }
    sealed = {kind: totals for kind, totals in found.items() if totals is not None}
    if not sealed:
        return
    with recorded(steps, DELIVER_STEP) as result:
        bureau.deliver(conversation.info, sealed, lock_info)
        result.payload = dict.fromkeys((kind.value for kind in sealed), "")


def clear(
    device: DeviceSide, bureau: BureauClient, conversation: Conversation, steps: StepRecorder
) -> None:
    """清卡 of the given types. Resumes after the types whose JKHC is done, with the same ciphertexts."""
    kinds = conversation.invoice_types
    if not kinds or steps.done(CONFIRM_STEP) is not None:
        return
    ciphertexts = _ciphertexts(device, bureau, conversation, steps)
    for group in device.clear_groups(kinds):
        for kind in group:
            if steps.done(COMMIT_STEP, kind) is None:
                with recorded(steps, COMMIT_STEP, kind):
                    device.write_back(conversation.info, kind, ciphertexts[kind])
    try:
        with recorded(steps, CONFIRM_STEP):
            bureau.confirm(conversation.info, kinds, ciphertexts[kinds[-1]].invoice)
    except DriverError as error:
        raise ConfirmationFailed(error.fault) from error


def bureau_view(
    device: DeviceSide, bureau: BureauClient, info: DeviceInfo
) -> tuple[BureauTypeView, ...]:
    """The first half of 清卡 as a question: what the bureau would say; nothing is written back."""
    return bureau.view(info, info.invoice_types, device.other_info(info, LAST_REPORT))


def _other_info(device: DeviceSide, info: DeviceInfo, wanted: str, steps: StepRecorder) -> str:
    with recorded(steps, OTHER_INFO_STEP) as result:
        text = device.other_info(info, wanted)
        result.payload = {"xxlx": wanted, "sksbxx": text}
    return text


def _sealed(
    device: DeviceSide, conversation: Conversation, kind: InvoiceType, steps: StepRecorder
) -> SealedTotals | None:
    """This type's sealed totals; None when there is nothing to deliver."""
    if (known := steps.done(REPORT_STEP, kind)) is not None:
        return _from_payload(known)
    with recorded(steps, REPORT_STEP, kind) as result:
        try:
            totals = device.seal_totals(conversation.info, kind)
        except DeviceRefused as error:
            return _refused_seal(device, conversation, kind, steps, result, error)
        result.payload = {"sq": totals.period, "fphz": totals.totals}
    return totals


def _refused_seal(
    device: DeviceSide,
    conversation: Conversation,
    kind: InvoiceType,
    steps: StepRecorder,
    result: StepResult,
    error: DeviceRefused,
) -> SealedTotals | None:
    """Refusals that say it was done before: 当天不能再次抄报, and no report data once it is cleared."""
    result.device_code = error.fault.device_code
    result.device_message = error.fault.device_message
    if error.fault.code == "device.already_reported_today":
        kept = _from_payload(steps.recall(REPORT_STEP, kind) or {})
        result.message = "本期已抄报" if kept is None else "本期已抄报，重新上报已封存的汇总"
        result.state = StepState.SKIPPED
        return kept
    if error.fault.code == "device.no_report_data":
        monitor = device.read_monitor(conversation.info, kind)
        if is_cleared(conversation.period, monitor.lock_date):
            result.message = f"本期已清卡，锁死日期 {monitor.lock_date}"
            result.state = StepState.SKIPPED
            return None
    raise error


def _from_payload(payload: dict[str, str]) -> SealedTotals | None:
    return SealedTotals(payload["sq"], payload["fphz"]) if payload.get("fphz") else None


def _ciphertexts(
    device: DeviceSide, bureau: BureauClient, conversation: Conversation, steps: StepRecorder
) -> dict[InvoiceType, Ciphertexts]:
    kinds = conversation.invoice_types
    if (known := steps.done(UNLOCK_STEP)) is not None and all(kind in known for kind in kinds):
        return {kind: Ciphertexts(known[kind], known.get(f"{kind}.szjkmw", "")) for kind in kinds}
    last_report = _other_info(device, conversation.info, LAST_REPORT, steps)
    with recorded(steps, UNLOCK_STEP) as result:
        given = bureau.unlock(conversation.info, kinds, last_report)
        result.payload = {kind.value: item.invoice for kind, item in given.items()} | {
            f"{kind.value}.szjkmw": item.digital for kind, item in given.items() if item.digital
        }
    return given
