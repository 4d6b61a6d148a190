"""What the API takes in and gives out about the calendar."""

from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.calendar.rules import Source
from app.contracts.periods import Period
from app.core.schemas import Input, LongName

FIRST_YEAR, LAST_YEAR = 2000, 2099
"""The calendar knows these years."""

Region = Annotated[str, StringConstraints(pattern=r"^[0-9]{0,11}$")]
"""How the codes of the tax authorities concerned begin; empty: all of them."""


class FilingDeadlinePublic(BaseModel):
    """The last day to file and clear in a calendar month, which is for the period before it."""

    model_config = ConfigDict(from_attributes=True)

    month: Period
    deadline: date
    source: Source
    notice: str = Field(description="number of the notice, empty where there is none")


class OverrideCreate(Input):
    """A deadline moved by a notice; replaces an earlier one of the same month and region."""

    month: Period
    region: Region = ""
    deadline: date
    notice: LongName = Field(description="number of the notice that moved the deadline")


class OverridePublic(FilingDeadlinePublic):
    """A stored override."""

    id: UUID
    region: str
    created_by: str
