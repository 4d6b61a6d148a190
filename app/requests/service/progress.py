"""What a request shows while it runs: stages, percentage, the last message, the process log."""

from datetime import datetime

from app.clearing import queries
from app.clearing.models import ClearingEvent, ClearingRequest
from app.clearing.states import STAGES, Stage, StageState
from app.core.db import Session

STARTS_AT = {Stage.INIT: 0, Stage.BACKUP: 10, Stage.CLEAR: 30, Stage.DONE: 90}
"""Percentage at which a stage starts."""

_MAX_TEXT = 500


def restart(session: Session, request: ClearingRequest) -> None:
    """All stages wait again; the log goes on."""
    for stage in queries.stages(session, request.id):
        stage.state, stage.message = StageState.WAITING, ""
        stage.started_at = stage.finished_at = None
        session.add(stage)
    request.stage, request.progress, request.message = Stage.INIT, 0, "等待执行"
    request.error_code = request.error_message = request.error_remedy = None
    request.error_device_code = request.error_device_message = None
    request.outcome = request.cleared = request.remaining = request.next_lock_date = None
    session.add(request)


def begin_stage(
    session: Session, request: ClearingRequest, stage: Stage, text: str, at: datetime
) -> None:
    """The stage runs now. Running it again after a restart of the process changes nothing else."""
    for row in queries.stages(session, request.id):
        if row.name is stage and row.state is not StageState.RUNNING:
            row.state, row.started_at = StageState.RUNNING, row.started_at or at
            session.add(row)
    request.stage = stage
    note(session, request, text, at, percent=STARTS_AT[stage])


def state_of(session: Session, request: ClearingRequest, stage: Stage) -> StageState:
    """How far the stage is; the transaction that ends one begins the next."""
    return next(row.state for row in queries.stages(session, request.id) if row.name is stage)


def end_stage(
    session: Session, request: ClearingRequest, stage: Stage, text: str, at: datetime
) -> None:
    """The stage is done."""
    _finish(session, request, stage, StageState.DONE, text, at)
    index = STAGES.index(stage) + 1
    percent = STARTS_AT[STAGES[index]] if index < len(STAGES) else 100
    note(session, request, text, at, percent=percent)


def fail_stage(session: Session, request: ClearingRequest, text: str, at: datetime) -> None:
    """The running stage is where it failed."""
    _finish(session, request, request.stage, StageState.FAILED, text, at)
    note(session, request, text, at, level="error")


def note(
    session: Session,
    request: ClearingRequest,
    text: str,
    at: datetime,
    *,
    percent: int | None = None,
    level: str = "info",
) -> None:
    """One line in the process log, which also is the request's last message."""
    text = text[:_MAX_TEXT]
    session.add(ClearingEvent(request_id=request.id, at=at, level=level, text=text))
    request.message = text
    request.updated_at = at
    if percent is not None:
        request.progress = max(request.progress, percent)
    session.add(request)


def _finish(
    session: Session,
    request: ClearingRequest,
    stage: Stage,
    state: StageState,
    text: str,
    at: datetime,
) -> None:
    for row in queries.stages(session, request.id):
        if row.name is stage:
            row.state, row.message, row.finished_at = state, text[:_MAX_TEXT], at
            row.started_at = row.started_at or at
            session.add(row)
