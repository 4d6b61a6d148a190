"""The overview (/): what the month looks like and what has to be done."""

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class StateCounts:
    """How many operators are in each clearing state."""

    due: int
    running: int
    cleared: int
    failed: int
    locked: int

    @property
    def total(self) -> int:
        """All operators with a state."""
        return self.due + self.running + self.cleared + self.failed + self.locked


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened; `href` leads to it, "" when there is nothing to open."""

    at: datetime
    text: str
    href: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """Something somebody has to do now. `action` is the link's word, e.g. 查看原因."""

    state: str
    text: str
    href: str
    action: str


@dataclass(frozen=True, slots=True)
class MonthCount:
    """Executions in a calendar month, for the chart."""

    month: str
    succeeded: int
    failed: int


@dataclass(frozen=True, slots=True)
class HomePage:
    """dashboard/home.html. The countdown comes from the layout's `deadline`.

    `submitted` is how many requests wait for a review, as the list it links to shows them to this person;
    `reviews`: this person may decide them. `tasks` are the first of `tasks_total`.
    """

    today: date
    period: str
    counts: StateCounts
    devices_connected: int
    devices_total: int
    submitted: int
    reviews: bool
    tasks: tuple[Task, ...]
    tasks_total: int
    events: tuple[Event, ...]
    months: tuple[MonthCount, ...] = ()
