"""One operation of a device, from the intent to an outcome that is known.

The intent is a row with the operation's id, committed before the call; the agent executes an id at
most once. An answer that gets lost is therefore found again by asking for the same id.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from uuid import UUID

from app.clearing import queries
from app.clearing.grouping import types_to_clear
from app.clearing.models import ClearingRequest, ClearingTarget
from app.clearing.outcomes import Failure
from app.contracts.devices import InvoiceType
from app.contracts.faults import FAULTS
from app.contracts.operations import (
    FINAL_STATES,
    Operation,
    OperationKind,
    OperationRequest,
    OperationState,
    OperationStep,
    StepState,
)
from app.contracts.periods import Period
from app.core.db import Session, on_commit
from app.core.ids import new_id
from app.devices.agent_client import AgentClient
from app.devices.models import Device
from app.enterprises.models import Enterprise
from app.errors import QingkaError
from app.requests.run.context import Attempt, StageFailed, failure_of
from app.requests.service import outcome, progress

POLL_SECONDS = (0.05, 0.1, 0.2, 0.3, 0.5)
"""Growing waits between two looks at an operation; the last one repeats."""

AfterEnd = Callable[[Session, ClearingRequest, Operation], None]

TRANSIENT = frozenset({"agent.unreachable", "agent.failed", "agent.answer_too_large"})
"""Errors of the hop to the agent that say nothing about the operation itself."""


class GaveUp(Exception):
    """The outcome could not be found out in time; a person decides."""


@dataclass(frozen=True, slots=True)
class _Call:
    """What is sent, and to whom."""

    client: AgentClient
    device_number: str
    request: OperationRequest


async def perform(
    attempt: Attempt,
    device_id: UUID,
    kind: OperationKind,
    percent: tuple[int, int],
    then: AfterEnd | None = None,
) -> None:
    """Have the device do it and wait for the outcome. Raises StageFailed or GaveUp.

    `percent` is where the request's progress stands at the start and at the end of the operation. `then` is
    called in the transaction that keeps the outcome, a failure too.
    """
    call = await _prepare(attempt, device_id, kind)
    operation = await _submit(attempt, call, device_id)
    watch = _Watch(attempt, device_id, percent)
    patience = _Patience(attempt, device_id)
    looks = 0
    while operation is None or operation.state not in FINAL_STATES:
        if operation is not None:
            await watch.show(operation)
        await patience.mind(operation)
        await asyncio.sleep(POLL_SECONDS[min(looks, len(POLL_SECONDS) - 1)])
        looks += 1
        operation = await _look(attempt, call, operation)
    await attempt.write(_keep_outcome, attempt, watch, operation, then)
    if operation.state is OperationState.FAILED:
        raise StageFailed(_failure(operation))


async def _prepare(attempt: Attempt, device_id: UUID, kind: OperationKind) -> _Call:
    number, agent_id, request = await attempt.write(_intend, attempt, device_id, kind)
    try:
        client = await attempt.context.agents.of(agent_id)
        earlier = await client.find_operation_async(request.id)
    except QingkaError as error:
        if error.code not in TRANSIENT:
            raise StageFailed(failure_of(error)) from error
        return _Call(await attempt.context.agents.of(agent_id), number, request)
    if earlier is not None and earlier.state is OperationState.FAILED:
        fresh = await attempt.write(_intend, attempt, device_id, kind, renew=request.id)
        return _Call(client, number, fresh[2])
    return _Call(client, number, request)


def _intend(
    session: Session,
    request: ClearingRequest,
    attempt: Attempt,
    device_id: UUID,
    kind: OperationKind,
    renew: UUID | None = None,
) -> tuple[str, UUID | None, OperationRequest]:
    """The operation's id is kept until it is known to have failed; only then is there a new one."""
    target = session.get_one(ClearingTarget, (request.id, device_id))
    device = session.get_one(Device, device_id)
    field = "report_operation_id" if kind is OperationKind.REPORT else "clear_operation_id"
    operation_id: UUID | None = getattr(target, field)
    if operation_id is None or operation_id == renew:
        operation_id = new_id()
        setattr(target, field, operation_id)
    target.started_at = target.started_at or attempt.context.clock()
    session.add(target)
    enterprise = session.get_one(Enterprise, request.enterprise_id)
    wanted = OperationRequest.model_validate(
        {
            "id": operation_id,
            "kind": kind,
            "period": Period(request.period),
            "invoice_types": _types(request, device, kind),
            "tax_no": enterprise.tax_no,
            "exceptional": request.exceptional,
            "origin": f"{request.number} {request.executed_by_name or ''}".strip(),
        }
    )
    return device.number, device.agent_id, wanted


