"""初始化: read the devices, bring the ledger up to date, run the pre-checks."""

import asyncio
from collections.abc import Iterator
from datetime import datetime
from time import monotonic
from uuid import UUID

from app import prechecks
from app.clearing import queries
from app.clearing.models import ClearingRequest, ClearingTarget
from app.clearing.outcomes import Failure
from app.clearing.states import RequestState, Stage, StageState
from app.contracts.periods import Period
from app.core.db import Session
from app.devices import service as devices_service
from app.devices.models import Device
from app.invoices import service as invoices_service
from app.invoices.figures import as_json, of_device
from app.prechecks import acceptance, kept_checks
from app.prechecks import subject as facts
from app.prechecks.case import collect
from app.prechecks.readings import Look, Read, Readings, look
from app.requests.run import register, repeated_readings, stage_backup
from app.requests.run.context import Attempt, StageFailed
from app.requests.service import progress

_SUBS_PAUSE = 0.5
"""Seconds between two looks at whether the sub machines are done."""


async def run(attempt: Attempt) -> None:
    """Raises StageFailed with the first condition that blocks, or the warnings nobody accepted.

    Nothing has been changed by then.

    While the outcome of an earlier attempt is not known, finding it out comes first: a device that
    can't be read now says nothing about what was done to it.
    """
    state, unknown = await attempt.read(_how_far, attempt.request_id)
    if (
        state is StageState.DONE
    ):  # by an earlier run of this attempt, which ended before the engine noted it
        return
    if state is not StageState.RUNNING:
        await attempt.write(_begin_again, attempt)
    if unknown:
        await attempt.write(_go_on, attempt)
        return
    await _let_sub_machines_go_first(attempt)
    subject = await attempt.read(facts.subject_of_request, attempt.request_id)
    found = await _look(attempt, subject)
    failure = await attempt.write(_judge, attempt, subject, found)
    if failure is not None:
        raise StageFailed(failure)


async def _look(attempt: Attempt, subject: facts.Subject) -> Look:
    """Look at everything; what failed to answer is asked again."""
    context = attempt.context
    return await repeated_readings.read_patiently(
        attempt,
        lambda: look(
            context.database, context.agents, context.settings, subject, with_invoices=True
        ),
        lambda found: list(_silent(found, subject)),
    )


def _silent(found: Look, subject: facts.Subject) -> Iterator[str]:
    """The devices that gave no answer in time, or for which the bureau gave none."""
    for device in subject.devices:
        read = found.devices[device.device_id]
        asleep = read.reading is not None and read.reading.bureau_reachable is False
        if asleep or any(map(repeated_readings.is_passing, (read.fault, read.bureau_fault))):
            yield device.number


def begin_first(session: Session, request: ClearingRequest, at: datetime) -> None:
    """Begin an attempt of which no stage was begun, in the transaction that claims it."""
    stages = queries.stages(session, request.id)
    waiting = all(one.state is StageState.WAITING for one in stages)
    if waiting and request.state is RequestState.RUNNING:
        _begin(session, request, at)


def _begin(session: Session, request: ClearingRequest, at: datetime) -> None:
    request.open_warnings = []
    progress.begin_stage(session, request, Stage.INIT, "正在读取设备并检查清卡条件", at)


def _begin_again(session: Session, request: ClearingRequest, attempt: Attempt) -> None:
    _begin(session, request, attempt.context.clock())


def _how_far(session: Session, request_id: UUID) -> tuple[StageState, bool]:
    """How far the stage is, and whether the outcome of an earlier attempt is not known."""
    state = progress.state_of(session, queries.request(session, request_id), Stage.INIT)
    return state, queries.has_unknown_outcome(session, request_id)


async def _let_sub_machines_go_first(attempt: Attempt) -> None:
    """A main machine whose sub machines are being cleared just now waits for them, as long as that may take."""
    deadline = monotonic() + attempt.context.settings.operation_timeout_seconds
    told = False
    while numbers := await attempt.read(queries.order.running_subs, attempt.request_id):
        if monotonic() > deadline:
            return
        if not told:
            await attempt.write(_note_waiting, attempt, numbers)
            told = True
        await asyncio.sleep(_SUBS_PAUSE)


