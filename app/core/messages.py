"""What pydantic objects to, as people read it: one Chinese sentence for every kind of error it knows."""

from collections.abc import Mapping
from typing import Any

_BOUNDS = {
    "greater_than": "须大于 {gt}",
    "greater_than_equal": "不能小于 {ge}",
    "less_than": "须小于 {lt}",
    "less_than_equal": "不能大于 {le}",
    "multiple_of": "须是 {multiple_of} 的倍数",
    "too_short": "至少要 {min_length} 项",
    "too_long": "最多 {max_length} 项",
    "string_too_long": "太长了，最多 {max_length} 个字",
    "decimal_max_digits": "位数太多，最多 {max_digits} 位",
    "decimal_max_places": "小数最多 {decimal_places} 位",
    "decimal_whole_digits": "整数部分最多 {whole_digits} 位",
    "url_too_long": "地址太长了，最多 {max_length} 个字",
}
_TEXTS = {
    "missing": "必填",
    "missing_argument": "必填",
    "extra_forbidden": "这里没有这一项",
    "enum": "请选择列表中的一项",
    "literal_error": "请选择列表中的一项",
    "uuid_type": "请选择列表中的一项",
    "uuid_parsing": "请选择列表中的一项",
    "uuid_version": "请选择列表中的一项",
    "finite_number": "请填写数字",
    "int_parsing_size": "数字太大了",
    "date_past": "须是过去的日期",
    "date_future": "须是以后的日期",
    "datetime_past": "须是过去的时间",
    "datetime_future": "须是以后的时间",
}
_FAMILIES = {
    "int": "请填写整数",
    "float": "请填写数字",
    "decimal": "请填写数字",
    "bool": "请选择是或否",
    "date": "日期格式不正确",
    "datetime": "时间格式不正确",
    "time": "时间格式不正确",
    "timezone": "时间须带时区",
    "url": "地址格式不正确",
}
_OTHER = "格式不正确"


def message(item: Mapping[str, Any], *, values: bool = False) -> str:
    """The sentence for one of pydantic's errors; a rule of ours speaks for itself.

    `values`: of a choice, which ones there are; they help who writes a program, not who fills in a form.
    """
    kind, context = str(item["type"]), item.get("ctx") or {}
    if values and kind in ("enum", "literal_error"):
        known = str(context.get("expected", "")).replace(" or ", ", ").replace("'", "")
        return f"只能是：{known.replace(', ', '、')}"
    if kind in ("value_error", "assertion_error"):
        return _own(item)
    if kind == "string_too_short":
        least = context.get("min_length", 1)
        return "必填" if least <= 1 else f"至少 {least} 个字"
    if kind in _BOUNDS:
        return _BOUNDS[kind].format_map(context)
    return _TEXTS.get(kind) or _FAMILIES.get(kind.partition("_")[0], _OTHER)


def _own(item: Mapping[str, Any]) -> str:
    """What a validator said; those of libraries speak English, which tells people nothing."""
    said = str(item["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return _OTHER if said.isascii() else said
