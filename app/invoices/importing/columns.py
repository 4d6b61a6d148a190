"""Which column holds what: headers as the usual programs write them, in Chinese and English."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.invoices.importing.errors import ColumnsUnknown
from app.invoices.importing.files import Line


class Column(StrEnum):
    """What a ledger file can tell of an invoice."""

    DEVICE = "device_number"
    TYPE = "invoice_type"
    CODE = "code"
    NUMBER = "number"
    ISSUED_AT = "issued_at"
    AMOUNT = "amount"
    TAX = "tax"
    STATUS = "status"
    UPLOADED = "uploaded"
    DRAFT = "draft"
    BUYER_NAME = "buyer_name"
    BUYER_TAX_NO = "buyer_tax_no"


LABELS: dict[Column, str] = {
    Column.DEVICE: "设备编号",
    Column.TYPE: "发票类型",
    Column.CODE: "发票代码",
    Column.NUMBER: "发票号码",
    Column.ISSUED_AT: "开票日期",
    Column.AMOUNT: "金额（不含税）",
    Column.TAX: "税额",
    Column.STATUS: "发票状态",
    Column.UPLOADED: "上传标志",
    Column.DRAFT: "草稿标志",
    Column.BUYER_NAME: "购买方名称",
    Column.BUYER_TAX_NO: "购买方识别号",
}

_SYNONYMS: dict[Column, tuple[str, ...]] = {
    Column.DEVICE: (
        *(
            "设备编号",
            "税控设备编号",
            "税控盘编号",
            "税控盘号",
            "金税盘编号",
            "金税盘号",
            "盘号",
            "ukey编号",
        ),
        *("device_number", "device", "sksbbh", "skpbh"),
    ),
    Column.TYPE: (
        *("发票类型", "发票种类", "票种", "发票类型代码", "发票类别", "发票票种"),
        *("invoice_type", "type", "fplxdm"),
    ),
    Column.CODE: ("发票代码", "代码", "code", "invoice_code", "fpdm"),
    Column.NUMBER: (
        *("发票号码", "号码", "发票号", "数电票号码", "数电发票号码", "全电发票号码"),
        *("number", "invoice_number", "invoice_no", "fphm"),
    ),
    Column.ISSUED_AT: (
        *("开票日期", "开票时间", "开具日期", "开具时间", "日期"),
        *("issued_at", "issue_date", "date", "kprq"),
    ),
    Column.AMOUNT: (
        *("金额", "合计金额", "不含税金额", "金额合计", "开票金额", "税前金额"),
        *("amount", "net_amount", "hjje"),
    ),
    Column.TAX: ("税额", "合计税额", "税额合计", "tax", "tax_amount", "hjse"),
    Column.STATUS: (
        *("发票状态", "状态", "作废标志", "是否作废", "开票状态"),
        *("status", "invoice_status", "fpzt"),
    ),
    Column.UPLOADED: (
        *("上传标志", "是否上传", "上传状态", "报送状态", "报送标志"),
        *("uploaded", "upload_status", "scbz"),
    ),
    Column.DRAFT: ("草稿", "草稿标志", "是否草稿", "draft"),
    Column.BUYER_NAME: (
        *("购买方名称", "购方名称", "购货单位", "购买方", "客户名称", "购方企业名称", "购货方名称"),
        *("buyer_name", "buyer", "ghdwmc"),
    ),
    Column.BUYER_TAX_NO: (
        *("购买方识别号", "购方税号", "购买方税号", "购方识别号", "购买方纳税人识别号"),
        *("购方纳税人识别号", "buyer_tax_no", "buyer_tax_id", "ghdwdm"),
    ),
}

REQUIRED = (Column.NUMBER, Column.ISSUED_AT, Column.AMOUNT, Column.TAX)
"""What no default can stand in for."""

LOOKED_AT = 20
"""Rows in which the header is looked for: titles and filters often stand above it."""

_ENOUGH = 3
"""Recognised headers that make a row a header."""

_UNIT = re.compile(r"[（(\[].*?[)）\]]")


def _plain(text: str) -> str:
    """A header without units, spaces, marks and case."""
    folded = unicodedata.normalize("NFKC", _UNIT.sub("", text)).lower()
    return re.sub(r"[\s_*:：/\-]", "", folded)


_KNOWN: dict[str, Column] = {
    _plain(name): column for column, names in _SYNONYMS.items() for name in names
}


@dataclass(frozen=True, slots=True)
class Header:
    """The header row: its line, the words over the columns, and which column holds what (from 0)."""

    line: int
    words: tuple[str, ...]
    places: Mapping[Column, int]


def recognise(lines: Iterable[Line]) -> Header | None:
    """The header among the first lines: the one with most known words. None for a file without rows.

    When no line has enough of them, the first one with the most cells is taken, with what it tells.
    """
    first = list(lines)
    if not first:
        return None
    headers = [Header(line.number, line.cells, places(line.cells)) for line in first]
    best = max(headers, key=lambda header: len(header.places))
    if len(best.places) >= _ENOUGH:
        return best
    return max(headers, key=lambda header: sum(map(bool, header.words)))


def places(words: Sequence[str]) -> dict[Column, int]:
    """Which column holds what, by its words; of two with the same meaning the first."""
    found: dict[Column, int] = {}
    for place, text in enumerate(words):
        column = _KNOWN.get(_plain(text))
        if column is not None:
            found.setdefault(column, place)
    return found


def mapped(header: Header, mapping: Mapping[Column, str]) -> Header:
    """The header with columns chosen by hand, each by its words; "" for none.

    Raises ColumnsUnknown for words that stand over no column.
    """
    chosen = dict(header.places)
    errors: dict[str, str] = {}
    for column, text in mapping.items():
        if not text:
            chosen.pop(column, None)
        elif text in header.words:
            chosen[column] = header.words.index(text)
        else:
            errors[column] = f"文件中没有“{text}”列"
    if errors:
        raise ColumnsUnknown(errors=errors)
    return Header(header.line, header.words, chosen)


def require(header: Header, *, given: Iterable[Column]) -> None:
    """Raise ColumnsUnknown unless every field has a column or a default (`given`)."""
    needed = {*REQUIRED, Column.TYPE, Column.DEVICE} - {*header.places, *given}
    if needed:
        errors = {
            column.value: f"没有识别出“{LABELS[column]}”列" for column in Column if column in needed
        }
        seen = "、".join(word for word in header.words if word) or "空"
        raise ColumnsUnknown(
            f"没有识别出需要的列；第 {header.line} 行的表头是：{seen}", errors=errors
        )
