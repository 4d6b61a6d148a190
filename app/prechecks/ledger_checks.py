"""Whether the ledger has what the device itself counts (统计): else record and return will not agree."""

from collections.abc import Iterator

from app.clearing import words
from app.clearing.check import Check, ok, seen, unknown, warning
from app.contracts.devices import DeviceReading, InvoiceType
from app.core.money import yuan
from app.invoices.figures import Figures, Sum
from app.prechecks.facts import DeviceFacts, Facts

_CODE = "ledger.statistics"
_REMEDY = (
    "在“核对”中找出不同的发票并处理；设备统计与申报一致时可以继续，凭证与记录会同时列出两边的数字。"
)
_NAMES = {"positive": "正数", "red": "红字", "void": "作废"}


def statistics(facts: Facts, device: DeviceFacts, reading: DeviceReading) -> Check:
    """Compare the period's figures of the types to clear, type by type; what is not known is not compared."""
    if device.statistics is None:
        return _not_given(device)
    wanted = sorted(device.wanted(reading))
    silent = [kind for kind in wanted if kind not in device.statistics]
    given = [kind for kind in wanted if kind in device.statistics]
    evidence = seen(
        *(pair for kind in given for pair in _sides(device, kind, device.statistics[kind])),
        *((f"{kind.value} 设备统计", "没有给出") for kind in silent),
    )
    differing = [
        text for kind in given for text in _difference(device, kind, device.statistics[kind])
    ]
    if differing:
        return warning(_CODE, f"台账与设备统计不符：{'；'.join(differing)}", _REMEDY, evidence)
    missing = 0 if device.ledger_current else _missing(device, given)
    text = _agreed(facts, device, given, silent, missing)
    return (unknown if silent or missing else ok)(_CODE, text, evidence)


def _not_given(device: DeviceFacts) -> Check:
    fault = device.statistics_fault
    if fault is None:
        return unknown(_CODE, "执行时读取设备统计，再与台账核对", seen(("设备统计", "尚未读取")))
    evidence = seen(("设备统计", fault.message), ("设备返回", fault.device_message))
    return unknown(_CODE, f"设备没有给出统计（{fault.message}），没有与台账核对", evidence)


def _difference(device: DeviceFacts, kind: InvoiceType, shown: Figures) -> Iterator[str]:
    """What differs. While the ledger waits for the device's invoices, only what it has too many of does."""
    ledger = device.ledger.get(kind, Figures())
    if not device.ledger_current:
        if ledger.count > shown.count:
            yield f"{kind.value} 台账 {ledger.count} 张，设备 {shown.count} 张"
        return
    for name, word in _NAMES.items():
        ours, theirs = getattr(ledger, name), getattr(shown, name)
        if ours != theirs and not (name == "void" and ours.count == theirs.count):
            yield f"{kind.value} {word} 台账 {_short(ours)}，设备 {_short(theirs)}"


def _agreed(
    facts: Facts,
    device: DeviceFacts,
    given: list[InvoiceType],
    silent: list[InvoiceType],
    missing: int,
) -> str:
    if not given:
        return "设备没有给出所清票种的统计，没有与台账核对"
    rest = f"；{'、'.join(silent)} 设备没有给出统计，没有核对" if silent else ""
    if missing:
        return f"台账尚缺 {missing} 张，执行时先从设备补齐，再与设备统计核对{rest}"
    if not device.ledger_current:
        return f"张数与设备统计一致，执行时再核对金额{rest}"
    return f"{facts.period} 台账与设备统计一致{rest}"


def _missing(device: DeviceFacts, given: list[InvoiceType]) -> int:
    """How many invoices of these types the ledger still waits for."""
    shown = device.statistics or {}
    return sum(shown[kind].count - device.ledger.get(kind, Figures()).count for kind in given)


def _sides(device: DeviceFacts, kind: InvoiceType, shown: Figures) -> Iterator[tuple[str, str]]:
    yield f"{kind.value} 台账", words.figures(device.ledger.get(kind, Figures()))
    yield f"{kind.value} 设备统计", words.figures(shown)


def _short(one: Sum) -> str:
    return f"{one.count} 张 {yuan(one.amount)} 元（税额 {yuan(one.tax)}）"
