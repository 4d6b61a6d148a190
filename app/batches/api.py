"""REST API of batches: many operators with one confirmation."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query, Response
from starlette.responses import StreamingResponse

from app.accounts.deps import ClearingExecutor, ClearingRequester, ClearingRetrier, Reader
from app.accounts.service.step_up import verify_step_up
from app.batches import export as batch_export
from app.batches import queries
from app.batches import service as batches
from app.batches.public import batch_public
from app.batches.schemas import BatchCreate, BatchPublic, RetryFailedBody
from app.core.routing import Router
from app.core.tabular import TableFormat, disposition
from app.core.web import ClockDep, DatabaseDep, Reading, SettingsDep, Writing
from app.records.export import Export

router = Router(prefix="/clearing-batches", tags=["批量清卡"])


@router.post("", status_code=202)
def create_batch(
    data: BatchCreate,
    principal: ClearingRequester,
    database: DatabaseDep,
    session: Writing,
    settings: SettingsDep,
    clock: ClockDep,
    response: Response,
) -> BatchPublic:
    """Clear many operators: the batch is kept at once, its requests are made in portions from then on.

    Those whose enterprise wants a review wait for it, unless who asks may execute.
    """
    with database.reading() as before:
        planned = batches.plan(
            before, principal=principal, settings=settings, clock=clock, data=data
        )
    if planned.proof:
        verify_step_up(database, principal, data.password, settings=settings, clock=clock)
    made = batches.open_batch(
        session,
        planned,
        principal=principal,
        settings=settings,
        clock=clock,
        data=data,
        proven=planned.proof,
    )
    response.headers["Location"] = f"/api/v1/clearing-batches/{made.id}"
    return batch_public(session, made, principal)


@router.get("/{batch_id}")
def get_batch(batch_id: UUID, session: Reading, principal: Reader) -> BatchPublic:
    """Counts by state and the requests; while it is `preparing`, `waiting` operators have none yet."""
    return batch_public(session, queries.visible_batch(session, batch_id, principal), principal)


@router.post("/{batch_id}/pause")
def pause_batch(
    batch_id: UUID, principal: ClearingExecutor, session: Writing, clock: ClockDep
) -> BatchPublic:
    """Start no further request; what runs goes on."""
    queries.visible_batch(session, batch_id, principal)
    found = queries.locked_batch(session, batch_id)
    batches.pause(session, found, principal=principal, clock=clock)
    return batch_public(session, found, principal)


@router.post("/{batch_id}/resume")
def resume_batch(
    batch_id: UUID, principal: ClearingExecutor, session: Writing, clock: ClockDep
) -> BatchPublic:
    """Go on."""
    queries.visible_batch(session, batch_id, principal)
    found = queries.locked_batch(session, batch_id)
    batches.resume(session, found, principal=principal, clock=clock)
    return batch_public(session, found, principal)


@router.post("/{batch_id}/retry-failed", status_code=202)
def retry_failed(
    batch_id: UUID,
    principal: ClearingRetrier,
    database: DatabaseDep,
    session: Writing,
    settings: SettingsDep,
    clock: ClockDep,
    body: RetryFailedBody | None = None,
) -> BatchPublic:
    """Have the failed requests of the batch tried again, with these warnings accepted. Always safe.

    Those you may see; 403 when you may try none of them again. They start in portions; what can't be tried again is named in `retries`, with its reason.
    """
    body = body or RetryFailedBody()
    # What is foreign is not there, before anything is asked. The step-up commits by itself, so before `session` begins.
    with database.reading() as looking:
        queries.visible_batch(looking, batch_id, principal)
    verify_step_up(database, principal, body.password, settings=settings, clock=clock)
    found = queries.locked_batch(session, batch_id)
    batches.retry_failed(
        session,
        found,
        principal=principal,
        clock=clock,
        accepted_warnings=body.accepted_warnings,
    )
    return batch_public(session, found, principal)


_FILES = {
    200: {
        "content": {
            TableFormat(kind).media_type: {"schema": {"type": "string"}} for kind in ("xlsx", "csv")
        }
    }
}


@router.get("/{batch_id}/result", response_class=StreamingResponse, responses=_FILES)  # type: ignore[arg-type]
def export_result(
    batch_id: UUID,
    database: DatabaseDep,
    principal: Reader,
    clock: ClockDep,
    wanted_format: Annotated[Literal["xlsx", "csv"], Query(alias="format")] = "xlsx",
) -> StreamingResponse:
    """What came of each operator and device, also of those left out, as a file."""
    kind = TableFormat(wanted_format)
    chunks = batch_export.export_result(database, batch_id, Export(kind, principal, clock))
    headers = disposition("clearing-batch", "批量清卡结果", kind)
    return StreamingResponse(chunks, media_type=kind.media_type, headers=headers)
