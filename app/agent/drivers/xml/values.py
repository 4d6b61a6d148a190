"""Values in the messages: dates of 8 to 14 digits, amounts in yuan, numbers. Raises `MessageInvalid`."""

from datetime import date, datetime
from decimal import Decimal, InvalidOperation

from app.agent.drivers.xml.messages import Fields, MessageInvalid

_FORMATS = {14: "%Y%m%d%H%M%S", 12: "%Y%m%d%H%M", 8: "%Y%m%d"}


def required(fields: Fields, name: str) -> str:
    """The text of a field that must be there."""
    text = fields.get(name, "")
    if not text:
        raise MessageInvalid(f"应答缺少 {name}")
    return text


def moment(fields: Fields, name: str) -> datetime:
    """A time of the device's own clock (naive): 14, 12 or 8 digits."""
    text = required(fields, name)
    pattern = _FORMATS.get(len(text))
    if pattern is None or not (text.isascii() and text.isdigit()):
        raise MessageInvalid(f"{name} 不是时间：{text!r}")
    try:
        return datetime.strptime(text, pattern)
    except ValueError as error:
        raise MessageInvalid(f"{name} 不是时间：{text!r}") from error


def optional_moment(fields: Fields, name: str) -> datetime | None:
    """Like `moment`; None when it is empty or all zeros, as never having happened is written."""
    return moment(fields, name) if fields.get(name, "").strip("0") else None


def day(fields: Fields, name: str) -> date:
    """A date: the first 8 of 8 or 14 digits."""
    return moment(fields, name).date()


def number(fields: Fields, name: str) -> int:
    """A whole number, not negative."""
    value = optional_number(fields, name)
    if value is None:
        raise MessageInvalid(f"应答缺少 {name}")
    return value


def optional_number(fields: Fields, name: str) -> int | None:
    """Like `number`; None when it is empty."""
    text = fields.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise MessageInvalid(f"{name} 不是整数：{text!r}")
    return int(text)


def amount(fields: Fields, name: str) -> Decimal:
    """An amount in yuan; empty is nothing."""
    return optional_amount(fields, name) or Decimal(0)


def optional_amount(fields: Fields, name: str) -> Decimal | None:
    """An amount in yuan; None when it is empty."""
    text = fields.get(name, "")
    if not text:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise MessageInvalid(f"{name} 不是金额：{text!r}") from error
    if not value.is_finite():
        raise MessageInvalid(f"{name} 不是金额：{text!r}")
    return value
