"""批量清卡: the list, and one as it runs: watch it, pause, resume, retry, its result (/clearing/batches)."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Form, Header, Query, Request
from starlette.responses import HTMLResponse, Response, StreamingResponse

from app.accounts.deps import ClearingExecutor, Reader
from app.accounts.principal import Permission, Principal
from app.accounts.service.step_up import StepUpFailed, verify_step_up
from app.clearing import batch_export, queries
from app.clearing.batch_warnings import grouped
from app.clearing.contexts.batches import (
    BatchesPage,
    BatchPage,
    BatchRow,
    SkippedRow,
    WarningGroup,
)
from app.clearing.contexts.requests import RequestRow
from app.clearing.foresight import Case
from app.clearing.models import ClearingBatch, ClearingRequest
from app.clearing.records_export import Export
from app.clearing.service import batch as batches
from app.clearing.states import ENDED_STATES, RequestState
from app.core.db import Database, Session
from app.core.routing import Router
from app.core.tabular import TableFormat, disposition
from app.core.templating import redirect, render
from app.core.web import ClockDep, DatabaseDep, Reading, SettingsDep

router = Router(prefix="/clearing/batches")

_LIST = 100
Change = Callable[[Session, ClearingBatch], None]


@router.get("")
def batch_list(request: Request, session: Reading, principal: Reader) -> HTMLResponse:
    """The batches of late."""
    found = queries.newest_batches(session, principal, limit=_LIST)
    rows = tuple(
        BatchRow(
            str(one.id), one.number, one.state, one.reason, one.created_by_name, one.created_at
        )
        for one in found
    )
    return render(request, "clearing/batches.html", BatchesPage(rows))


@router.get("/{batch_id}")
def batch_page(
    batch_id: UUID,
    request: Request,
    session: Reading,
    principal: Reader,
    x_fragment: Annotated[str, Header()] = "",
    confirm: Annotated[bool, Query()] = False,
) -> HTMLResponse:
    """The progress of each request; ?confirm=1 shows the dialog of the retry."""
    page = replace(_page(session, batch_id, principal), dialog_open=confirm)
    template = "clearing/batch_rows.html" if x_fragment == "rows" else "clearing/batch.html"
    return render(request, template, page)


def _page(session: Session, batch_id: UUID, principal: Principal) -> BatchPage:
    found = queries.visible_batch(session, batch_id, principal)
    rows = queries.rows_of_batch(session, batch_id, principal)
    counts = {
        state.value: count for state, count in queries.batch_counts(session, batch_id).items()
    }
    done = sum(count for state, count in counts.items() if state in ENDED_STATES)
    return BatchPage(
        id=str(found.id),
        number=found.number,
        state=found.state,
        reason=found.reason,
        created_by=found.created_by_name,
        created_at=found.created_at,
        total=len(rows),
        done=done,
        counts=counts,
        rows=tuple(
            RequestRow(
                id=str(row.id),
                number=row.number,
                state=row.state,
                operator_name=name,
                enterprise=enterprise,
                period=row.period,
                mode=row.mode,
                scope=row.scope,
                requested_by=row.requested_by_name,
                created_at=row.created_at,
                progress=row.progress,
                message=row.error_message or row.message,
            )
            for row, name, enterprise in rows
        ),
        skipped=tuple(SkippedRow(**one) for one in found.skipped),
        live=done < len(rows),
        can_control=principal.can(Permission.CLEARING_EXECUTE),
        warnings=_open_warnings(rows),
    )


def _open_warnings(rows: Sequence[tuple[ClearingRequest, str, str]]) -> tuple[WarningGroup, ...]:
    """At which failed requests stopped."""
    return grouped(
        Case(f"{name}（{row.number}）", **one)
        for row, name, _ in rows
        if row.state is RequestState.FAILED
        for one in row.open_warnings
    )


@router.get("/{batch_id}/result")
def result(
    batch_id: UUID,
    database: DatabaseDep,
    principal: Reader,
    clock: ClockDep,
    wanted_format: Annotated[Literal["xlsx", "csv"], Query(alias="format")] = "xlsx",
) -> StreamingResponse:
    """导出结果: every operator and device, also those left out."""
    kind = TableFormat(wanted_format)
    chunks = batch_export.export_result(database, batch_id, Export(kind, principal, clock))
    headers = disposition("clearing-batch", "批量清卡结果", kind)
    return StreamingResponse(chunks, media_type=kind.media_type, headers=headers)


@router.post("/{batch_id}/pause")
def pause(
    batch_id: UUID, principal: ClearingExecutor, database: DatabaseDep, clock: ClockDep
) -> Response:
    """暂停."""

    def change(session: Session, found: ClearingBatch) -> None:
        batches.pause(session, found, principal=principal, clock=clock)

    return _change(database, batch_id, principal, change)


@router.post("/{batch_id}/resume")
def resume(
    batch_id: UUID, principal: ClearingExecutor, database: DatabaseDep, clock: ClockDep
) -> Response:
    """继续."""

    def change(session: Session, found: ClearingBatch) -> None:
        batches.resume(session, found, principal=principal, clock=clock)

    return _change(database, batch_id, principal, change)


@router.post("/{batch_id}/retry-failed")
def retry_failed(
    batch_id: UUID,
    request: Request,
    principal: ClearingExecutor,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    password: Annotated[str, Form(max_length=200)] = "",
    accepted_warnings: Annotated[list[str] | None, Form(max_length=40)] = None,
) -> Response:
    """重试失败的申请: always safe. Warnings that are not ticked stop their requests again."""

    def change(session: Session, found: ClearingBatch) -> None:
        batches.retry_failed(
            session,
            found,
            principal=principal,
            clock=clock,
            accepted_warnings=accepted_warnings,
        )

    try:
        verify_step_up(database, principal, password, settings=settings, clock=clock)
    except StepUpFailed as error:
        with database.reading() as session:
            page = _page(session, batch_id, principal)
        ticked = tuple(accepted_warnings or ())
        page = replace(page, dialog_open=True, accepted_warnings=ticked, errors=dict(error.errors))
        return render(request, "clearing/batch.html", page, status_code=error.status)
    return _change(database, batch_id, principal, change)


def _change(database: Database, batch_id: UUID, principal: Principal, change: Change) -> Response:
    with database.transaction() as session:
        queries.visible_batch(session, batch_id, principal)
        change(session, queries.locked_batch(session, batch_id))
    return redirect(f"/clearing/batches/{batch_id}")
