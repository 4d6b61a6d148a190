"""What the converter's error answers mean: an error byte, or the text of the device or the bureau."""

import re

from app.agent.drivers.base import DeviceRefused, DeviceUnavailable, DriverError, OutcomeUnknown
from app.agent.drivers.serial_converter.link import ConverterError, LinkError, Lost, Silent
from app.agent.drivers.xml.codes import Refusal, bureau_error, device_error, error_of
from app.contracts.devices import DeviceKind, InvoiceType
from app.contracts.faults import fault

_BYTES: dict[int, tuple[str, str]] = {
    0x11: ("device.operation_unsupported", "转换器不支持此报文类型"),
    0x12: ("device.operation_unsupported", "转换器不支持此报文头参数"),
    0x1F: ("device.answer_invalid", "转换器收到的请求校验错误"),
    0x20: ("device.operation_unsupported", "转换器不支持此命令"),
    0x22: ("device.operation_unsupported", "转换器不接受此命令的长度"),
    0x30: ("device.timeout", "转换器等待超时"),
}
"""Error bytes of docs/protocols.md, section 4."""

NOT_EXECUTED = frozenset(_BYTES) - {0x30}
"""Error bytes that say the command was not even begun."""

_CODE = re.compile(
    r"[\s\[(（【]*(?:错误代?码)?[:： ]*(-?[0-9a-f]*\d[0-9a-f]*)[\s\])）】:：,，-]+(.+)",
    re.IGNORECASE | re.DOTALL,
)
"""A text that begins with the device's own code."""

_NO_BUREAU = re.compile(r"(无法|不能)(连接|访问)|网络")
_BUREAU = re.compile(r"申报|比对不|时钟校准因子|税务端")


def refusal_error(
    kind: DeviceKind, data: bytes, invoice_type: InvoiceType | None = None
) -> DriverError:
    """The error for an answer ER with this data, as if the command had not been carried out."""
    if len(data) == 1:
        return _byte_error(data[0], invoice_type)
    text = data.decode("gb18030", "backslashreplace").strip("\0 \r\n")
    coded = _CODE.fullmatch(text)
    refusal = Refusal(coded[1], coded[2]) if coded else Refusal("", text)
    if _NO_BUREAU.search(refusal.text):
        return error_of("bureau.unreachable", refusal, invoice_type)
    if _BUREAU.search(refusal.text):
        return bureau_error(refusal, invoice_type)
    return device_error(kind, refusal, invoice_type)


def _byte_error(byte: int, invoice_type: InvoiceType | None) -> DriverError:
    code, message = _BYTES.get(byte, ("device.refused", f"转换器返回错误 0x{byte:02X}"))
    why = fault(
        code,
        message=message,
        device_code=f"0x{byte:02X}",
        device_message=message,
        invoice_type=invoice_type,
    )
    return DeviceUnavailable(why) if why.retryable else DeviceRefused(why)


def link_error(
    error: LinkError, *, changes: bool, invoice_type: InvoiceType | None = None
) -> DriverError:
    """The error for an exchange without a proper answer. `changes`: the command changes the device."""
    if isinstance(error, Lost):
        code = "device.disconnected"
    elif isinstance(error, Silent):
        code = "device.timeout"
    else:
        code = "device.answer_invalid"
    why = fault(code, device_message=str(error), invoice_type=invoice_type)
    return OutcomeUnknown(why) if changes and error.executed else DeviceUnavailable(why)


def may_have_acted(error: ConverterError) -> bool:
    """Whether a refused 0x12 may have changed the device all the same.

    The converter runs a whole conversation for it, so the refusal may be that of its last message.
    """
    return not (len(error.data) == 1 and error.data[0] in NOT_EXECUTED)
