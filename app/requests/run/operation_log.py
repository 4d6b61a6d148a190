"""The steps of an operation as lines of the request's process log."""

from app.clearing.models import ClearingRequest
from app.contracts.operations import Operation, OperationState, OperationStep, StepState
from app.core.db import Session, on_commit
from app.requests.run.context import Attempt
from app.requests.service import progress

NAMES = {
    "SKSBQTYXXCX": "读取抄报信息",
    "SJCB": "抄报",
    "WLCB": "上报汇总",
    "QLJS": "取得清卡信息",
    "JKHC": "写入设备",
    "QLJSJGQR": "向税务端确认",
}


class Watch:
    """Turns the steps of an operation into lines of the process log, each once."""

    def __init__(self, attempt: Attempt, percent: tuple[int, int]) -> None:
        self.attempt = attempt
        self.percent = percent
        self.shown: set[tuple[int, StepState]] = set()

    async def show(self, operation: Operation) -> None:
        """Write what is new, in a transaction of its own; nothing when nothing is."""
        if self._new(operation):
            await self.attempt.write(self.write_new, operation)

    def write_new(self, session: Session, request: ClearingRequest, operation: Operation) -> None:
        """Write what is new."""
        percent = self._percent(operation)
        for step in self._new(operation):
            level = "error" if step.state is StepState.FAILED else "info"
            at = step.finished_at or step.started_at
            progress.note(session, request, _line(step), at, percent=percent, level=level)
        on_commit(session, lambda: self.shown.update(_keys(operation)))

    def _new(self, operation: Operation) -> list[OperationStep]:
        return [
            step
            for step in operation.steps
            if step.state is not StepState.RUNNING and (step.seq, step.state) not in self.shown
        ]

    def _percent(self, operation: Operation) -> int:
        first, last = self.percent
        if operation.state is OperationState.SUCCEEDED:
            return last
        done = sum(step.state is not StepState.RUNNING for step in operation.steps)
        return first + int((last - first) * done / (done + 4))


def _keys(operation: Operation) -> set[tuple[int, StepState]]:
    return {
        (step.seq, step.state) for step in operation.steps if step.state is not StepState.RUNNING
    }


def _line(step: OperationStep) -> str:
    what = NAMES.get(step.name, step.name)
    kind = f"{step.invoice_type} " if step.invoice_type else ""
    text = f"{kind}{what}（{step.name}）"
    if step.state is StepState.FAILED:
        return f"{text}失败：{step.message or step.device_message}"
    return f"{text}：{step.message}" if step.message else text
