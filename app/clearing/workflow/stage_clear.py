"""执行清卡: every device reports first, sub machines before the main machine; then each is cleared."""

from functools import partial
from uuid import UUID

from app.clearing import queries
from app.clearing.models import ClearingRequest, ClearingTarget
from app.clearing.service import progress
from app.clearing.states import Kind, Stage, TargetState
from app.clearing.workflow import operations
from app.clearing.workflow.context import Attempt
from app.contracts.operations import Operation, OperationKind
from app.core.db import Session

_FIRST, _LAST = progress.STARTS_AT[Stage.CLEAR], progress.STARTS_AT[Stage.DONE]


async def run(attempt: Attempt) -> None:
    """Raises StageFailed with what the device or the bureau said; devices done so far stay done.

    A 税务清卡 reports nothing: 初始化 has seen that all is reported (docs/decisions/0008).
    """
    left, reports = await attempt.write(_begin, attempt)
    calls = [(OperationKind.REPORT, one) for one in left] if reports else []
    calls += [(OperationKind.CLEAR, one) for one in left]
    for index, (kind, device_id) in enumerate(calls):
        then = partial(_cleared, device_id) if kind is OperationKind.CLEAR else None
        await operations.perform(attempt, device_id, kind, _span(index, len(calls)), then)
    await attempt.write(_end, attempt)


def _span(index: int, total: int) -> tuple[int, int]:
    width = _LAST - _FIRST
    return _FIRST + width * index // total, _FIRST + width * (index + 1) // total


def _begin(session: Session, request: ClearingRequest, attempt: Attempt) -> tuple[list[UUID], bool]:
    """The devices that are left, and whether they report before they are cleared."""
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
    return [target.device_id for target in left], reports


def _cleared(
    device_id: UUID, session: Session, request: ClearingRequest, operation: Operation
) -> None:
    target = session.get_one(ClearingTarget, (request.id, device_id))
    target.state = TargetState.CLEARED
    target.types = [one.model_dump(mode="json") for one in operation.outcomes]
    target.steps = [step.model_dump(mode="json") for step in operation.steps]
    target.already = bool(operation.outcomes) and all(one.already for one in operation.outcomes)
    session.add(target)


def _end(session: Session, request: ClearingRequest, attempt: Attempt) -> None:
    progress.end_stage(session, request, Stage.CLEAR, "全部票种已清卡", attempt.context.clock())
