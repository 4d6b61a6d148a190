"""完成: read the devices again, hold them to what was done, write the records, move the period on."""

from uuid import UUID

from app.clearing import queries
from app.clearing.models import ClearingRequest, ClearingTarget
from app.clearing.outcomes import Failure
from app.clearing.states import Stage, TargetState
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
    subject = await attempt.write(_begin, attempt)
    readings = await repeated_readings.read_patiently(
        attempt,
        lambda: read_devices(attempt.context.agents, subject, with_invoices=False),
        lambda found: [
            one.number
            for one in subject.devices
            if repeated_readings.is_passing(found[one.device_id].fault)
        ],
    )
    problem = await attempt.write(_check, attempt, readings)
    if problem is not None:
        raise StageFailed(problem)
    await attempt.write(_succeed, attempt)


def _begin(session: Session, request: ClearingRequest, attempt: Attempt) -> facts.Subject:
    progress.begin_stage(session, request, Stage.DONE, "正在读取设备核对", attempt.context.clock())
    return facts.subject_of_request(session, request.id, states=(TargetState.CLEARED,))


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
