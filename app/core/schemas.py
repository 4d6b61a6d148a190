"""Bases and field types of the schemas the API takes in."""

import unicodedata
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

ABSENT: Any = None
"""Default of a field of a `Patch` that was not sent; never read, see `Patch.changes`."""


def _printable(text: str) -> str:
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in text):
        raise ValueError("不能含有控制字符")
    return text


Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100),
    AfterValidator(_printable),
]
"""A name on one line, not empty."""

LongName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_printable),
]
"""A company's name."""

Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=100),
    AfterValidator(_printable),
]
"""Text on one line, may be empty."""

LongLine = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=200),
    AfterValidator(_printable),
]
"""Longer text on one line, may be empty."""

Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=500),
    AfterValidator(_printable),
]
"""Why something was done by hand; required."""

Phone = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=40, pattern=r"^[0-9+() \-转#*]*$"),
]
"""A telephone number as people write it, may be empty."""

Email = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        max_length=254,
        pattern=r"^$|^[^@\s\x00-\x1f\x7f<>,;]+@[^@\s\x00-\x1f\x7f<>,;]+\.[^@\s\x00-\x1f\x7f<>,;.]+$",
    ),
]
"""An e-mail address, may be empty. Whether it exists only a message can tell."""

SearchText = Annotated[
    str | None, Field(max_length=200, description="words; every one has to match, any order")
]
"""`?q=` of a list."""


class Input(BaseModel):
    """Base of what is sent to create or do something: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


def _without_defaults(schema: dict[str, Any]) -> None:
    for field in schema.get("properties", {}).values():
        field.pop("default", None)


class Patch(BaseModel):
    """Base of PATCH bodies: only what was sent changes; null only where `nullable` allows it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_without_defaults)

    nullable: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _no_null(cls, data: Any) -> Any:
        if isinstance(data, dict):
            nulls = [name for name, value in data.items() if value is None]
            if any(name in cls.model_fields and name not in cls.nullable for name in nulls):
                raise ValueError(f"不能为 null：{'、'.join(sorted(map(str, nulls)))}")
        return data

    def changes(self) -> dict[str, Any]:
        """The fields that were sent."""
        return {name: getattr(self, name) for name in self.model_fields_set}
