"""What is known beforehand of a batch: the things that need care, and of whom."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that needs care, and of whom: a device with its operator, an enterprise, the system."""

    who: str
    code: str
    message: str
    remedy: str
    operator_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Foresight:
    """Warnings to be accepted, what is going to fail, and since when the oldest reading is.

    `unread`: some device was never read; `zombies`: some operator is left out for that.
    """

    warnings: tuple[Case, ...] = ()
    blockers: tuple[Case, ...] = ()
    read_since: datetime | None = None
    unread: bool = False
    zombies: bool = False
