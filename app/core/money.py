"""Amounts of money: Decimal yuan with two places."""

from decimal import Decimal
from typing import Annotated

from pydantic import PlainSerializer, WithJsonSchema

ZERO = Decimal("0.00")

Money = Annotated[
    Decimal,
    PlainSerializer(lambda value: f"{value:.2f}", return_type=str, when_used="json"),
    WithJsonSchema(
        {"type": "string", "pattern": r"^-?\d+(\.\d{1,2})?$", "examples": ["1284330.00"]}
    ),
]
"""A decimal string in JSON, never a float."""


def yuan(value: Decimal) -> str:
    """As people read it: thousands separators and two decimals."""
    return f"{value:,.2f}"
