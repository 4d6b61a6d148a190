"""What the pages of inspections show; the rules are those of app/clearing/contexts."""

from dataclasses import dataclass
from datetime import datetime

from app.core.page_parts import Pager


@dataclass(frozen=True, slots=True)
class InspectionRow:
    """One inspection. `severity` is ok, warning, blocking, or "" until it is done."""

    id: str
    kind: str
    label: str
    state: str
    severity: str
    requested_by: str
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class InspectionsPage:
    """inspections/list.html. `asked` names the dialog that is open: vacuum, optimize, clean or ""."""

    rows: tuple[InspectionRow, ...]
    pager: Pager
    schedule: str
    can_run: bool
    asked: str


@dataclass(frozen=True, slots=True)
class SectionView:
    """One part of the report."""

    title: str
    severity: str
    summary: str
    remedy: str
    code: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class InspectionPage:
    """inspections/detail.html. `waiting` counts the parts still to come."""

    inspection: InspectionRow
    sections: tuple[SectionView, ...]
    waiting: int
