"""Tables of calendar: deadlines moved by a notice, for everybody or for one region."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.core.columns import UtcDateTime
from app.core.ids import new_id


class CalendarOverride(SQLModel, table=True):
    """A deadline that replaces the statutory one of `month` (YYYY-MM).

    `region` is how the codes of the tax authorities concerned begin, "" for all; the longest one
    that fits wins. `notice` is the number of the notice that moved the deadline.
    """

    __tablename__ = "calendar_overrides"
    __table_args__: Any = (
        sa.UniqueConstraint("month", "region"),
        sa.CheckConstraint("length(month) = 7", name="month"),
        sa.CheckConstraint("notice <> ''", name="notice"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    month: str = Field(max_length=7)
    region: str = Field(default="", max_length=11)
    deadline: date
    notice: str = Field(max_length=200)
    created_by: str = Field(max_length=200)
    """Name of who set it last; the audit trail has all of it."""
    created_at: datetime = Field(sa_type=UtcDateTime)
