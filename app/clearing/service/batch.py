"""批量清卡: many requests with one confirmation; each goes its own way, none stops another."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from pydantic import ValidationError

from app.accounts.principal import Permission, Principal
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.audit.canonical import JSON
from app.clearing import dispatch, facts, moments, queries
from app.clearing.batch_schemas import BatchCreate
from app.clearing.errors import ProofMissing
from app.clearing.foresight import foresee
from app.clearing.models import ClearingBatch, ClearingRequest
from app.clearing.schemas import RequestCreate
from app.clearing.service import caution, control, start, submit
from app.clearing.states import BatchState, RequestState
from app.core.clock import Clock, local_date
from app.core.db import Session
from app.core.forms import form_messages
from app.devices import queries as devices_queries
from app.devices.states import clock_now, is_zombie
from app.errors import QingkaError
from app.operators import queries as operators_queries
from app.operators.models import Operator
from app.operators.queries import OperatorFilter
from app.settings import Settings

MAX_OPERATORS = 2000
"""So many at most are taken into one batch."""


@dataclass(slots=True)
class _Made:
    """What became of the operators of a batch."""

    requests: list[ClearingRequest] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)


def create_batch(
    session: Session,
    *,
    principal: Principal,
    settings: Settings,
    clock: Clock,
    data: BatchCreate,
    proven: bool,
) -> ClearingBatch:
    """One request for each operator; who can't be cleared is skipped and named with the reason.

    Each waits for its review or is started as there is room, as `start.decide` says of its enterprise.
    `proven`: a person has just given the password. Raises ProofMissing where it is wanted and was not given, and WarningsNotAccepted
    for what the register shows beforehand, one of each kind.
    """
    now = clock()
    moments.require_ahead(data, now)
    operator_ids = operators_of(session, data, principal=principal, clock=clock)
    if decide(session, operator_ids, data, principal, settings, now).proof and not proven:
        raise ProofMissing
    accepted = _accepted(session, operator_ids, principal, settings, now, data)
    batch = ClearingBatch(
        number=queries.next_number(session, local_date(now), prefix="PL"),
        period=data.period or facts.default_period(None, now),
        reason=data.reason,
        created_by=str(principal.id),
        created_by_name=principal.display_name,
        created_at=now,
        updated_at=now,
    )
    session.add(batch)
    session.flush()
    made = _make_requests(session, batch, operator_ids, principal, clock, data)
    batch.skipped = made.skipped
    session.add(batch)
    _audit(
        session,
        batch,
        principal,
        AuditAction.BATCH_CREATED,
        clock,
        requests=len(made.requests),
        accepted_warnings=accepted,
    )
    for request in made.requests:
        _release(session, request, principal, settings, clock)
    return batch


def pause(session: Session, batch: ClearingBatch, *, principal: Principal, clock: Clock) -> None:
    """Start no further request; what runs goes on."""
    _set_state(session, batch, BatchState.PAUSED, AuditAction.BATCH_PAUSED, principal, clock)


def resume(session: Session, batch: ClearingBatch, *, principal: Principal, clock: Clock) -> None:
    """Go on."""
    _set_state(session, batch, BatchState.RUNNING, AuditAction.BATCH_RESUMED, principal, clock)
    dispatch.look_soon(session)


def retry_failed(
    session: Session,
    batch: ClearingBatch,
    *,
    principal: Principal,
    clock: Clock,
    accepted_warnings: Sequence[str] | None = None,
) -> int:
    """Retry every failed request of the batch, with these warnings accepted; gives how many."""
    accepted = caution.accepted_by(principal, accepted_warnings)
    retried = 0
    failed = queries.requests_of_batch(session, batch.id, RequestState.FAILED)
    for request in queries.order.subs_first(session, failed):
        try:
            with session.begin_nested():
                caution.accept(session, request, accepted, principal=principal, clock=clock)
                control.retry(session, request, principal=principal, clock=clock)
        except QingkaError:
            continue  # another request holds the device by now; it is shown there
        retried += 1
    _audit(
        session,
        batch,
        principal,
        AuditAction.BATCH_RETRIED,
        clock,
        requests=retried,
        accepted_warnings=accepted,
    )
    return retried


def _accepted(
    session: Session,
    operator_ids: Sequence[UUID],
    principal: Principal,
    settings: Settings,
    now: datetime,
    data: BatchCreate,
) -> list[str]:
    """The codes that are accepted, once nothing that is known beforehand is left out."""
    accepted = caution.accepted_by(principal, data.accepted_warnings)
    if caution.EVERYTHING not in accepted:
        seen = foresee(session, operator_ids, data, principal=principal, settings=settings, now=now)
        caution.require_accepted(seen.warnings, accepted)
    return accepted


def _make_requests(
    session: Session,
    batch: ClearingBatch,
    operator_ids: Sequence[UUID],
    principal: Principal,
    clock: Clock,
    data: BatchCreate,
) -> _Made:
    made = _Made()
    for operator_id in operator_ids:
        operator = operators_queries.visible(session, operator_id, principal)
        try:
            with session.begin_nested():
                request = _request(session, operator, principal, clock, data)
                request.batch_id = batch.id
                session.add(request)
        except QingkaError as error:
            made.skipped.append(_skipped(operator, error))
        else:
            made.requests.append(request)
    return made


def _request(
    session: Session, operator: Operator, principal: Principal, clock: Clock, data: BatchCreate
) -> ClearingRequest:
    """Raises ZombieSkipped, or whatever a single request would."""
    _refuse_zombies(session, operator, clock())
    values = data.model_dump(exclude={"operator_ids", "state", "enterprise_id", "period"})
    values["operator_id"] = operator.id
    values["period"] = data.period or facts.default_period(operator.lock_date, clock())
    try:
        wanted = RequestCreate.model_validate(values)
    except ValidationError as error:
        raise BatchInvalid(errors=form_messages(error)) from error
    direct = principal.can(Permission.CLEARING_EXECUTE)
    return submit.submit_request(
        session, principal=principal, clock=clock, data=wanted, direct=direct
    )


class BatchInvalid(QingkaError):
    status = 422
    code = "batch.invalid"
    title = "批量清卡的参数有误"
    remedy = "请按提示修改后重新提交。"


class ZombieSkipped(QingkaError):
    """More than 90 days since the last report (product.md section 5, rule 2)."""

    status = 409
    code = "batch.zombie"
    title = "僵尸盘，批量清卡跳过"
    remedy = "超过 90 天未抄报的设备需到主管税务机关处理。"


def _refuse_zombies(session: Session, operator: Operator, now: datetime) -> None:
    devices = devices_queries.in_use_of_operator(session, operator.id)
    monitors = devices_queries.monitors_of(session, [device.id for device in devices])
    for device in devices:
        shown = clock_now(now, device.clock_drift_seconds)
        if is_zombie((one.last_reported_at for one in monitors[device.id]), shown):
            raise ZombieSkipped(f"设备 {device.number} 超过 90 天未抄报")


@dataclass(frozen=True, slots=True)
class _Wish:
    """When the requests of a batch are to start; none of them is exceptional."""

    clearing_date: date | None
    scheduled_for: datetime | None
    override_window: bool
    exceptional: bool = False


def decide(
    session: Session,
    operator_ids: Sequence[UUID],
    data: BatchCreate,
    principal: Principal,
    settings: Settings,
    now: datetime,
) -> start.BatchStart:
    """What becomes of these operators' requests once the batch is confirmed."""
    wish = _Wish(data.clearing_date, data.scheduled_for, data.override_window)
    return start.of_operators(
        session, operator_ids, wish, principal=principal, settings=settings, now=now
    )


