"""初始化: read the devices, bring the ledger up to date, run the pre-checks."""

from app.clearing import facts, prechecks, queries
from app.clearing.models import ClearingRequest
from app.clearing.service import progress
from app.clearing.service.outcome import Failure
from app.clearing.states import Stage
from app.clearing.workflow.context import Attempt, StageFailed
from app.contracts.periods import Period
from app.core.db import Session
from app.devices import service as devices_service
from app.devices.models import Device
from app.invoices import service as invoices_service


async def run(attempt: Attempt) -> None:
    """Raises StageFailed with the first condition that blocks; nothing has been changed by then.

    While the outcome of an earlier attempt is not known, finding it out comes first: a device that
    can't be read now says nothing about what was done to it.
    """
    context = attempt.context
    await attempt.write(_begin, attempt)
    if await attempt.read(queries.has_unknown_outcome, attempt.request_id):
        await attempt.write(_go_on, attempt)
        return
    subject = await attempt.read(facts.subject_of_request, attempt.request_id)
    readings = await facts.read_devices(context.agents, subject, with_invoices=True)
    await attempt.write(_store, attempt, readings)
    gathered = await attempt.read(facts.collect, subject, readings, context.settings, context.clock)
    checks = prechecks.run(gathered)
    blocking = prechecks.first_blocking(checks)
    if blocking is not None:
        raise StageFailed(
            Failure(
                blocking.error_code or blocking.code,
                blocking.message,
                blocking.remedy,
                blocking.device_code,
                blocking.device_message,
            )
        )
    await attempt.write(_end, attempt, checks)


def _begin(session: Session, request: ClearingRequest, attempt: Attempt) -> None:
    progress.begin_stage(
        session, request, Stage.INIT, "正在读取设备并检查清卡条件", attempt.context.clock()
    )


def _go_on(session: Session, request: ClearingRequest, attempt: Attempt) -> None:
    text = "上一次执行的结果尚未确定，先查明结果"
    progress.end_stage(session, request, Stage.INIT, text, attempt.context.clock())


def _store(
    session: Session, request: ClearingRequest, attempt: Attempt, readings: facts.Readings
) -> None:
    for device_id, read in readings.items():
        device = session.get_one(Device, device_id)
        if read.reading is None:
            continue
        devices_service.store_reading(session, device, read.reading, at=attempt.context.clock())
        if read.invoices is not None:
            invoices_service.import_from_device(
                session,
                device=device,
                invoices=read.invoices,
                period=Period(request.period),
                at=attempt.context.clock(),
            )


def _end(
    session: Session, request: ClearingRequest, attempt: Attempt, checks: list[prechecks.Check]
) -> None:
    at = attempt.context.clock()
    warnings = [check for check in checks if check.severity is prechecks.Severity.WARNING]
    for check in warnings:
        accepted = "（已确认）" if check.code in request.accepted_warnings else ""
        progress.note(session, request, f"需留意：{check.message}{accepted}", at, level="warning")
    passed = f"{len(checks) - len(warnings)} 项检查通过"
    text = passed + (f"，{len(warnings)} 项需留意" if warnings else "")
    progress.end_stage(session, request, Stage.INIT, text, at)
