"""完成: read the devices again, hold them to what was done, write the records, move the period on."""

from datetime import datetime
from uuid import UUID

from app.clearing import queries
from app.clearing.models import ClearingRequest, ClearingTarget
from app.clearing.outcomes import Failure
from app.clearing.states import Stage, StageState, TargetState
from app.contracts.devices import DeviceReading
from app.contracts.faults import FAULTS
from app.contracts.operations import TypeOutcome
from app.contracts.periods import Period, is_cleared
from app.core.db import Session
from app.devices.models import Device
from app.prechecks import subject as facts
from app.prechecks.readings import Readings, read_devices
from app.requests.run import after_backup, register, repeated_readings
from app.requests.run.context import Attempt, StageFailed
from app.requests.service import outcome, progress
from app.requests.service.recording import Evidence


async def run(attempt: Attempt) -> None:
    """Raises StageFailed when a device does not show what its operation said."""
    if not await attempt.read(after_backup.has_succeeded, attempt):
        await _finish(attempt)
    await after_backup.run(attempt)


async def _finish(attempt: Attempt) -> None:
    begun, subject = await attempt.read(_how_far, attempt.request_id)
    if not begun:
        await attempt.write(_begin_again, attempt)
    readings = await repeated_readings.read_patiently(
        attempt,
        lambda: read_devices(attempt.context.agents, subject, with_invoices=False),
        lambda found: [
            one.number
            for one in subject.devices
            if repeated_readings.is_passing(found[one.device_id].fault)
        ],
    )
    problem = await attempt.write(_conclude, attempt, readings)
    if problem is not None:
        raise StageFailed(problem)


def begin(session: Session, request: ClearingRequest, at: datetime) -> None:
    """Begin the stage, in the transaction that ends the one before it."""
    progress.begin_stage(session, request, Stage.DONE, "正在读取设备核对", at)


def _begin_again(session: Session, request: ClearingRequest, attempt: Attempt) -> None:
    begin(session, request, attempt.context.clock())


def _how_far(session: Session, request_id: UUID) -> tuple[bool, facts.Subject]:
    """Whether the stage was begun, and what is to be read."""
    request = queries.request(session, request_id)
    begun = progress.state_of(session, request, Stage.DONE) is StageState.RUNNING
    return begun, facts.subject_of_request(session, request_id, states=(TargetState.CLEARED,))


def _conclude(
    session: Session, request: ClearingRequest, attempt: Attempt, readings: Readings
) -> Failure | None:
    """Hold the devices to what was done; where they show it, that is the success."""
    failure = _check(session, request, attempt, readings)
    if failure is None:
        session.flush()
        _succeed(session, request, attempt)
    return failure


def _check(
    session: Session, request: ClearingRequest, attempt: Attempt, readings: Readings
) -> Failure | None:
    """The device's word counts. One that can't be read again was read by its agent after the clear."""
    for target in queries.targets(session, request.id):
        read = readings.get(target.device_id)
        if target.state is not TargetState.CLEARED or read is None:
            continue
        if read.reading is None:
            progress.note(
                session,
                request,
                f"设备 {target.device_number} 清卡后未能再次读取，以清卡时的读数为准",
                attempt.context.clock(),
                level="warning",
            )
            continue
        failure = _compare(request, target, read.reading)
        if failure is not None:
            target.state = TargetState.RUNNING
            session.add(target)
            return failure
        device = session.get_one(Device, target.device_id)
        register.settle(session, request, device, read.reading, at=attempt.context.clock())
    return None


def _compare(
    request: ClearingRequest, target: ClearingTarget, reading: DeviceReading
) -> Failure | None:
    outcomes = {one.invoice_type: one for one in outcomes_of(target)}
    for monitor in reading.monitors:
        one = outcomes.get(monitor.invoice_type)
        if one is not None and not is_cleared(Period(request.period), monitor.lock_date):
            kind = FAULTS["device.lock_date_not_moved"]
            text = f"{kind.title}：{monitor.invoice_type} 仍为 {monitor.lock_date}"
            return Failure(kind.code, text, kind.remedy)
    return None


def _succeed(session: Session, request: ClearingRequest, attempt: Attempt) -> None:
    outcome.succeed(session, request, evidence_of(session, request), clock=attempt.context.clock)


def evidence_of(session: Session, request: ClearingRequest) -> dict[UUID, Evidence]:
    """What the operations of this request left, by device."""
    return {
        target.device_id: Evidence(outcomes_of(target), tuple(target.steps))
        for target in queries.targets(session, request.id)
    }


def outcomes_of(target: ClearingTarget) -> tuple[TypeOutcome, ...]:
    """The kept outcomes of the device's types."""
    return tuple(TypeOutcome.model_validate(one) for one in target.types)
