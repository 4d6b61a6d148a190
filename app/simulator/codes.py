"""What a device answers when it refuses, in the codes of its family.

Codes with a text in the shared table of real codes are answered with that text; where the family has no
known code, the middleware's general -101 carries a sentence.
"""

from enum import Enum

from app.contracts.devices import DeviceKind
from app.contracts.faults import device_code

GENERAL = "-101"


class Refusal(Enum):
    """(code of a golden-tax disk, code of a tax disk, sentence for -101)."""

    NO_TOTALS = ("195", "09d11b", "")
    REPORTED_TODAY = (GENERAL, GENERAL, "当天不能再次抄报")
    OFFLINE_NOT_UPLOADED = ("250", GENERAL, "有离线未上传发票，不允许远程抄报")
    VOID_NOT_UPLOADED = (GENERAL, GENERAL, "有作废发票未上传，不允许抄报")
    RED_NOT_UPLOADED = (GENERAL, GENERAL, "有红字发票未上传，不允许抄报")
    SEVERAL_PERIODS = ("202", GENERAL, "存在多个属期未抄报，请从最早的属期依次处理")
    SEVERAL_TYPES_AND_PERIODS = ("245", GENERAL, "有票种存在多个属期未抄报，请从最早的属期依次处理")
    LOCKED = ("21", "09d109", "")
    TYPE_NOT_AUTHORIZED = ("210", "09d110", "")
    NOT_REPORTED = ("149", "09d106", "")
    BAD_CHECKSUM = ("155", "09d106", "")
    WRONG_DEVICE = ("156", "09d106", "")
    WRONG_PERIOD = ("157", "09d106", "")
    WRONG_TYPE = ("159", "09d106", "")
    ALREADY_USED = ("158", "09d118", "")
    LOCK_DATE_INVALID = ("148", "09d106", "")
    NOT_FOUND = ("4001", "09c000", "")
    CLOCK_BACKWARDS = ("100", "09e105", "")
    BUSY = (GENERAL, GENERAL, "设备忙，请稍后重试")
    DISK_FULL = (GENERAL, GENERAL, "设备存储空间不足")
    OTHER_TAXPAYER = (GENERAL, GENERAL, "纳税人识别号与设备不一致")
    BAD_FIELD = (GENERAL, GENERAL, "请求数据有误")
    UNSUPPORTED = (GENERAL, GENERAL, "不支持的操作类型")


class DeviceRefusal(Exception):
    """The device says no. `code` and `text` are what the answer carries."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text


def family(kind: DeviceKind) -> str:
    """The family of codes a kind of device uses: a UKey and a tax server answer as a tax disk does."""
    return "golden_tax_disk" if kind is DeviceKind.GOLDEN_TAX_DISK else "tax_disk"


def refuse(kind: DeviceKind, refusal: Refusal, detail: str = "") -> DeviceRefusal:
    """The refusal as a device of `kind` words it; `detail` overrides the sentence of -101."""
    golden, disk, sentence = refusal.value
    code = golden if family(kind) == "golden_tax_disk" else disk
    if code == GENERAL:
        return DeviceRefusal(code, detail or sentence)
    return DeviceRefusal(code, known_text(family(kind), code))


def wrong_password(kind: DeviceKind, tries_left: int) -> DeviceRefusal:
    """Tax disks tell the tries left in the last digit; golden-tax disks do not."""
    if family(kind) == "golden_tax_disk":
        code = "236" if tries_left else "238"
        return DeviceRefusal(code, known_text("golden_tax_disk", code))
    return DeviceRefusal(f"0963c{tries_left}", f"证书口令错误，剩余次数 {tries_left}")


def known_text(code_family: str, code: str) -> str:
    """The text of a real code. Raises KeyError for a code the shared table does not hold."""
    known = device_code(code_family, code)
    if known is None:
        raise KeyError(f"{code_family} {code}")
    return known.text