def _note_waiting(
    session: Session, request: ClearingRequest, attempt: Attempt, numbers: list[str]
) -> None:
    text = f"等待分机 {'、'.join(numbers)} 先抄报"
    progress.note(session, request, text, attempt.context.clock())


def _go_on(session: Session, request: ClearingRequest, attempt: Attempt) -> None:
    text = "上一次执行的结果尚未确定，先查明结果"
    at = attempt.context.clock()
    progress.end_stage(session, request, Stage.INIT, text, at)
    stage_backup.begin(session, request, at)


def _judge(
    session: Session,
    request: ClearingRequest,
    attempt: Attempt,
    subject: facts.Subject,
    found: Look,
) -> Failure | None:
    """Keep what the devices said, hold it against the conditions, and end the stage: one transaction."""
    _store(session, request, attempt, found.devices)
    session.flush()
    gathered = collect(session, subject, found, attempt.context.settings, attempt.context.clock)
    return _conclude(session, request, attempt, prechecks.run(gathered), found.devices)


def _store(
    session: Session, request: ClearingRequest, attempt: Attempt, readings: Readings
) -> None:
    for device_id, read in readings.items():
        device = session.get_one(Device, device_id)
        if read.reading is None:
            continue
        devices_service.observe(session, device, read.reading, at=attempt.context.clock())
        _keep_statistics(session, request, device_id, read)
        if read.invoices is not None:
            invoices_service.import_from_device(
                session,
                device=device,
                invoices=read.invoices,
                period=Period(request.period),
                at=attempt.context.clock(),
            )


def _keep_statistics(
    session: Session, request: ClearingRequest, device_id: UUID, read: Read
) -> None:
    """The device's own totals, for record and certificate. Once a clear was sent, those of before it stay."""
    target = session.get_one(ClearingTarget, (request.id, device_id))
    if target.clear_operation_id is not None and target.device_totals is not None:
        return
    if read.statistics is None:
        target.device_totals = None
    else:
        target.device_totals = as_json(of_device(read.statistics, Period(request.period)))
    session.add(target)


def _conclude(
    session: Session,
    request: ClearingRequest,
    attempt: Attempt,
    checks: list[prechecks.Check],
    readings: Readings,
) -> Failure | None:
    """Keep what was found, and end the stage unless something stands against it."""
    kept_checks.keep(session, request, checks, at=attempt.context.clock())
    blocking = prechecks.first_blocking(checks)
    if blocking is not None:
        return Failure(
            blocking.error_code or blocking.code,
            blocking.message,
            blocking.remedy,
            blocking.device_code,
            blocking.device_message,
        )
    left = _keep_unaccepted(session, request, checks)
    if left:
        return acceptance.failure(left)
    _end(session, request, attempt, checks, readings)
    return None


def _keep_unaccepted(
    session: Session, request: ClearingRequest, checks: list[prechecks.Check]
) -> list[prechecks.Check]:
    """The warnings at which the run stops, kept for whoever decides about a retry."""
    sent = any(target.clear_operation_id for target in queries.targets(session, request.id))
    left = acceptance.unaccepted(request, checks, clear_was_sent=sent)
    request.open_warnings = acceptance.open_warnings(left)
    session.add(request)
    return left


def _end(
    session: Session,
    request: ClearingRequest,
    attempt: Attempt,
    checks: list[prechecks.Check],
    readings: Readings,
) -> None:
    at = attempt.context.clock()
    warnings = [check for check in checks if check.severity is prechecks.Severity.WARNING]
    for check in warnings:
        named = "（已确认）" if check.code in request.accepted_warnings else ""
        progress.note(session, request, f"需留意：{check.message}{named}", at, level="warning")
    register.prepare(session, request, readings, at=at)
    progress.end_stage(session, request, Stage.INIT, prechecks.counted(checks), at)
    stage_backup.begin(session, request, at)
