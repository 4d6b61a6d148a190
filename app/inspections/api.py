"""REST API of inspections."""

from datetime import datetime
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel

from app.accounts.deps import Admin, Reader
from app.core.pagination import Page
from app.core.routing import Router
from app.core.web import ClockDep, Paging, Reading, Writing
from app.inspections import queries, service
from app.inspections.models import Inspection, InspectionKind, InspectionState
from app.inspections.pages import pdf_of, require_whole, sections_of
from app.inspections.section import Severity

router = Router(prefix="/inspections", tags=["定期检查"])


class SectionPublic(BaseModel):
    """One part of a report; `rows` fit under `columns`, `left_out` says how many more there are."""

    title: str
    severity: Severity
    summary: str
    remedy: str
    columns: list[str]
    rows: list[list[str]]
    left_out: int


class InspectionPublic(BaseModel):
    """An inspection. `severity` is empty until it is done."""

    id: UUID
    kind: InspectionKind
    label: str
    state: InspectionState
    severity: str
    requested_by_name: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, row: Inspection) -> "InspectionPublic":
        """From the row."""
        return cls(**row.model_dump(include=set(cls.model_fields)))


class InspectionDetail(InspectionPublic):
    """With its report, as far as it is."""

    sections: list[SectionPublic]

    @classmethod
    def of(cls, row: Inspection) -> "InspectionDetail":
        """From the row."""
        sections = [
            SectionPublic.model_validate(section, from_attributes=True)
            for section in sections_of(row)
        ]
        return cls(**InspectionPublic.of(row).model_dump(), sections=sections)


@router.get("")
def list_inspections(session: Reading, principal: Reader, page: Paging) -> Page[InspectionPublic]:
    """Inspections, newest first."""
    require_whole(principal)
    rows, cursor = queries.page(session, page)
    return Page(items=[InspectionPublic.of(row) for row in rows], next_cursor=cursor)


@router.post("", status_code=202)
def run_inspection(
    session: Writing, principal: Admin, clock: ClockDep, response: Response
) -> InspectionPublic:
    """Have an inspection made now; follow it by GET."""
    inspection = service.request_inspection(session, principal=principal, clock=clock)
    response.headers["Location"] = f"/api/v1/inspections/{inspection.id}"
    return InspectionPublic.of(inspection)


@router.get("/{inspection_id}")
def get_inspection(inspection_id: UUID, session: Reading, principal: Reader) -> InspectionDetail:
    """One inspection with its report."""
    require_whole(principal)
    return InspectionDetail.of(queries.inspection(session, inspection_id))


@router.get(
    "/{inspection_id}/report",
    response_class=Response,
    responses={200: {"content": {"application/pdf": {"schema": {"type": "string"}}}}},
)
def print_inspection(inspection_id: UUID, session: Reading, principal: Reader) -> Response:
    """The report as PDF."""
    require_whole(principal)
    return pdf_of(queries.inspection(session, inspection_id))