def _types(
    request: ClearingRequest, device: Device, kind: OperationKind
) -> tuple[InvoiceType, ...]:
    """Everything is reported before anything is cleared (docs/domain.md, rule 5); () means all."""
    if kind is OperationKind.REPORT:
        return ()
    return types_to_clear(request.invoice_types, device.clear_groups)


async def _submit(attempt: Attempt, call: _Call, device_id: UUID) -> Operation | None:
    """None when it is not known whether the agent took it; asking again tells."""
    for wait in (0.0, 0.2, 0.5, 1.0, 2.0):
        await asyncio.sleep(wait)
        await attempt.check()
        try:
            return await call.client.submit_async(call.device_number, call.request)
        except QingkaError as error:
            if error.code not in TRANSIENT:
                raise StageFailed(failure_of(error)) from error
            last = error
    if getattr(last, "never_sent", False):
        raise StageFailed(failure_of(last)) from last
    return None


async def _look(attempt: Attempt, call: _Call, before: Operation | None) -> Operation | None:
    """How the operation stands now; an agent that does not say leaves what was known.

    It may have been taken, so only the word of the agent that it was not can end the wait early.
    """
    try:
        found = await call.client.find_operation_async(call.request.id)
    except QingkaError:
        return before
    if found is not None:
        return found
    await attempt.check()
    try:
        return await call.client.submit_async(call.device_number, call.request)
    except QingkaError as error:
        if error.code in TRANSIENT:
            return before
        raise StageFailed(failure_of(error)) from error


class _Patience:
    """Says 结果待查 once the outcome is unknown or overdue, and gives up after the set time."""

    def __init__(self, attempt: Attempt, device_id: UUID) -> None:
        self._attempt = attempt
        self._device_id = device_id
        self._started = monotonic()
        self._said = False

    async def mind(self, operation: Operation | None) -> None:
        """Raises GaveUp when nobody should wait any longer."""
        settings = self._attempt.context.settings
        waited = monotonic() - self._started
        unknown = operation is not None and operation.state is OperationState.UNKNOWN
        if not unknown and waited < settings.operation_timeout_seconds:
            return
        failure = _unknown(operation)
        if waited > settings.operation_timeout_seconds + settings.unknown_give_up_minutes * 60:
            await self._attempt.write(_give_up, self._attempt, failure, self._device_id)
            raise GaveUp
        if not self._said:
            self._said = True
            await self._attempt.write(_attention, self._attempt, failure)


def _attention(
    session: Session, request: ClearingRequest, attempt: Attempt, failure: Failure
) -> None:
    outcome.need_attention(session, request, failure, clock=attempt.context.clock)


def _keep_outcome(
    session: Session,
    request: ClearingRequest,
    attempt: Attempt,
    watch: "_Watch",
    operation: Operation,
    then: AfterEnd | None,
) -> None:
    watch.write_new(session, request, operation)
    outcome.resume(session, request, clock=attempt.context.clock)
    if then is not None:
        then(session, request, operation)


def _give_up(
    session: Session, request: ClearingRequest, attempt: Attempt, failure: Failure, device_id: UUID
) -> None:
    target = next(t for t in queries.targets(session, request.id) if t.device_id == device_id)
    outcome.give_up(session, request, failure, target, clock=attempt.context.clock)


def _unknown(operation: Operation | None) -> Failure:
    if operation is not None and operation.fault is not None:
        return _failure(operation)
    kind = FAULTS["device.outcome_unknown"]
    return Failure(kind.code, kind.title, kind.remedy)


def _failure(operation: Operation) -> Failure:
    fault = operation.fault
    if fault is None:
        kind = FAULTS["agent.failed"]
        return Failure(kind.code, kind.title, kind.remedy)
    return Failure(fault.code, fault.message, fault.remedy, fault.device_code, fault.device_message)


NAMES = {
    "SKSBQTYXXCX": "读取抄报信息",
    "SJCB": "抄报",
    "WLCB": "上报汇总",
    "QLJS": "取得清卡信息",
    "JKHC": "写入设备",
    "QLJSJGQR": "向税务端确认",
}


class _Watch:
    """Turns the steps of an operation into lines of the process log, each once."""

    def __init__(self, attempt: Attempt, device_id: UUID, percent: tuple[int, int]) -> None:
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
