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
)
from app.contracts.periods import Period
from app.core.db import Session
from app.core.ids import new_id
from app.devices.agent_client import AgentClient
from app.devices.models import Device
from app.enterprises.models import Enterprise
from app.errors import QingkaError
from app.requests.run.context import Attempt, StageFailed, failure_of
from app.requests.run.operation_log import Watch
from app.requests.service import outcome

LOOK_SECONDS = 0.5
"""So long an agent may keep a look that has nothing final to tell; progress is written as often at most."""

AfterEnd = Callable[[Session, ClearingRequest, Operation], "Intent | None"]
"""Keeps more in the transaction of the outcome; gives the intent of what comes next, where it wrote one."""

TRANSIENT = frozenset({"agent.unreachable", "agent.failed", "agent.answer_too_large"})
"""Errors of the hop to the agent that say nothing about the operation itself."""


class GaveUp(Exception):
    """The outcome could not be found out in time; a person decides."""


@dataclass(frozen=True, slots=True)
class Call:
    """What a device is to do."""

    device_id: UUID
    kind: OperationKind


@dataclass(frozen=True, slots=True)
class Intent:
    """A call as its row says it. `is_new`: its id was made just now, so that no agent can know it."""

    device_number: str
    agent_id: UUID | None
    request: OperationRequest
    is_new: bool


@dataclass(frozen=True, slots=True)
class _Call:
    """What is sent, and to whom."""

    client: AgentClient
    device_number: str
    request: OperationRequest


async def perform(
    attempt: Attempt,
    wanted: Call,
    percent: tuple[int, int],
    *,
    intent: Intent | None = None,
    then: AfterEnd,
) -> Intent | None:
    """Have the device do it and wait for the outcome; gives what `then` gave. Raises StageFailed or GaveUp.

    `percent` is where the request's progress stands at the start and at the end of the operation. `intent` is
    what is committed already, `then` is called in the transaction that keeps the outcome, a failure too.
    """
    device_id = wanted.device_id
    call = await _prepare(attempt, wanted, intent)
    operation = await _submit(attempt, call)
    watch = Watch(attempt, percent)
    patience = _Patience(attempt, device_id)
    while operation is None or operation.state not in FINAL_STATES:
        began = monotonic()
        operation = await _look(attempt, call, operation)
        if operation is not None and operation.state in FINAL_STATES:
            break
        if operation is not None:
            await watch.show(operation)
        await patience.mind(operation)
        # An agent that is away answers at once, as one does that has not taken the operation yet.
        await asyncio.sleep(max(0.0, LOOK_SECONDS - (monotonic() - began)))
    following = await attempt.write(_keep_outcome, attempt, watch, operation, then)
    if operation.state is OperationState.FAILED:
        raise StageFailed(_failure(operation))
    return following


async def _prepare(attempt: Attempt, wanted: Call, intent: Intent | None) -> _Call:
    if intent is None:
        intent = await attempt.write(intend, attempt, wanted)
    asked = intent.request
    try:
        client = await attempt.context.agents.of(intent.agent_id)
        earlier = None if intent.is_new else await client.find_operation_async(asked.id)
    except QingkaError as error:
        if error.code not in TRANSIENT:
            raise StageFailed(failure_of(error)) from error
        return _Call(await attempt.context.agents.of(intent.agent_id), intent.device_number, asked)
    if earlier is not None and earlier.state is OperationState.FAILED:
        asked = (await attempt.write(intend, attempt, wanted, renew=asked.id)).request
    return _Call(client, intent.device_number, asked)


def intend(
    session: Session,
    request: ClearingRequest,
    attempt: Attempt,
    wanted: Call,
    renew: UUID | None = None,
) -> Intent:
    """Write the intent. The operation's id is kept until it is known to have failed; only then is there a new one."""
    target = session.get_one(ClearingTarget, (request.id, wanted.device_id))
    device = session.get_one(Device, wanted.device_id)
    kind = wanted.kind
    field = "report_operation_id" if kind is OperationKind.REPORT else "clear_operation_id"
    operation_id: UUID | None = getattr(target, field)
    is_new = operation_id is None or operation_id == renew
    if is_new:
        operation_id = new_id()
        setattr(target, field, operation_id)
    target.started_at = target.started_at or attempt.context.clock()
    session.add(target)
    enterprise = session.get_one(Enterprise, request.enterprise_id)
    asked = OperationRequest.model_validate(
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
    return Intent(device.number, device.agent_id, asked, is_new)


def _types(
    request: ClearingRequest, device: Device, kind: OperationKind
) -> tuple[InvoiceType, ...]:
    """Everything is reported before anything is cleared (docs/domain.md, rule 5); () means all."""
    if kind is OperationKind.REPORT:
        return ()
    return types_to_clear(request.invoice_types, device.clear_groups)


async def _submit(attempt: Attempt, call: _Call) -> Operation | None:
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
        found = await call.client.find_operation_async(call.request.id, wait=LOOK_SECONDS)
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
    watch: Watch,
    operation: Operation,
    then: AfterEnd,
) -> Intent | None:
    watch.write_new(session, request, operation)
    outcome.resume(session, request, clock=attempt.context.clock)
    return then(session, request, operation)


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
