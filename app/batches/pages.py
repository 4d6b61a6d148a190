"""批量清卡: the list, and one as it runs: watch it, pause, resume, retry, its result (/clearing/batches)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Form, Header, Query, Request
from pydantic import AwareDatetime
from starlette.responses import HTMLResponse, Response, StreamingResponse

from app.accounts.deps import ClearingExecutor, ClearingRetrier, Reader
from app.accounts.principal import Principal
from app.accounts.service.step_up import StepUpFailed, verify_step_up
from app.batches import export as batch_export
from app.batches import order_queries, queries
from app.batches import service as batches
from app.batches.contexts import BatchesPage, BatchRow, BatchView
from app.batches.page_data import build
from app.clearing.models import ClearingBatch
from app.core.db import Database, Session
from app.core.forms import blank_is_none
from app.core.routing import Router
from app.core.tabular import TableFormat, disposition
from app.core.templating import redirect, render
from app.core.web import ClockDep, DatabaseDep, Reading, SettingsDep
from app.records.export import Export

router = Router(prefix="/clearing/batches")

_LIST = 100
Change = Callable[[Session, ClearingBatch], object]
Result = Literal["open", "failed", "needs_attention", "succeeded", "turned_down", "skipped"] | None


@router.get("")
def batch_list(request: Request, session: Reading, principal: Reader) -> HTMLResponse:
    """The batches of late."""
    found = queries.newest_batches(session, principal, limit=_LIST)
    phases = order_queries.phases(session, found)
    rows = tuple(
        BatchRow(
            str(one.id),
            one.number,
            phases[one.id],
            one.reason,
            one.created_by_name,
            one.created_at,
        )
        for one in found
    )
    return render(request, "batches/list.html", BatchesPage(rows))


@router.get("/{batch_id}")
def batch_page(
    batch_id: UUID,
    request: Request,
    session: Reading,
    principal: Reader,
    clock: ClockDep,
    x_fragment: Annotated[str, Header()] = "",
    confirm: Annotated[bool, Query()] = False,
    result: Annotated[Result, Query(), blank_is_none] = None,
    since: Annotated[AwareDatetime | None, Query()] = None,
) -> HTMLResponse:
    """The progress of each request, or what changed `since`; ?confirm=1 shows the dialog of the retry."""
    if x_fragment != "changes":
        since = None
    page = build(session, batch_id, principal, clock, result=result or "", since=since)
    template = "batches/detail.html" if since is None else "batches/changes.html"
    return render(request, template, BatchView(replace(page, dialog_open=confirm)))


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
    principal: ClearingRetrier,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    password: Annotated[str, Form(max_length=200)] = "",
    accepted_warnings: Annotated[list[str] | None, Form(max_length=40)] = None,
) -> Response:
    """重试失败的申请: always safe. Warnings that are not ticked stop their requests again."""

    def change(session: Session, found: ClearingBatch) -> int:
        return batches.retry_failed(
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
            page = build(session, batch_id, principal, clock)
        ticked = tuple(accepted_warnings or ())
        page = replace(page, dialog_open=True, accepted_warnings=ticked, errors=dict(error.errors))
        return render(request, "batches/detail.html", BatchView(page), status_code=error.status)
    return _change(database, batch_id, principal, change)


def _change(database: Database, batch_id: UUID, principal: Principal, change: Change) -> Response:
    with database.transaction() as session:
        queries.visible_batch(session, batch_id, principal)
        done = change(session, queries.locked_batch(session, batch_id))
    flash = "没有失败的申请可以重试，可能已有人重试。" if done == 0 else ""
    return redirect(f"/clearing/batches/{batch_id}", flash=flash, kind="warn")
