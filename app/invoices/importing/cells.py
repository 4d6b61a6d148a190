"""What the text of a cell means: types, codes, numbers, dates, amounts, words for states.

Each function raises ValueError with a sentence for the person whose file it is.
"""

import re
import unicodedata
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation

from app.contracts.devices import InvoiceStatus, InvoiceType
from app.core.clock import SHANGHAI

_EXACT_DIGITS = 15
"""A spreadsheet keeps numbers as floats: more digits than these are lost."""

_MAX_AMOUNT = Decimal(10) ** 14
_CENT = Decimal("0.01")
_NOISE = Decimal("0.000001")
"""What a float adds to an amount, e.g. 100.10000000000001."""

_EPOCH = datetime(1899, 12, 30)
"""Day 0 of the 1900 system, as right from March 1900 on."""
_DAYS_1904 = 1462
_FIRST_SERIAL, _LAST_SERIAL = 36_526, 73_050
"""2000-01-01 and 2099-12-31 in the 1900 system."""

_FORMULA_TEXT = re.compile(r'^="(.*)"$')
_DATE = re.compile(
    r"^(\d{4})\D{1,2}(\d{1,2})\D{1,2}(\d{1,2})(?:日)?"
    r"(?:[ t]+(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.\d+)?)?)?$"
)
_COMPACT = re.compile(r"^(\d{4})(\d{2})(\d{2})(?:(\d{2})(\d{2})(\d{2}))?$")

_TYPE_WORDS: dict[str, InvoiceType] = {
    "增值税专用发票": InvoiceType.SPECIAL_PAPER,
    "专用发票": InvoiceType.SPECIAL_PAPER,
    "专票": InvoiceType.SPECIAL_PAPER,
    "增值税普通发票": InvoiceType.ORDINARY_PAPER,
    "普通发票": InvoiceType.ORDINARY_PAPER,
    "普票": InvoiceType.ORDINARY_PAPER,
    "机动车销售统一发票": InvoiceType.VEHICLE,
    "机动车发票": InvoiceType.VEHICLE,
    "机动车": InvoiceType.VEHICLE,
    "二手车销售统一发票": InvoiceType.USED_VEHICLE,
    "二手车发票": InvoiceType.USED_VEHICLE,
    "二手车": InvoiceType.USED_VEHICLE,
    "增值税普通发票卷票": InvoiceType.ROLL,
    "增值税普通发票卷式": InvoiceType.ROLL,
    "卷票": InvoiceType.ROLL,
    "卷式发票": InvoiceType.ROLL,
    "增值税电子普通发票": InvoiceType.ORDINARY_ELECTRONIC,
    "电子普通发票": InvoiceType.ORDINARY_ELECTRONIC,
    "电子发票普通发票": InvoiceType.ORDINARY_ELECTRONIC,
    "电子普票": InvoiceType.ORDINARY_ELECTRONIC,
    "电子发票": InvoiceType.ORDINARY_ELECTRONIC,
    "增值税电子专用发票": InvoiceType.SPECIAL_ELECTRONIC,
    "电子专用发票": InvoiceType.SPECIAL_ELECTRONIC,
    "电子发票增值税专用发票": InvoiceType.SPECIAL_ELECTRONIC,
    "电子专票": InvoiceType.SPECIAL_ELECTRONIC,
}
_STATUS_WORDS: dict[str, InvoiceStatus] = {
    **dict.fromkeys(
        (
            "正常",
            "正常发票",
            "正数",
            "正数发票",
            "蓝字",
            "蓝字发票",
            "已开具",
            "否",
            "n",
            "no",
            "normal",
            "0",
        ),
        InvoiceStatus.NORMAL,
    ),
    **dict.fromkeys(
        ("红字", "红字发票", "红票", "负数", "负数发票", "红冲", "已红冲", "red", "1"),
        InvoiceStatus.RED,
    ),
    **dict.fromkeys(("空白作废", "空白发票作废", "void_blank", "2"), InvoiceStatus.VOID_BLANK),
    **dict.fromkeys(
        ("作废", "已作废", "正数作废", "正数发票作废", "是", "y", "yes", "void", "3"),
        InvoiceStatus.VOID,
    ),
    **dict.fromkeys(
        ("红字作废", "负数作废", "负数发票作废", "红票作废", "void_red", "4"),
        InvoiceStatus.VOID_RED,
    ),
}
_YES = frozenset(
    {
        "是",
        "1",
        "y",
        "yes",
        "true",
        "√",
        "已上传",
        "上传成功",
        "已报送",
        "报送成功",
        "草稿",
        "未开具",
    }
)
_NO = frozenset(
    {
        "否",
        "0",
        "n",
        "no",
        "false",
        "×",
        "未上传",
        "待上传",
        "上传失败",
        "上传中",
        "未报送",
        "报送失败",
    }
    | {"报送中", "已开具"}
)


