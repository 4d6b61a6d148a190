"""One operator's request in a batch: refused for what a single request is, and for what only a batch refuses."""

from datetime import datetime
from uuid import UUID

from pydantic import ValidationError

from app.accounts.principal import Principal
from app.batches.schemas import BatchCreate
from app.clearing.errors import ProofMissing
from app.clearing.models import ClearingBatch, ClearingRequest
from app.clearing.schemas import RequestCreate
from app.core.clock import Clock, local_date
from app.core.db import Session
from app.core.forms import form_messages
from app.devices import queries as devices_queries
from app.devices.states import is_zombie_now
from app.errors import QingkaError
from app.operators import queries as operators_queries
from app.operators.models import Operator
from app.prechecks import subject
from app.requests.service import start, submit
from app.settings import Settings


def make(
    session: Session,
    batch: ClearingBatch,
    operator_id: UUID,
    *,
    principal: Principal,
    settings: Settings,
    clock: Clock,
    data: BatchCreate,
    proven: bool,
) -> ClearingRequest:
    """Make the operator's request and let it go its way. Raises whatever a single request would.

    `proven`: whoever confirmed the batch gave the password.
    """
    now = clock()
    operator = operators_queries.visible(session, operator_id, principal)
    refuse_zombies(session, operator, now)
    wanted = request_data(operator, data, now)
    decided = start.of_operator(
        session, operator_id, wanted, principal=principal, settings=settings, now=now
    )
    if decided.proof and not proven:
        raise ProofMissing
    request = submit.submit_request(
        session,
        principal=principal,
        clock=clock,
        data=wanted,
        direct=decided.by_right,
        batch_id=batch.id,
    )
    start.begin(
        session, request, decided, principal=principal, settings=settings, clock=clock, queued=True
    )
    return request


class BatchInvalid(QingkaError):
    status = 422
    code = "batch.invalid"
    title = "批量清卡的参数有误"
    remedy = "请按提示修改后重新提交。"


class ZombieSkipped(QingkaError):
    """More than 90 days since the last report (docs/domain.md, rule 2)."""

    status = 409
    code = "batch.zombie"
    title = "僵尸盘，批量清卡跳过"
    remedy = "超过 90 天未抄报的设备需到主管税务机关处理。"


def refusal(
    session: Session, operator: Operator, data: BatchCreate, *, principal: Principal, now: datetime
) -> QingkaError | None:
    """Why this operator would be skipped, by the rules a single request is submitted by; None: not at all."""
    try:
        refuse_zombies(session, operator, now)
        wanted = request_data(operator, data, now)
        submit.require_submittable(session, wanted, principal=principal, now=now)
    except QingkaError as error:
        return error
    return None


def request_data(operator: Operator, data: BatchCreate, now: datetime) -> RequestCreate:
    """What is asked for this operator. Raises BatchInvalid.

    The day or time the batch was confirmed for may have come before it was this operator's turn: that is now.
    """
    values = data.model_dump(exclude={"operator_ids", "state", "enterprise_id", "period"})
    values["operator_id"] = operator.id
    values["period"] = data.period or subject.default_period(operator.lock_date, now)
    if data.scheduled_for is not None and data.scheduled_for <= now:
        values["scheduled_for"] = None
    if data.clearing_date is not None and data.clearing_date < local_date(now):
        values["clearing_date"] = None
    try:
        return RequestCreate.model_validate(values)
    except ValidationError as error:
        raise BatchInvalid(errors=form_messages(error)) from error


def refuse_zombies(session: Session, operator: Operator, now: datetime) -> None:
    """Raises ZombieSkipped when one of the operator's devices is one."""
    devices = devices_queries.in_use_of_operator(session, operator.id)
    monitors = devices_queries.monitors_of(session, [device.id for device in devices])
    for device in devices:
        reports = (one.last_reported_at for one in monitors[device.id])
        if is_zombie_now(reports, device.clock_drift_seconds, now):
            raise ZombieSkipped(f"设备 {device.number} 超过 90 天未抄报")
