"""清卡记录: list and detail of the immutable results (/clearing/records)."""

from datetime import datetime
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Request
from starlette.responses import HTMLResponse

from app.accounts.deps import Reader
from app.clearing import figure_lines, outcomes, queries
from app.clearing.models import ClearingRecord
from app.clearing.outcomes import Failure
from app.clearing.states import Outcome
from app.contracts.faults import FAULTS
from app.contracts.operations import OperationStep
from app.core.forms import pager
from app.core.routing import Router
from app.core.templating import render
from app.core.web import Paging, Reading
from app.enterprises.models import Enterprise
from app.records import certificate
from app.records import filters as record_filters
from app.records.contexts import EvidenceStep, RecordPage, RecordRow, RecordsPage, RequestRef
from app.records.filters import RecordFilterDep
from app.records.page_data import backup_ref, certificate_href, outcome_rows

router = Router()


@router.get("/clearing/records")
def record_list(
    request: Request,
    session: Reading,
    principal: Reader,
    paging: Paging,
    wanted: RecordFilterDep,
) -> HTMLResponse:
    """Newest first, with links that export exactly what is filtered."""
    rows, cursor = queries.page_of_records(session, principal, paging, wanted)
    filters = record_filters.texts(wanted)
    page = RecordsPage(
        q=wanted.q,
        period=wanted.period or "",
        result=wanted.result or "",
        limit=paging.limit,
        rows=tuple(record_row(record) for record in rows),
        pager=pager("/clearing/records", {**filters, "limit": paging.limit}, paging, cursor),
        can_export=True,
        export_query=urlencode(filters),
        first=filters.get("from", ""),
        last=filters.get("to", ""),
        operator_id=filters.get("operator_id", ""),
        device_id=filters.get("device_id", ""),
        can_verify=certificate.may_verify(principal),
    )
    return render(request, "records/list.html", page)


@router.get("/clearing/records/{record_id}")
def record_page(
    record_id: UUID, request: Request, session: Reading, principal: Reader
) -> HTMLResponse:
    """One record with its evidence."""
    record = queries.record(session, record_id, principal)
    asked = queries.request(session, record.request_id)
    page = RecordPage(
        id=str(record.id),
        result=record.result,
        operator_id=str(record.operator_id),
        operator_name=record.operator_name,
        enterprise=session.get_one(Enterprise, record.enterprise_id).name,
        device_number=record.device_number,
        request=RequestRef(str(asked.id), asked.number, asked.state),
        period=record.period,
        mode=record.mode,
        kind=record.kind,
        scope=record.scope,
        invoice_types=tuple(record.invoice_types),
        simulated_device=record.simulated,
        failure=_failure(record),
        started_at=record.started_at,
        finished_at=record.finished_at,
        duration_seconds=_seconds(record.started_at, record.finished_at),
        executed_by=record.executed_by_name,
        approved_by=record.approved_by_name or "",
        lock_date_before=record.lock_date_before,
        lock_date_after=record.lock_date_after,
        invoices_cleared=record.invoices_cleared,
        amount=record.amount,
        tax=record.tax,
        backup=backup_ref(session, record.backup_id),
        outcomes=tuple(outcome_rows(record.device_number, record.evidence.get("types", []))),
        steps=tuple(map(_step, record.evidence.get("steps", []))),
        certificate_href=certificate_href(record),
        outcome=outcomes.of_record(record) or "",
        remaining_said=_left(record),
        next_lock_date=record.next_lock_date,
        figures=figure_lines.lines(figure_lines.of_record(record)),
    )
    return render(request, "records/detail.html", page)


def record_row(record: ClearingRecord) -> RecordRow:
    """One line of a list of records."""
    sides = figure_lines.of_record(record)
    device, outcome = sides.total_device, outcomes.of_record(record)
    if outcome is Outcome.ALREADY:
        device = None
    return RecordRow(
        id=str(record.id),
        finished_at=record.finished_at,
        operator_name=record.operator_name,
        device_number=record.device_number,
        period=record.period,
        mode=record.mode,
        scope=record.scope,
        result=record.result,
        lock_date_before=record.lock_date_before,
        lock_date_after=record.lock_date_after,
        invoices_cleared=record.invoices_cleared if device is None else device.count,
        amount=record.amount if device is None else device.net.amount,
        executed_by=record.executed_by_name,
        simulated=record.simulated,
        outcome=outcome or "",
        remaining_said=_left(record),
        differs=any(line.differs for line in figure_lines.lines(sides)),
    )


def _left(record: ClearingRecord) -> str:
    return outcomes.sentence((), outcomes.from_json(record.remaining) or ())


def _step(raw: dict[str, object]) -> EvidenceStep:
    step = OperationStep.model_validate(raw)
    return EvidenceStep(
        step.finished_at or step.started_at,
        step.name,
        step.invoice_type or "",
        step.state,
        step.message,
        step.device_code,
    )


def _failure(record: ClearingRecord) -> Failure | None:
    if record.error_code is None:
        return None
    known = FAULTS.get(record.error_code)
    return Failure(
        record.error_code,
        record.error_message or "",
        known.remedy if known else "",
        record.evidence.get("device_code", ""),
        record.evidence.get("device_message", ""),
    )


def _seconds(start: datetime, end: datetime) -> int:
    return max(0, round((end - start).total_seconds()))
