"""执行清卡: every device reports first, sub machines before the main machine; then each is cleared."""

from uuid import UUID

from app.clearing import queries
from app.clearing.models import ClearingRequest, ClearingTarget
from app.clearing.service import progress
from app.clearing.states import Stage, TargetState
from app.clearing.workflow import operations
from app.clearing.workflow.context import Attempt
from app.contracts.operations import Operation, OperationKind
from app.core.db import Session

_FIRST, _LAST = progress.STARTS_AT[Stage.CLEAR], progress.STARTS_AT[Stage.DONE]


async def run(attempt: Attempt) -> None:
    """Raises StageFailed with what the device or the bureau said; devices done so far stay done."""
    left = await attempt.write(_begin, attempt)
    total = 2 * len(left)
    for index, device_id in enumerate(left):
        await operations.perform(attempt, device_id, OperationKind.REPORT, _span(index, total))
    for index, device_id in enumerate(left, start=len(left)):
        done = await operations.perform(
            attempt, device_id, OperationKind.CLEAR, _span(index, total)
        )
        await attempt.write(_cleared, attempt, device_id, done)
    await attempt.write(_end, attempt)


def _span(index: int, total: int) -> tuple[int, int]:
    width = _LAST - _FIRST
    return _FIRST + width * index // total, _FIRST + width * (index + 1) // total


def _begin(session: Session, request: ClearingRequest, attempt: Attempt) -> list[UUID]:
    progress.begin_stage(session, request, Stage.CLEAR, "正在抄报", attempt.context.clock())
    left = [
        target
        for target in queries.targets(session, request.id)
        if target.state not in (TargetState.CLEARED, TargetState.SUCCEEDED)
    ]
    for target in left:
        target.state = TargetState.RUNNING
        session.add(target)
    return [target.device_id for target in left]


def _cleared(
    session: Session,
    request: ClearingRequest,
    attempt: Attempt,
    device_id: UUID,
    operation: Operation,
) -> None:
    target = session.get_one(ClearingTarget, (request.id, device_id))
    target.state = TargetState.CLEARED
    target.types = [one.model_dump(mode="json") for one in operation.outcomes]
    target.steps = [step.model_dump(mode="json") for step in operation.steps]
    target.already = bool(operation.outcomes) and all(one.already for one in operation.outcomes)
    session.add(target)


def _end(session: Session, request: ClearingRequest, attempt: Attempt) -> None:
    progress.end_stage(session, request, Stage.CLEAR, "全部票种已清卡", attempt.context.clock())
