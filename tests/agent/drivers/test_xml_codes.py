"""Every code of the shared table has a meaning in ours, and texts are understood where codes are general."""

import pytest

from app.agent.drivers.base import DeviceRefused, DeviceUnavailable
from app.agent.drivers.xml import codes
from app.agent.drivers.xml.codes import Refusal
from app.contracts.devices import DeviceKind
from app.contracts.faults import FAULTS, DeviceCode, device_codes

ROWS = [row for row in device_codes().values() if row.family in ("golden_tax_disk", "tax_disk")]
PHASES = {
    "lock": {"device.locked"},
    "upload": {"device.offline_not_uploaded"},
    "connection": {"device.disconnected", "device.answer_invalid"},
    "clock": {"device.clock_wrong", "device.fault"},
    "password": {"device.password_wrong", "device.fault"},
}
KINDS = {
    "golden_tax_disk": DeviceKind.GOLDEN_TAX_DISK,
    "tax_disk": DeviceKind.TAX_DISK,
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.family}-{row.code}")
def test_every_known_code(row: DeviceCode) -> None:
    code = "0963c4" if row.code == "0963c" else row.code
    error = codes.device_error(KINDS[row.family], Refusal(code, row.text))
    assert error.fault.code in FAULTS
    assert error.fault.code in PHASES.get(row.phase, set(FAULTS))
    assert (error.fault.device_code, error.fault.device_message) == (code, row.text)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.family}-{row.code}")
def test_a_ukey_uses_either_familys_codes(row: DeviceCode) -> None:
    code = "0963c4" if row.code == "0963c" else row.code
    as_itself = codes.device_error(KINDS[row.family], Refusal(code, row.text))
    as_ukey = codes.device_error(DeviceKind.UKEY, Refusal(code, row.text))
    assert as_ukey.fault == as_itself.fault


@pytest.mark.parametrize("left", range(10))
def test_tries_left_of_a_wrong_password(left: int) -> None:
    error = codes.device_error(DeviceKind.TAX_DISK, Refusal(f"0963C{left}", "口令错误"))
    assert isinstance(error, DeviceRefused)
    assert (error.fault.code, error.fault.tries_left) == ("device.password_wrong", left)
    assert not error.fault.retryable


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        ("当天不能再次抄报", "device.already_reported_today"),
        ("有离线未上传发票，不允许远程抄报", "device.offline_not_uploaded"),
        ("有作废发票未上传，不允许抄报", "device.void_not_uploaded"),
        ("有红字发票未上传，不允许抄报", "device.red_not_uploaded"),
        ("存在多个属期未抄报，请从最早的属期依次处理", "device.several_periods"),
        ("设备忙，请稍后重试", "device.busy"),
        ("没有找到金税盘", "device.disconnected"),
        ("解析请求数据错误", "device.answer_invalid"),
        ("设备存储空间不足", "device.fault"),
        ("纳税人识别号与设备不一致", "device.taxpayer_mismatch"),
    ],
)
def test_reasons_in_words(text: str, ours: str) -> None:
    error = codes.device_error(DeviceKind.TAX_DISK, Refusal("-101", text))
    assert error.fault.code == ours
    assert error.fault.device_message == text


def test_an_unknown_code_shows_the_devices_sentence() -> None:
    error = codes.device_error(DeviceKind.TAX_DISK, Refusal("4711", "奇怪的原因"))
    assert isinstance(error, DeviceRefused)
    assert (error.fault.code, error.fault.message) == ("device.refused", "奇怪的原因")


@pytest.mark.parametrize("code", ["not_filed", "mismatch", "clock_factor", "pending"])
def test_the_bureaus_codes(code: str) -> None:
    assert codes.bureau_error(Refusal(code, "")).fault.code == f"bureau.{code}"


@pytest.mark.parametrize(
    ("text", "ours", "kind"),
    [
        ("本期未申报", "bureau.not_filed", DeviceRefused),
        ("一窗式比对不符", "bureau.mismatch", DeviceRefused),
        ("税务端忙，请稍后重试", "bureau.pending", DeviceUnavailable),
        ("有票种未抄报", "device.not_reported", DeviceRefused),
        ("其他", "bureau.refused", DeviceRefused),
    ],
)
def test_the_bureaus_words(text: str, ours: str, kind: type[Exception]) -> None:
    error = codes.bureau_error(Refusal("-101", text))
    assert error.fault.code == ours
    assert isinstance(error, kind)
