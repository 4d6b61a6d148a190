"""REST API of the calendar."""

from typing import Annotated
from uuid import UUID

from fastapi import Path, Query

from app.accounts.deps import Admin, Reader
from app.calendar import service
from app.calendar.models import CalendarOverride
from app.calendar.rules import Source
from app.calendar.schemas import (
    FIRST_YEAR,
    LAST_YEAR,
    FilingDeadlinePublic,
    OverrideCreate,
    OverridePublic,
    Region,
)
from app.contracts.periods import Period
from app.core.routing import Router
from app.core.web import ClockDep, Reading, Writing

router = Router(prefix="/calendar", tags=["征期日历"])

Year = Annotated[
    str, Path(description=f"{FIRST_YEAR} to {LAST_YEAR}; others: calendar.year_out_of_range")
]
RegionQuery = Annotated[Region, Query(description="code of a tax authority, for regional notices")]


@router.get("/{year}")
def filing_deadlines(
    year: Year, session: Reading, _: Reader, region: RegionQuery = ""
) -> list[FilingDeadlinePublic]:
    """The deadlines of the twelve months: published, by rule (推算), or overridden."""
    found = service.deadlines_of_year(session, service.known_year(year), region=region)
    return [FilingDeadlinePublic.model_validate(deadline) for deadline in found]


@router.post("/overrides", status_code=201)
def set_override(
    data: OverrideCreate, session: Writing, principal: Admin, clock: ClockDep
) -> OverridePublic:
    """Move a deadline by a notice, for all or for one region."""
    override = service.set_override(
        session,
        month=data.month,
        region=data.region,
        deadline=data.deadline,
        notice=data.notice,
        actor=principal.actor,
        at=clock(),
    )
    return _public(override)


@router.delete("/overrides/{override_id}", status_code=204)
def remove_override(override_id: UUID, session: Writing, principal: Admin, clock: ClockDep) -> None:
    """Go back to the published deadline, or the one by rule."""
    service.remove_override(session, override_id=override_id, actor=principal.actor, at=clock())


def _public(override: CalendarOverride) -> OverridePublic:
    return OverridePublic(
        id=override.id,
        month=Period(override.month),
        region=override.region,
        deadline=override.deadline,
        source=Source.OVERRIDE,
        notice=override.notice,
        created_by=override.created_by,
    )
