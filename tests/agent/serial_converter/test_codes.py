"""Error answers of the converter in our codes."""

import pytest

from app.agent.drivers.base import DeviceRefused, DeviceUnavailable, DriverError, OutcomeUnknown
from app.agent.drivers.serial_converter.codes import link_error, may_have_acted, refusal_error
from app.agent.drivers.serial_converter.link import (
    ConverterError,
    Garbled,
    LinkError,
    Lost,
    Silent,
    Unexpected,
)
from app.contracts.devices import DeviceKind, InvoiceType

TAX, GOLDEN = DeviceKind.TAX_DISK, DeviceKind.GOLDEN_TAX_DISK


@pytest.mark.parametrize(
    ("byte", "code", "kind", "acted"),
    [
        (0x11, "device.operation_unsupported", DeviceRefused, False),
        (0x12, "device.operation_unsupported", DeviceRefused, False),
        (0x1F, "device.answer_invalid", DeviceUnavailable, False),
        (0x20, "device.operation_unsupported", DeviceRefused, False),
        (0x22, "device.operation_unsupported", DeviceRefused, False),
        (0x30, "device.timeout", DeviceUnavailable, True),
        (0x77, "device.refused", DeviceRefused, True),
    ],
)
def test_error_bytes(byte: int, code: str, kind: type[DriverError], acted: bool) -> None:
    error = refusal_error(TAX, bytes((byte,)), InvoiceType.ROLL)
    assert (type(error), error.fault.code) == (kind, code)
    assert error.fault.device_code == f"0x{byte:02X}"
    assert error.fault.invoice_type is InvoiceType.ROLL
    assert may_have_acted(ConverterError(bytes((byte,)))) is acted


@pytest.mark.parametrize(
    ("kind", "text", "code", "device_code", "device_message"),
    [
        (GOLDEN, "195 未抄税，无汇总资料", "device.no_report_data", "195", "未抄税，无汇总资料"),
        (GOLDEN, "[158]清卡随机数不匹配", "device.ciphertext_rejected", "158", "清卡随机数不匹配"),
        (TAX, "错误代码：09D109，禁止开票", "device.locked", "09D109", "禁止开票"),
        (TAX, "0963c5 证书口令错误", "device.password_wrong", "0963c5", "证书口令错误"),
        (
            TAX,
            "-101 当天不能再次抄报",
            "device.already_reported_today",
            "-101",
            "当天不能再次抄报",
        ),
        (TAX, "未申报", "bureau.not_filed", "", "未申报"),
        (TAX, "一窗式比对不符", "bureau.mismatch", "", "一窗式比对不符"),
        (
            TAX,
            "时钟校准因子失效，请重新报税",
            "bureau.clock_factor",
            "",
            "时钟校准因子失效，请重新报税",
        ),
        (TAX, "税务端处理中", "bureau.pending", "", "税务端处理中"),
        (TAX, "无法连接服务器", "bureau.unreachable", "", "无法连接服务器"),
        (TAX, "2张发票有误", "device.refused", "", "2张发票有误"),
        (TAX, "设备忙，请稍后重试", "device.busy", "", "设备忙，请稍后重试"),
        (TAX, "", "device.refused", "", ""),
    ],
)
def test_error_texts(
    kind: DeviceKind, text: str, code: str, device_code: str, device_message: str
) -> None:
    fault = refusal_error(kind, text.encode("gbk")).fault
    assert (fault.code, fault.device_code, fault.device_message) == (
        code,
        device_code,
        device_message,
    )


def test_a_text_that_is_not_gbk_is_kept_as_far_as_it_goes() -> None:
    fault = refusal_error(TAX, b"\xb4\xed\xce\xf3\xff\x00").fault
    assert (fault.code, fault.device_message) == ("device.refused", "错误\\xff")


def test_tries_left_are_told() -> None:
    assert refusal_error(TAX, "0963c5 证书口令错误".encode("gbk")).fault.tries_left == 5


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Lost("gone"), "device.disconnected"),
        (Silent("silent"), "device.timeout"),
        (Garbled("crc"), "device.answer_invalid"),
        (Unexpected("length"), "device.answer_invalid"),
    ],
)
@pytest.mark.parametrize(
    ("changes", "executed", "kind"),
    [
        (True, True, OutcomeUnknown),
        (True, False, DeviceUnavailable),
        (False, True, DeviceUnavailable),
        (False, False, DeviceUnavailable),
    ],
)
def test_exchanges_without_an_answer(
    error: LinkError, code: str, changes: bool, executed: bool, kind: type[DriverError]
) -> None:
    error.executed = executed
    found = link_error(error, changes=changes)
    assert (type(found), found.fault.code) == (kind, code)
    assert found.fault.device_message == str(error)
