"""What the page of the filing calendar shows; the rules are those of app/clearing/contexts."""

from dataclasses import dataclass, field
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class MonthRow:
    """The deadline of a month. `source`: published, rule or override."""

    month: str
    deadline: date
    source: str
    notice: str


@dataclass(frozen=True, slots=True)
class OverrideRow:
    """A deadline moved by a notice; an empty `region` is everywhere."""

    id: str
    month: str
    region: str
    deadline: date
    notice: str
    created_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class OverrideForm:
    """What was typed for a notice."""

    month: str = ""
    region: str = ""
    deadline: str = ""
    notice: str = ""


@dataclass(frozen=True, slots=True)
class CalendarPage:
    """calendar/year.html. `asked`: create, the id of an override to remove, or empty.

    `year_error` says why another year than the one asked for is shown.
    """

    year: int
    region: str
    previous_href: str
    next_href: str
    months: tuple[MonthRow, ...]
    overrides: tuple[OverrideRow, ...]
    form: OverrideForm
    can_change: bool = False
    asked: str = ""
    year_error: str = ""
    errors: dict[str, str] = field(default_factory=dict)