def operators_of(
    session: Session, data: BatchCreate, *, principal: Principal, clock: Clock
) -> list[UUID]:
    """The operators meant: those named, else all in the state."""
    if data.operator_ids:
        return list(dict.fromkeys(data.operator_ids))
    wanted = OperatorFilter(state=data.state, enterprise_id=data.enterprise_id, active=True)
    return operators_queries.ids_of(
        session,
        principal=principal,
        wanted=wanted,
        today=local_date(clock()),
        limit=MAX_OPERATORS,
    )


def _release(
    session: Session,
    request: ClearingRequest,
    principal: Principal,
    settings: Settings,
    clock: Clock,
) -> None:
    """Put it on the schedule, or leave it to its reviewer."""
    decided = start.of_operator(
        session,
        request.operator_id,
        request,
        principal=principal,
        settings=settings,
        now=clock(),
    )
    start.begin(
        session, request, decided, principal=principal, settings=settings, clock=clock, queued=True
    )


def _set_state(
    session: Session,
    batch: ClearingBatch,
    state: BatchState,
    action: AuditAction,
    principal: Principal,
    clock: Clock,
) -> None:
    if batch.state is state:
        return
    batch.state, batch.updated_at = state, clock()
    session.add(batch)
    _audit(session, batch, principal, action, clock)


def _skipped(operator: Operator, error: QingkaError) -> dict[str, str]:
    return {
        "operator_id": str(operator.id),
        "operator_code": operator.code,
        "operator_name": operator.name,
        "code": error.code,
        "message": error.detail,
        "remedy": error.remedy,
    }


def _audit(
    session: Session,
    batch: ClearingBatch,
    principal: Principal,
    action: AuditAction,
    clock: Clock,
    **details: JSON,
) -> None:
    audit.record(
        session,
        actor=principal.actor,
        action=action,
        object_type="clearing_batch",
        object_id=str(batch.id),
        at=clock(),
        details={"number": batch.number, **details},
    )
