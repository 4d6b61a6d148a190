"""定期检查: the list, one report, the report as PDF. Maintenance has its routes in app.system."""

from uuid import UUID

from fastapi import Request
from starlette.responses import HTMLResponse, Response

from app.accounts.deps import Admin, Reader
from app.accounts.principal import Permission, Principal
from app.core.forms import pager
from app.core.routing import Router
from app.core.templating import redirect, render
from app.core.web import ClockDep, Paging, Reading, SettingsDep, Writing
from app.errors import Forbidden
from app.inspections import queries, service
from app.inspections.contexts import InspectionPage, InspectionRow, InspectionsPage, SectionView
from app.inspections.examinations import EXAMINATIONS
from app.inspections.models import Inspection, InspectionKind, InspectionState
from app.inspections.section import Section

BASE = "/inspections"
router = Router(prefix=BASE, include_in_schema=False)

KIND_WORDS = {
    InspectionKind.MONTHLY: "月度检查",
    InspectionKind.QUARTERLY: "季度检查",
    InspectionKind.ON_DEMAND: "手工检查",
}
_SCHEDULE = {"monthly": "每月 1 日", "quarterly": "每季度首日"}


def require_whole(principal: Principal) -> None:
    """A report tells of all enterprises: not for who sees some only. Raises Forbidden."""
    if principal.enterprise_ids is not None:
        raise Forbidden("检查报告包含全部企业的数据，您的账号只能查看部分企业")


@router.get("")
def show_inspections(
    request: Request,
    session: Reading,
    principal: Reader,
    settings: SettingsDep,
    paging: Paging,
    confirm: str = "",
) -> HTMLResponse:
    """The list, newest first, and maintenance for admins."""
    require_whole(principal)
    rows, cursor = queries.page(session, paging)
    scheduled = [part.strip() for part in settings.inspection_schedule.split(",")]
    page = InspectionsPage(
        rows=tuple(map(_row, rows)),
        pager=pager(BASE, {"limit": paging.limit}, paging, cursor),
        schedule="、".join(_SCHEDULE[name] for name in scheduled if name in _SCHEDULE),
        can_run=principal.can(Permission.ADMIN),
        asked=confirm,
    )
    return render(request, "inspections/list.html", page)


@router.post("")
def run_inspection(session: Writing, principal: Admin, clock: ClockDep) -> Response:
    """Have one made now."""
    inspection = service.request_inspection(session, principal=principal, clock=clock)
    return redirect(f"{BASE}/{inspection.id}", flash="检查已开始，稍候刷新查看结果")


@router.get("/{inspection_id}")
def show_inspection(
    request: Request, inspection_id: UUID, session: Reading, principal: Reader
) -> HTMLResponse:
    """One report, as far as it is."""
    require_whole(principal)
    inspection = queries.inspection(session, inspection_id)
    sections = sections_of(inspection)
    page = InspectionPage(
        inspection=_row(inspection),
        sections=tuple(map(_section, sections)),
        waiting=len(EXAMINATIONS) - len(sections),
    )
    return render(request, "inspections/detail.html", page)


@router.get("/{inspection_id}/report.pdf")
def print_inspection(inspection_id: UUID, session: Reading, principal: Reader) -> Response:
    """The report as PDF."""
    require_whole(principal)
    return pdf_of(queries.inspection(session, inspection_id))


def pdf_of(inspection: Inspection) -> Response:
    """The report as PDF, for page and API."""
    from app.inspections import pdf  # reportlab takes long to import, and few ask for it

    report = pdf.Report(
        f"{KIND_WORDS[inspection.kind]}报告 {inspection.label}",
        inspection.finished_at or inspection.created_at,
        f"由{inspection.requested_by_name}发起",
        sections_of(inspection),
    )
    name = f"inspection-{inspection.label}.pdf"
    return Response(
        pdf.render(report),
        media_type="application/pdf",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def sections_of(inspection: Inspection) -> list[Section]:
    """The finished parts in the order of the report."""
    found = inspection.sections
    return [Section.from_json(found[name]) for name in EXAMINATIONS if name in found]


def _row(inspection: Inspection) -> InspectionRow:
    return InspectionRow(
        id=str(inspection.id),
        kind=KIND_WORDS[inspection.kind],
        label=inspection.label,
        state=inspection.state.value,
        severity=inspection.severity if inspection.state is InspectionState.DONE else "",
        requested_by=inspection.requested_by_name,
        created_at=inspection.created_at,
        finished_at=inspection.finished_at,
    )


def _section(section: Section) -> SectionView:
    return SectionView(
        section.title,
        section.severity.value,
        section.summary,
        section.remedy,
        section.code,
        section.columns,
        section.rows,
        section.left_out,
    )
