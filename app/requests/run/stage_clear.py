"""执行清卡: every device reports first, sub machines before the main machine; then each is cleared."""

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from app.clearing import outcomes, queries
from app.clearing.models import ClearingRequest, ClearingTarget
from app.clearing.outcomes import TypeDate
from app.clearing.states import Kind, Outcome, Stage, TargetState
from app.contracts.operations import Operation, OperationKind, OperationState
from app.core.db import Session
from app.requests.run import operations, stage_done
from app.requests.run.context import Attempt
from app.requests.run.operations import Call, Intent
from app.requests.service import progress, recording
from app.requests.service.recording import Evidence

_FIRST, _LAST = progress.STARTS_AT[Stage.CLEAR], progress.STARTS_AT[Stage.DONE]


async def run(attempt: Attempt) -> None:
    """Raises StageFailed with what the device or the bureau said; devices done so far stay done.

    A 税务清卡 reports nothing: 初始化 has seen that all is reported (docs/decisions/0008).
    """
    calls, intent = await attempt.write(_begin, attempt)
    if not calls:
        await attempt.write(_end, attempt)
    for index, call in enumerate(calls):
        then = partial(_go_on, attempt, call, calls[index + 1 :])
        intent = await operations.perform(
            attempt, call, _span(index, len(calls)), intent=intent, then=then
        )


def _span(index: int, total: int) -> tuple[int, int]:
    width = _LAST - _FIRST
    return _FIRST + width * index // total, _FIRST + width * (index + 1) // total


def _begin(
    session: Session, request: ClearingRequest, attempt: Attempt
) -> tuple[list[Call], Intent | None]:
    """What the devices that are left have to do, reports before clearings, and the intent of the first."""
    reports = request.kind is Kind.DEVICE
    text = "正在抄报" if reports else "正在清卡"
    progress.begin_stage(session, request, Stage.CLEAR, text, attempt.context.clock())
    left = [
        target
        for target in queries.targets(session, request.id)
        if target.state not in (TargetState.CLEARED, TargetState.SUCCEEDED)
    ]
    for target in left:
        target.state = TargetState.RUNNING
        session.add(target)
    calls = [Call(one.device_id, OperationKind.REPORT) for one in left] if reports else []
    calls += [Call(one.device_id, OperationKind.CLEAR) for one in left]
    session.flush()
    return calls, operations.intend(session, request, attempt, calls[0]) if calls else None


def _go_on(
    attempt: Attempt,
    call: Call,
    following: Sequence[Call],
    session: Session,
    request: ClearingRequest,
    operation: Operation,
) -> Intent | None:
    """Keep what it came to, and in the same transaction the intent of the next one, or the stage's end."""
    if call.kind is OperationKind.CLEAR:
        _keep(call.device_id, session, request, operation)
    if operation.state is not OperationState.SUCCEEDED:
        return None
    if following:
        return operations.intend(session, request, attempt, following[0])
    session.flush()
    _end(session, request, attempt)
    return None


def _keep(
    device_id: UUID, session: Session, request: ClearingRequest, operation: Operation
) -> None:
    """What the operation came to, a failed one too: it may have cleared some of its types."""
    target = session.get_one(ClearingTarget, (request.id, device_id))
    earlier = stage_done.outcomes_of(target)
    found = outcomes.merged(earlier, operation.outcomes) if operation.outcomes else list(earlier)
    target.types = [one.model_dump(mode="json") for one in found]
    target.steps = [step.model_dump(mode="json") for step in operation.steps]
    if operation.state is OperationState.SUCCEEDED:
        target.state = TargetState.CLEARED
        target.already = bool(found) and not outcomes.executed(found)
    session.add(target)


def _end(session: Session, request: ClearingRequest, attempt: Attempt) -> None:
    """Say what the devices show now: that everything is cleared only where it is."""
    done: list[TypeDate] = []
    left: list[TypeDate] = []
    ends: list[Outcome] = []
    for target, device in queries.devices_of_request(session, request.id):
        proof = Evidence(stage_done.outcomes_of(target))
        open_types = recording.left_of(session, request, device, proof)
        done += [
            TypeDate(device.number, one.invoice_type, one.lock_date_after)
            for one in outcomes.executed(proof.types)
        ]
        left += open_types
        ends.append(outcomes.of_device(proof.types, open_types))
    text = outcomes.conclusion(outcomes.of_request(ends, left), done, left, outcomes.ALL_CLEARED)
    at = attempt.context.clock()
    progress.end_stage(session, request, Stage.CLEAR, text, at)
    stage_done.begin(session, request, at)
