"""REST API of batches: many operators with one confirmation."""

from uuid import UUID

from fastapi import APIRouter, Response

from app.accounts.deps import ClearingExecutor, ClearingRequester, Reader
from app.accounts.principal import Permission
from app.accounts.service.step_up import verify_step_up
from app.clearing import queries
from app.clearing.public import batch_public
from app.clearing.schemas import BatchCreate, BatchPublic
from app.clearing.service import batch as batches
from app.core.web import ClockDep, DatabaseDep, Reading, SettingsDep

router = APIRouter(prefix="/clearing-batches", tags=["批量清卡"])


@router.post("", status_code=202)
def create_batch(
    data: BatchCreate,
    principal: ClearingRequester,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    response: Response,
) -> BatchPublic:
    """Clear many operators. With `clearing:execute` it starts at once; else each waits for review."""
    if principal.can(Permission.CLEARING_EXECUTE):
        verify_step_up(database, principal, data.password, settings=settings, clock=clock)
    with database.transaction() as session:
        made = batches.create_batch(
            session, principal=principal, settings=settings, clock=clock, data=data
        )
        response.headers["Location"] = f"/api/v1/clearing-batches/{made.id}"
        return batch_public(session, made, principal)


@router.get("/{batch_id}")
def get_batch(batch_id: UUID, session: Reading, principal: Reader) -> BatchPublic:
    """Counts by state and the requests."""
    return batch_public(session, queries.visible_batch(session, batch_id, principal), principal)


@router.post("/{batch_id}/pause")
def pause_batch(
    batch_id: UUID, principal: ClearingExecutor, database: DatabaseDep, clock: ClockDep
) -> BatchPublic:
    """Start no further request; what runs goes on."""
    with database.transaction() as session:
        queries.visible_batch(session, batch_id, principal)
        found = queries.locked_batch(session, batch_id)
        batches.pause(session, found, principal=principal, clock=clock)
        return batch_public(session, found, principal)


@router.post("/{batch_id}/resume")
def resume_batch(
    batch_id: UUID, principal: ClearingExecutor, database: DatabaseDep, clock: ClockDep
) -> BatchPublic:
    """Go on."""
    with database.transaction() as session:
        queries.visible_batch(session, batch_id, principal)
        found = queries.locked_batch(session, batch_id)
        batches.resume(session, found, principal=principal, clock=clock)
        return batch_public(session, found, principal)


@router.post("/{batch_id}/retry-failed", status_code=202)
def retry_failed(
    batch_id: UUID, principal: ClearingExecutor, database: DatabaseDep, clock: ClockDep
) -> BatchPublic:
    """Run every failed request of the batch again. Always safe."""
    with database.transaction() as session:
        queries.visible_batch(session, batch_id, principal)
        found = queries.locked_batch(session, batch_id)
        batches.retry_failed(session, found, principal=principal, clock=clock)
        return batch_public(session, found, principal)
