"""Whether the bureau answers, and whether the return was filed and matches."""

from collections.abc import Sequence
from dataclasses import replace

from app.clearing.check import Check, Seen, blocking, ok, seen, unknown, warning
from app.contracts.devices import BureauState, BureauTypeView, DeviceReading
from app.contracts.periods import is_cleared
from app.prechecks.facts import DeviceFacts, Facts, reported_all
from app.prechecks.wording import moment

STATES = {
    BureauState.READY: "已申报，比对相符",
    BureauState.NOT_REPORTED: "未收到抄报",
    BureauState.NOT_FILED: "未申报",
    BureauState.MISMATCH: "比对不符",
    BureauState.PENDING: "处理中",
    BureauState.CLEARED: "已清卡",
    BureauState.UNKNOWN: "无法判断",
}
"""What the bureau's state of a type is called."""

_REACHABLE, _FILED = "bureau.reachable", "bureau.filed"
_REFUSING = (
    BureauState.NOT_FILED,
    BureauState.MISMATCH,
    BureauState.UNKNOWN,
    BureauState.PENDING,
)
"""States in which the bureau gives no ciphertext, the gravest first."""


def reachable(facts: Facts, device: DeviceFacts, reading: DeviceReading) -> Check:
    """Whether the bureau answers the agent; a question that it left open says so too."""
    fault = device.bureau_fault
    if fault is not None and fault.code.startswith("bureau."):
        evidence = seen(("税务端", fault.message), ("原始信息", fault.device_message))
        return blocking(_REACHABLE, fault.code, fault.message, evidence, remedy=fault.remedy)
    if reading.bureau_reachable is None:
        text = "税务端由设备自行连接"
        return unknown(_REACHABLE, text, seen(("税务端", "由设备自行连接")))
    if not reading.bureau_reachable:
        evidence = seen(("税务端", "没有应答"))
        return blocking(_REACHABLE, "bureau.unreachable", "税务端无法访问", evidence)
    return ok(_REACHABLE, "税务端可以访问", seen(("税务端", "有应答")))


def filed(facts: Facts, device: DeviceFacts, reading: DeviceReading) -> Check:
    """Whether the bureau would let the wanted types be cleared. It knows once they are reported."""
    if device.bureau is None:
        return _not_asked(facts, device, reading)
    cleared = {m.invoice_type for m in reading.monitors if is_cleared(facts.period, m.lock_date)}
    wanted = device.wanted(reading) - cleared
    views = [one for one in device.bureau.types if one.invoice_type in wanted]
    evidence = seen(
        ("属期", facts.period),
        ("询问时间", moment(device.bureau.asked_at)),
        *((f"票种 {one.invoice_type.value}", _said(one)) for one in views),
    )
    for state in _REFUSING:
        refused = [one for one in views if one.state is state]
        if refused:
            return _refused(facts, refused, evidence)
    if any(one.state is BureauState.CLEARED for one in views):
        text = "税务端显示已清卡，设备上没有显示"
        remedy = "可能清卡已在别处办理而没有写入设备：先重新读取设备核对。"
        return warning(_FILED, text, remedy, evidence)
    if any(one.state is BureauState.NOT_REPORTED for one in views):
        return unknown(_FILED, "税务端尚未收到抄报，清卡时先上报，再由税务端核对", evidence)
    return ok(_FILED, "已申报，比对相符", evidence)


def _not_asked(facts: Facts, device: DeviceFacts, reading: DeviceReading) -> Check:
    """Why the bureau was not asked. Only a device that is cleared needs no question: it was let through."""
    fault = device.bureau_fault
    if reading.bureau_reachable is None or (
        fault is not None and fault.code == "device.operation_unsupported"
    ):
        return unknown(_FILED, "申报与比对由设备自行核对", seen(("税务端", "由设备自行核对")))
    if fault is not None:
        text = f"没有问到税务端（{fault.message}），清卡时由税务端核对"
        return unknown(_FILED, text, seen(("税务端", fault.message)))
    if not reported_all(reading, facts.period):
        evidence = seen(("抄报", f"{facts.period} 尚未抄报"))
        return unknown(_FILED, "抄报后由税务端核对申报与比对", evidence)
    if not reading.bureau_reachable:
        return unknown(_FILED, "税务端无法访问，没有核对", seen(("税务端", "没有应答")))
    return ok(_FILED, "本期已清卡，不再核对申报", seen(("属期", f"{facts.period} 已清卡")))


def _refused(facts: Facts, refused: Sequence[BureauTypeView], evidence: Seen) -> Check:
    first = refused[0]
    types = "、".join(one.invoice_type.value for one in refused)
    text = f"税务端：{STATES[first.state]}（票种 {types}）"
    if first.state is BureauState.UNKNOWN:
        text = f"税务端：{first.message}（票种 {types}）"
    if facts.exceptional and first.state is not BureauState.NOT_FILED:
        return warning(_FILED, text, "按异常清卡办理，由税务端决定。", evidence)
    return replace(
        blocking(_FILED, first.code, text, evidence),
        device_code=first.bureau_code,
        device_message=first.message,
    )


def _said(view: BureauTypeView) -> str:
    if not view.message or view.message == STATES[view.state]:
        return STATES[view.state]
    return f"{STATES[view.state]}（{view.message}）"
