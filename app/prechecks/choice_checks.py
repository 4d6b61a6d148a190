"""What the chosen mode and kind ask of a device (docs/decisions/0008)."""

from app.clearing.check import Check, Evidence, blocking, ok, seen, warning
from app.clearing.errors import NotFirst, NotReported
from app.clearing.states import Kind, Mode
from app.contracts.devices import DeviceReading
from app.contracts.periods import is_reported
from app.prechecks.facts import DeviceFacts, Facts
from app.prechecks.wording import last_reports


def register(facts: Facts, device: DeviceFacts, reading: DeviceReading) -> Check:
    """What the device shows differently than the register; the mode decides what becomes of it."""
    code, changes = "device.register", device.changes
    evidence = tuple(
        Evidence(change.label, f"{change.before or '—'} → {change.after or '—'}")
        for change in changes
    )
    if not changes:
        return ok(code, "设备资料与登记一致", seen(("不同之处", "无")))
    told = "；".join(str(change) for change in changes)
    if facts.mode is not Mode.REGULAR:
        return ok(code, f"清卡前会先更新登记资料：{told}", evidence)
    return warning(
        code,
        f"设备 {device.number} 与登记资料不同：{told}",
        "核对这些变化；要先保存再清卡，请选择“更新清卡”。常规清卡在清卡前不改动登记资料。",
        evidence,
    )


def mode(facts: Facts, device: DeviceFacts, reading: DeviceReading) -> Check:
    """首次清卡 is for a device without a record of success."""
    code = "clearing.mode"
    evidence = seen(("成功的清卡记录", "有" if device.cleared_before else "无"))
    if facts.mode is Mode.FIRST and device.cleared_before:
        text = f"设备 {device.number} 已有成功的清卡记录，不是首次清卡"
        return blocking(code, NotFirst.code, text, evidence, remedy=NotFirst.remedy)
    return ok(code, "清卡方式与清卡记录相符", evidence)


def reported(facts: Facts, device: DeviceFacts, reading: DeviceReading) -> Check:
    """税务清卡 reports nothing, and every type is reported before any is cleared (rule 5)."""
    code = "period.reported"
    evidence = seen(("属期", facts.period), ("最近报税", last_reports(reading.monitors)))
    missing = [
        one.invoice_type.value
        for one in reading.monitors
        if not is_reported(facts.period, one.lock_date, one.last_reported_at)
    ]
    if not missing:
        return ok(code, f"{facts.period} 已全部抄报", evidence)
    text = f"{'、'.join(missing)} 在属期 {facts.period} 尚未抄报"
    if facts.kind is Kind.TAX:
        return blocking(code, NotReported.code, text, evidence, remedy=NotReported.remedy)
    return ok(code, f"{text}，清卡时先抄报", evidence)
