"""The words of a digest of devices near their lock date: a few lines for the inbox, a table for the mail."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

SHOWN_AT_MOST = 10
"""Lines in an inbox; the mail and the page that is linked have them all."""
_HEADER = ("锁死日期", "剩余", "设备", "操作员", "企业")
_BORDER = "border:1px solid #ccc;padding:4px 8px;text-align:left"


def short(data: Mapping[str, Any]) -> str:
    """The most urgent devices, one a line."""
    lines = [_line(one) for one in data["devices"][:SHOWN_AT_MOST]]
    more = len(data["devices"]) - len(lines)
    if more > 0:
        lines.append(f"另有 {more} 台，见清单")
    return "\n".join([*lines, f"怎么办：{data['remedy']}"])


def plain(data: Mapping[str, Any]) -> str:
    """Every device, for mail programs that show no HTML."""
    return "\n".join([*(_line(one) for one in data["devices"]), "", f"怎么办：{data['remedy']}"])


def table(data: Mapping[str, Any], link: str) -> str:
    """Every device as an HTML table; styles stand in the elements, as mail programs want it."""
    head = "".join(f'<th style="{_BORDER}">{escape(word)}</th>' for word in _HEADER)
    rows = "".join(f"<tr>{_cells(one)}</tr>" for one in data["devices"])
    where = f'<a href="{escape(link)}">{escape(link)}</a>' if "://" in link else escape(link)
    return (
        f'<html lang="zh-CN"><body><table style="border-collapse:collapse"><tr>{head}</tr>{rows}'
        f"</table><p>{escape(data['remedy'])}</p><p>查看：{where}</p></body></html>"
    )


def _cells(one: Mapping[str, Any]) -> str:
    return "".join(f'<td style="{_BORDER}">{escape(text)}</td>' for text in _texts(one))


def _line(one: Mapping[str, Any]) -> str:
    return "　".join(_texts(one))


def _texts(one: Mapping[str, Any]) -> Sequence[str]:
    left = one["days_left"]
    return (
        one["lock_date"],
        f"还有 {left} 天" if left else "今天",
        one["device"],
        f"{one['operator']}（{one['operator_code']}）",
        one["enterprise"],
    )
