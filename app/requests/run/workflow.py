"""The durable workflow: four coarse steps, each idempotent by the request's id and attempt."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from uuid import UUID

from dbos import DBOS

from app.clearing import queries
from app.clearing.models import ClearingRequest
from app.clearing.outcomes import Failure
from app.clearing.states import TargetState
from app.core.db import Session
from app.core.logging import get_logger
from app.errors import QingkaError
from app.requests import dispatch
from app.requests.run import stage_backup, stage_clear, stage_done, stage_init
from app.requests.run.context import (
    Attempt,
    Context,
    Execution,
    StageFailed,
    Superseded,
    failure_of,
    patiently,
    repeat_when_lost,
)
from app.requests.run.execution import claim
from app.requests.run.operations import GaveUp
from app.requests.service import outcome

log = get_logger(__name__)

_here: list[tuple[Context, str]] = []
_executing: set[str] = set()

STAGES: tuple[tuple[str, Callable[[Attempt], Awaitable[None]]], ...] = (
    ("init", stage_init.run),
    ("backup", stage_backup.run),
    ("clear", stage_clear.run),
    ("done", stage_done.run),
)


def bind(context: Context, executor_id: str) -> None:
    """Give this process's workflows what they work with, and the name the engine knows it by."""
    _here[:] = [(context, executor_id)]


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
        verdict = await _run_stages(identity, UUID(request_id), number)
    finally:
        _executing.discard(identity)
    dispatch.look_now()
    return verdict


async def _run_stages(identity: str, request_id: UUID, number: int) -> str:
    try:
        attempt = await _begin(identity, request_id, number)
    except Superseded:
        return _superseded(request_id, number)
    for name, _ in STAGES:
        verdict = await DBOS.run_step_async({"name": name}, _run_stage, name, attempt)
        if verdict != "done":
            return verdict
    return "succeeded"


async def _begin(identity: str, request_id: UUID, number: int) -> Attempt:
    """Claim the request for this run of the workflow. Raises Superseded.

    Not a step of the workflow: a run that takes up another's work has to claim it anew.
    """
    context, executor_id = _here[0]

    def holds() -> bool:
        pending = DBOS.list_workflows(
            workflow_ids=[identity],
            status="PENDING",
            executor_id=executor_id,
            load_input=False,
            load_output=False,
        )
        return bool(pending)

    begin = partial(stage_init.begin_first, at=context.clock())

    def take() -> Execution:
        return patiently(
            lambda: claim(context, request_id, number, executor_id, holds=holds, begin=begin)
        )

    # On a thread without the workflow's context, in which the engine would note the question as a step.
    execution = await asyncio.get_running_loop().run_in_executor(None, take)
    return Attempt(context, request_id, number, execution)


def _superseded(request_id: UUID, number: int) -> str:
    log.info("another execution has the request", request=str(request_id), attempt=number)
    return "superseded"


async def _run_stage(name: str, attempt: Attempt) -> str:
    stage = dict(STAGES)[name]
    try:
        await repeat_when_lost(lambda: stage(attempt))
    except StageFailed as failed:
        return await _fail(attempt, failed.failure)
    except GaveUp:
        return "needs_attention"
    except Superseded:
        return _superseded(attempt.request_id, attempt.number)
    except QingkaError as error:
        return await _break(attempt, failure_of(error))
    except Exception as error:
        log.error(
            "clearing stage broke", stage=name, request=str(attempt.request_id), exc_info=error
        )
        return await _break(attempt, _broken(type(error).__name__))
    return "done"


async def _fail(attempt: Attempt, failure: Failure) -> str:
    try:
        await attempt.write(_write_failure, attempt, failure)
    except Superseded:
        return _superseded(attempt.request_id, attempt.number)
    return "failed"


async def _break(attempt: Attempt, failure: Failure) -> str:
    try:
        return await attempt.write(_write_breakage, attempt, failure)
    except Superseded:
        return _superseded(attempt.request_id, attempt.number)


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
