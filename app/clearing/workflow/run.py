"""The durable workflow: four coarse steps, each idempotent by the request's id and attempt."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from dbos import DBOS

from app.clearing import dispatch, queries
from app.clearing.models import ClearingRequest
from app.clearing.service import outcome
from app.clearing.service.outcome import Failure
from app.clearing.states import TargetState
from app.clearing.workflow import (
    stage_backup,
    stage_clear,
    stage_done,
    stage_init,
)
from app.clearing.workflow.context import (
    Attempt,
    Context,
    StageFailed,
    Superseded,
    failure_of,
    repeat_when_lost,
)
from app.clearing.workflow.operations import GaveUp
from app.core.db import Session
from app.core.logging import get_logger
from app.errors import QingkaError

log = get_logger(__name__)

_context: list[Context] = []
_executing: set[str] = set()

STAGES: tuple[tuple[str, Callable[[Attempt], Awaitable[None]]], ...] = (
    ("init", stage_init.run),
    ("backup", stage_backup.run),
    ("clear", stage_clear.run),
    ("done", stage_done.run),
)


def bind(context: Context) -> None:
    """Give this process's workflows what they work with."""
    _context[:] = [context]


def executing() -> frozenset[str]:
    """The ids of the workflows this process is in the middle of."""
    return frozenset(_executing)


WORKFLOW = "clearing.run"


@DBOS.workflow(name=WORKFLOW, max_recovery_attempts=1_000_000)
async def run_request(request_id: str, number: int) -> str:
    """Execute one attempt of a request. The verdict is for the engine's log; the rows tell the truth."""
    identity = DBOS.workflow_id or ""
    _executing.add(identity)
    try:
        verdict = await _run_stages(request_id, number)
    finally:
        _executing.discard(identity)
    dispatch.look_now()
    return verdict


async def _run_stages(request_id: str, number: int) -> str:
    for name, _ in STAGES:
        verdict = await DBOS.run_step_async({"name": name}, _run_stage, name, request_id, number)
        if verdict != "done":
            return verdict
    return "succeeded"


async def _run_stage(name: str, request_id: str, number: int) -> str:
    attempt = Attempt(_context[0], UUID(request_id), number)
    stage = dict(STAGES)[name]
    try:
        await repeat_when_lost(lambda: stage(attempt))
    except StageFailed as failed:
        return await _fail(attempt, failed.failure)
    except GaveUp:
        return "needs_attention"
    except Superseded:
        return "superseded"
    except QingkaError as error:
        return await _break(attempt, failure_of(error))
    except Exception as error:
        log.error("clearing stage broke", stage=name, request=request_id, exc_info=error)
        return await _break(attempt, _broken(type(error).__name__))
    return "done"


async def _fail(attempt: Attempt, failure: Failure) -> str:
    try:
        await attempt.write(_write_failure, attempt, failure)
    except Superseded:
        return "superseded"
    return "failed"


async def _break(attempt: Attempt, failure: Failure) -> str:
    try:
        return await attempt.write(_write_breakage, attempt, failure)
    except Superseded:
        return "superseded"


def end_broken(context: Context, request_id: UUID, number: int) -> None:
    """End an attempt whose workflow is over although its request still says `running`."""
    attempt = Attempt(context, request_id, number)
    try:
        attempt.write_now(_write_breakage, attempt, _broken("workflow ended"))
    except Superseded:
        return


def _write_failure(
    session: Session, request: ClearingRequest, attempt: Attempt, failure: Failure
) -> None:
    evidence = stage_done.evidence_of(session, request)
    outcome.fail(session, request, failure, evidence, clock=attempt.context.clock)


def _write_breakage(
    session: Session, request: ClearingRequest, attempt: Attempt, failure: Failure
) -> str:
    """A stage broke off in its middle: once a clear may be under way nobody knows how it ends."""
    for target in queries.targets(session, request.id):
        if target.state is TargetState.RUNNING and target.clear_operation_id is not None:
            outcome.give_up(session, request, failure, target, clock=attempt.context.clock)
            return "needs_attention"
    _write_failure(session, request, attempt, failure)
    return "failed"


def _broken(what: str) -> Failure:
    return Failure(
        "internal",
        f"系统内部错误：{what}",
        "重试是安全的；仍然出现时收集诊断信息并联系技术支持。",
    )
