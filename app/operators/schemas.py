"""What the API takes and gives for operators."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.core.schemas import ABSENT, Email, Input, Line, LongLine, Name, Patch, Phone
from app.operators.states import ClearingState

OperatorCode = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=40, pattern=r"^[\w.\-/#@]+$"),
]
"""工号: letters, digits and . - / # @ _"""


Preferences = Annotated[
    dict[Annotated[str, StringConstraints(min_length=1, max_length=40)], LongLine],
    Field(max_length=50, description="个人设置 by name"),
]


class OperatorCreate(Input):
    """A new operator."""

    code: OperatorCode
    name: Name
    enterprise_id: UUID
    department: Line = ""
    phone: Phone = ""
    email: Email = ""
    active: bool = True
    preferences: Preferences = Field(default_factory=dict)


class OperatorUpdate(Patch):
    """Changes of an operator. Another enterprise only while the operator holds no device."""

    code: OperatorCode = ABSENT
    name: Name = ABSENT
    enterprise_id: UUID = ABSENT
    department: Line = ABSENT
    phone: Phone = ABSENT
    email: Email = ABSENT
    active: bool = ABSENT
    preferences: Preferences = ABSENT


class OperatorPublic(BaseModel):
    """An operator as the API shows it; `clearing_state` is that of today."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    code: str
    name: str
    enterprise_id: UUID
    department: str
    phone: str
    email: str
    active: bool
    clearing_state: ClearingState
    last_cleared_at: datetime | None
    lock_date: date | None = Field(description="锁死日期: the earliest of the operator's devices")
    device_count: int
    device_numbers: list[str]


class OperatorDetail(OperatorPublic):
    """One operator with the personal settings, which lists leave out."""

    preferences: dict[str, str]