def unwrapped(cell: str) -> str:
    """The text in ="…", and without the apostrophe or tab that makes a spreadsheet keep it as text."""
    text = cell.strip()
    formula = _FORMULA_TEXT.match(text)
    if formula:
        text = formula[1].strip()
    return text[1:] if text[:1] == "'" else text


def invoice_type(cell: str) -> InvoiceType:
    """A code (also 7 for 007), its name, or both."""
    text = _folded(cell)
    code = re.match(r"\d{1,3}(?!\d)", text)
    if code:
        try:
            return InvoiceType(code[0].zfill(3))
        except ValueError as error:
            raise ValueError(f"发票类型“{cell}”未知") from error
    known = _TYPE_WORDS.get(re.sub(r"[()\s]", "", text))
    if known is None:
        raise ValueError(f"发票类型“{cell}”未知")
    return known


def code(cell: str) -> str:
    """发票代码: 10 or 12 digits; the leading zero a spreadsheet took away is put back."""
    digits = _digits(cell, "发票代码")
    if len(digits) in (9, 11):
        digits = f"0{digits}"
    if len(digits) not in (0, 10, 12):
        raise ValueError(f"发票代码“{cell}”应为 10 或 12 位数字")
    return digits


def number(cell: str) -> str:
    """发票号码: 8 digits (leading zeros put back), or the 20 of an all-electronic invoice."""
    digits = _digits(cell, "发票号码")
    if 0 < len(digits) < 8:
        digits = digits.zfill(8)
    if len(digits) not in (0, 8, 20):
        raise ValueError(f"发票号码“{cell}”应为 8 位或 20 位数字")
    return digits


def issued_at(cell: str, date_system: int) -> datetime:
    """A date, or date and time, as people write it or as a spreadsheet counts it. Asia/Shanghai."""
    text = _folded(cell).replace("时", ":").replace("分", ":").replace("秒", "").rstrip(":")
    parts = _DATE.match(text) or _COMPACT.match(text)
    try:
        if parts:
            values = [int(part or 0) for part in parts.groups()]
            found = datetime(*values)  # type: ignore[arg-type]
        else:
            found = _of_serial(float(text), date_system)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"开票日期“{cell}”无法识别") from error
    if not 2000 <= found.year <= 2098:
        raise ValueError(f"开票日期“{cell}”不在 2000 至 2098 年之间")
    return found.replace(tzinfo=SHANGHAI)


def money(cell: str, name: str) -> Decimal:
    """An amount in yuan with at most two places."""
    text = re.sub(r"[,\s¥￥元]", "", _folded(cell))
    try:
        value = Decimal(text)
        rounded = value.quantize(_CENT)
    except InvalidOperation as error:
        raise ValueError(f"{name}“{cell}”不是数字") from error
    if value.is_nan():
        raise ValueError(f"{name}“{cell}”不是数字")
    if abs(value - rounded) > _NOISE:
        raise ValueError(f"{name}“{cell}”多于两位小数")
    if abs(rounded) >= _MAX_AMOUNT:
        raise ValueError(f"{name}“{cell}”过大")
    return rounded


def status(cell: str) -> InvoiceStatus:
    """A word, or 是/否 of a column 作废标志, or the device's own code (fpzt 0..4)."""
    known = _STATUS_WORDS.get(re.sub(r"[()\s\-]", "", _folded(cell)))
    if known is None:
        raise ValueError(f"发票状态“{cell}”未知")
    return known


def flag(cell: str, name: str) -> bool:
    """是 or 否, in the words the columns have."""
    text = _folded(cell)
    if text in _YES or text in _NO:
        return text in _YES
    raise ValueError(f"{name}“{cell}”应为“是”或“否”")


def _folded(cell: str) -> str:
    return unicodedata.normalize("NFKC", cell).strip().lower()


def _digits(cell: str, name: str) -> str:
    text = _folded(cell)
    if re.fullmatch(r"\d+\.0+", text):
        text = text.partition(".")[0]
    if re.fullmatch(r"[\d.]{1,30}e\+?\d{1,2}", text):
        text = _of_float(text, cell, name)
    if not re.fullmatch(r"\d*", text, re.ASCII):
        raise ValueError(f"{name}“{cell}”只能是数字")
    return text


def _of_float(text: str, cell: str, name: str) -> str:
    """The digits of a number in scientific form, if they are all there."""
    digits = f"{Decimal(text):f}".partition(".")[0]
    if len(digits) > _EXACT_DIGITS:
        raise ValueError(
            f"{name}“{cell}”以数字保存，超过 15 位的部分已丢失，请把该列设为文本后重新导出"
        )
    return digits


def _of_serial(days: float, date_system: int) -> datetime:
    shifted = days + (_DAYS_1904 if date_system == 1904 else 0)
    if not _FIRST_SERIAL <= shifted <= _LAST_SERIAL:
        raise ValueError(days)
    return _EPOCH + timedelta(seconds=round(shifted * 86_400))
