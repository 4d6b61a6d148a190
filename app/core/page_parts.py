"""Parts that many pages share, as plain data for templates/macros.html."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pager:
    """Addresses of the pages around a list's page; None where there is none."""

    next_href: str | None = None
    previous_href: str | None = None
    first_href: str | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """One choice of a filter shown as links. `count` is None where counting costs too much."""

    label: str
    href: str
    current: bool = False
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """One choice of a select: what is sent, and what a person reads."""

    value: str
    label: str
