"""What the devices' and the bureau's own codes mean in ours (contracts/data/device_codes.csv).

A code that is known decides. Otherwise the text does, since the middleware's general code -101 and many
products say the reason in words only. The device's own code and text are always kept beside ours.
"""

import re
from dataclasses import dataclass

from app.agent.drivers.base import DeviceRefused, DeviceUnavailable, DriverError
from app.contracts.devices import BureauState, DeviceKind, InvoiceType
from app.contracts.faults import fault

GOLDEN = "golden_tax_disk"
TAX = "tax_disk"

_BY_CODE: dict[str, dict[str, str]] = {
    GOLDEN: {
        "device.fault": "2 3 238 241",
        "device.clock_wrong": "75 100 157",
        "device.locked": "21 702",
        "device.not_reported": "19 149 248",
        "device.already_reported_today": "204",
        "device.ciphertext_rejected": "148 155 158 159 1085",
        "device.taxpayer_mismatch": "156",
        "device.not_due": "191",
        "device.no_report_data": "195",
        "device.several_periods": "202 245",
        "device.type_not_authorized": "210",
        "device.password_wrong": "235 236",
        "device.offline_not_uploaded": "246 247 250 781",
        "device.disconnected": "3001 4001 4002",
        "device.answer_invalid": "3065",
        "device.refused": "7 27 56 199 209 222",
    },
    TAX: {
        "device.ciphertext_rejected": "09d106 09d118",
        "device.locked": "09d109",
        "device.type_not_authorized": "09d110",
        "device.no_report_data": "09d11b",
        "device.refused": "09d11c",
        "device.offline_not_uploaded": "09d11f 09d120 09d121 09d122",
        "device.disconnected": "092400 09c000",
        "device.clock_wrong": "09e105",
    },
    "bureau": {
        "bureau.not_filed": "not_filed",
        "bureau.mismatch": "mismatch",
        "bureau.clock_factor": "clock_factor",
        "bureau.pending": "pending",
        "device.not_reported": "not_reported",
    },
}
_CODES = {
    family: {code: ours for ours, codes in table.items() for code in codes.split()}
    for family, table in _BY_CODE.items()
}
_PASSWORD_CODE = re.compile(r"0963c(\d)", re.IGNORECASE)
"""证书口令错误: the last digit is the number of tries left."""

_COMMON_TEXTS = (
    (r"当天不能再次抄报|当日已抄报|已上报汇总", "device.already_reported_today"),
    (r"离线.*未上传", "device.offline_not_uploaded"),
    (r"作废.*未上传", "device.void_not_uploaded"),
    (r"(红字|负数).*未上传", "device.red_not_uploaded"),
    (r"(多个?属期|多期|多月)", "device.several_periods"),
    (r"(未抄报|未抄税|未上报汇总|没有完成.*抄报)", "device.not_reported"),
)
_DEVICE_TEXTS = (
    *_COMMON_TEXTS,
    (r"口令错误|密码错误", "device.password_wrong"),
    (r"锁死", "device.locked"),
    (r"(设备|服务器)?(忙|正在使用)", "device.busy"),
    (r"没有找到.*盘|设备未(连接|开启)|设备不存在", "device.disconnected"),
    (r"纳税人识别号.*不(一致|匹配)|税号不匹配", "device.taxpayer_mismatch"),
    (r"时钟", "device.clock_wrong"),
    (r"没有票种授权|发票类型不支持", "device.type_not_authorized"),
    (r"汇总资料", "device.no_report_data"),
    (r"空间不足|故障", "device.fault"),
)
_BUREAU_TEXTS = (
    *_COMMON_TEXTS,
    (r"未申报", "bureau.not_filed"),
    (r"比对不(符|通过)", "bureau.mismatch"),
    (r"时钟校准因子", "bureau.clock_factor"),
    (r"处理中|稍后", "bureau.pending"),
)
_ALREADY_CLEARED = "already_cleared"
_CLEARED_TEXT = r"(已|重复)清(卡|零)"
_BUREAU_STATES = {
    "device.not_reported": BureauState.NOT_REPORTED,
    "bureau.not_filed": BureauState.NOT_FILED,
    "bureau.mismatch": BureauState.MISMATCH,
    "bureau.pending": BureauState.PENDING,
}
_RETRY_HELPS = frozenset(
    {
        "device.disconnected",
        "device.timeout",
        "device.busy",
        "device.answer_invalid",
        "bureau.unreachable",
        "bureau.pending",
        "bureau.answer_invalid",
    }
)
AMBIGUOUS = frozenset({"device.disconnected", "device.timeout", "device.answer_invalid"})
"""Faults that leave open whether a message that changes the device has taken effect."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is not a success: the other side's own code and text."""

    code: str
    text: str


def device_error(
    kind: DeviceKind, refusal: Refusal, invoice_type: InvoiceType | None = None
) -> DriverError:
    """The error for a device's refusal."""
    if match := _PASSWORD_CODE.fullmatch(refusal.code):
        return error_of(
            "device.password_wrong", refusal, invoice_type, tries_left=int(match.group(1))
        )
    ours = _device_code(kind, refusal)
    return error_of(ours, refusal, invoice_type, message=_unknown_text(ours, refusal))


def bureau_error(refusal: Refusal, invoice_type: InvoiceType | None = None) -> DriverError:
    """The error for a refusal of the bureau."""
    ours = _CODES["bureau"].get(refusal.code.lower()) or _by_text(_BUREAU_TEXTS, refusal.text)
    ours = ours or "bureau.refused"
    return error_of(ours, refusal, invoice_type, message=_unknown_text(ours, refusal))


def bureau_state(refusal: Refusal, ours: str) -> BureauState:
    """Where the bureau stands that refuses like this; `ours` is its code in the catalogue."""
    if refusal.code.lower() == _ALREADY_CLEARED or re.search(_CLEARED_TEXT, refusal.text):
        return BureauState.CLEARED
    return _BUREAU_STATES.get(ours, BureauState.UNKNOWN)


def error_of(
    ours: str,
    refusal: Refusal | None = None,
    invoice_type: InvoiceType | None = None,
    *,
    message: str = "",
    tries_left: int | None = None,
) -> DriverError:
    """A `DeviceUnavailable` where another try alone may help, else a `DeviceRefused`."""
    why = fault(
        ours,
        message=message,
        device_code=refusal.code if refusal else "",
        device_message=refusal.text if refusal else "",
        invoice_type=invoice_type,
        tries_left=tries_left,
    )
    return DeviceUnavailable(why) if ours in _RETRY_HELPS else DeviceRefused(why)


def _device_code(kind: DeviceKind, refusal: Refusal) -> str:
    # The code spaces of the families are disjoint, and a UKey uses one or the other by vendor.
    order = (GOLDEN, TAX) if kind is DeviceKind.GOLDEN_TAX_DISK else (TAX, GOLDEN)
    for family in order:
        if ours := _CODES[family].get(refusal.code.lower()):
            return ours
    general = "device.answer_invalid" if refusal.code == "-101" else "device.refused"
    return _by_text(_DEVICE_TEXTS, refusal.text) or general


def _by_text(patterns: tuple[tuple[str, str], ...], text: str) -> str | None:
    return next((ours for pattern, ours in patterns if re.search(pattern, text)), None)


def _unknown_text(ours: str, refusal: Refusal) -> str:
    """Where our code says no more than "refused", the sentence shown is the other side's."""
    return refusal.text if ours in ("device.refused", "bureau.refused") else ""
