"""REST API of what comes of clearing records: exports and certificates."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from starlette.responses import StreamingResponse

from app.accounts.deps import Reader
from app.clearing import queries
from app.clearing.public import record_public
from app.clearing.record_schemas import RecordPublic
from app.core.pagination import Page
from app.core.routing import Router
from app.core.tabular import TableFormat, disposition
from app.core.web import ClockDep, DatabaseDep, Paging, Reading, SettingsDep
from app.records import certificate
from app.records import export as records_export
from app.records.export import Export
from app.records.filters import RecordFilterDep

router = Router(prefix="/clearing-records", tags=["清卡"])

_FILES = {
    200: {"content": {kind.media_type: {"schema": {"type": "string"}} for kind in TableFormat}}
}
_PDF = {200: {"content": {"application/pdf": {"schema": {"type": "string"}}}}}


@router.get("/export", response_class=StreamingResponse, responses=_FILES)  # type: ignore[arg-type]
def export_records(
    database: DatabaseDep,
    principal: Reader,
    clock: ClockDep,
    wanted: RecordFilterDep,
    kind: Annotated[TableFormat, Query(alias="format")] = TableFormat.XLSX,
) -> StreamingResponse:
    """The clearing records of the same filters as the list, all of them, as a file."""
    chunks = records_export.export_records(database, wanted, Export(kind, principal, clock))
    headers = disposition("clearing-records", "清卡记录", kind)
    return StreamingResponse(chunks, media_type=kind.media_type, headers=headers)


@router.get("")
def list_records(
    session: Reading,
    principal: Reader,
    page: Paging,
    wanted: RecordFilterDep,
) -> Page[RecordPublic]:
    """Clearing records, newest first."""
    rows, cursor = queries.page_of_records(session, principal, page, wanted)
    return Page(items=[record_public(row) for row in rows], next_cursor=cursor)


@router.get("/{record_id}/certificate", response_class=Response, responses=_PDF)  # type: ignore[arg-type]
def record_certificate(
    record_id: UUID, session: Reading, principal: Reader, settings: SettingsDep, clock: ClockDep
) -> Response:
    """清卡凭证 as PDF. 409 `certificate.unavailable` for a record that is no success."""
    record = queries.record(session, record_id, principal)
    found = certificate.certificate_of(session, record, settings=settings)
    # Asked for rarely, and reportlab would make every start slower.
    from app.records import certificate_pdf

    content = certificate_pdf.render(found, printed_at=clock())
    name = f"certificate-{record.device_number}-{record.period}.pdf"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type="application/pdf", headers=headers)


@router.get("/{record_id}")
def get_record(record_id: UUID, session: Reading, principal: Reader) -> RecordPublic:
    """One record."""
    return record_public(queries.record(session, record_id, principal))
