"""Invoices the device has issued and not uploaded: each kind has its message and its remedy (rule 9)."""

from app.clearing.check import Check, blocking, ok, seen, unknown
from app.contracts.devices import DeviceReading
from app.prechecks.facts import DeviceFacts, Facts

_CODE = "invoices.uploaded"


def uploaded(facts: Facts, device: DeviceFacts, reading: DeviceReading) -> list[Check]:
    """One check for every kind that waits; where the device was not asked, the ledger is no proof."""
    waiting = device.not_uploaded
    kinds = (
        ("离线开具的发票", waiting.offline, "device.offline_not_uploaded"),
        ("红字发票", waiting.red, "device.red_not_uploaded"),
        ("作废发票", waiting.void, "device.void_not_uploaded"),
    )
    evidence = seen(
        *((f"{facts.period} 及以前未上传的{name}", f"{count} 张") for name, count, _ in kinds),
        ("依据", "设备上的发票" if device.uploads_read else "台账，没有读取设备上的发票"),
    )
    found = [
        blocking(_CODE, fault, f"有 {count} 张{name}尚未上传", evidence)
        for name, count, fault in kinds
        if count
    ]
    if found:
        return found
    if not device.uploads_read:
        text = "没有读取设备上的发票，执行时读取并核对是否都已上传"
        return [unknown(_CODE, text, evidence)]
    return [ok(_CODE, "没有未上传的发票", evidence)]
