"""Pre-checks as pages show them."""

from dataclasses import dataclass
from typing import NamedTuple


class Link(NamedTuple):
    """Where something can be done about it."""

    words: str
    href: str


@dataclass(frozen=True, slots=True)
class CheckItem:
    """One pre-check: severity ok, unknown, warning or blocking; the remedy is shown unless ok.

    `evidence` is what it looked at: label and value. `device_number` is "" for what concerns none;
    `accepted` says that somebody has accepted the warning. `links` lead to what has to be dealt with.
    """

    severity: str
    message: str
    remedy: str = ""
    code: str = ""
    device_number: str = ""
    evidence: tuple[tuple[str, str], ...] = ()
    accepted: bool = False
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class WarningItem:
    """A pre-check that needs care and has to be accepted by hand before the clearing starts."""

    code: str
    message: str
    remedy: str
