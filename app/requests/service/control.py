"""Execute, schedule, retry, cancel and confirm a request. Every change of state goes through `move`."""

from datetime import datetime

from app.accounts.principal import SYSTEM, Permission, Principal
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.audit.canonical import JSON
from app.clearing import errors, queries
from app.clearing.models import ClearingRequest
from app.clearing.states import (
    EXECUTABLE_STATES,
    RETRYABLE_STATES,
    TRANSITIONS,
    RequestState,
    TargetState,
)
from app.clearing.window import window_end
from app.core.clock import Clock, local, local_date
from app.core.db import Session
from app.errors import Forbidden
from app.notifications.service import EventKind
from app.operators import service as operators_service
from app.operators.models import Attention
from app.requests import dispatch
from app.requests.service import holding, progress
from app.requests.service.announcements import announce
from app.settings import Settings


def move(request: ClearingRequest, to: RequestState, clock: Clock) -> None:
    """Change the state, or raise `errors.RequestState` when the table of states does not allow it."""
    if to not in TRANSITIONS[request.state]:
        raise errors.RequestState(f"申请 {request.number} 当前为 {request.state}，不能变为 {to}")
    request.state = to
    request.updated_at = clock()


def is_own(request: ClearingRequest, principal: Principal) -> bool:
    """Whether it is this person's own: asked for, also through a key, or answered for since a hand-over."""
    if str(principal.id) in (request.requested_by, request.asked_by):
        return True
    return not {str(one) for one in principal.persons}.isdisjoint(
        [*request.asked_for, request.requested_by]
    )


def may_take_part(request: ClearingRequest, principal: Principal) -> bool:
    """Whether this may give it up or add papers: whose own it is, and who reviews or executes."""
    return is_own(request, principal) or any(
        principal.can(one) for one in (Permission.CLEARING_REVIEW, Permission.CLEARING_EXECUTE)
    )


def execute(
    session: Session,
    request: ClearingRequest,
    *,
    principal: Principal,
    settings: Settings,
    clock: Clock,
) -> None:
    """Start the first execution; the caller has asked a person for the password again."""
    require_executable(request, principal=principal, settings=settings, clock=clock)
    request.clearing_date = local_date(clock())
    start(session, request, principal=principal, clock=clock, action=AuditAction.CLEARING_EXECUTED)


def require_executable(
    request: ClearingRequest, *, principal: Principal, settings: Settings, clock: Clock
) -> None:
    """Refuse to start it now. Raises RequestState, ReviewRequired, and PeakWindow without an override.

    Who holds `clearing:execute` may execute without a review (docs/api.md), but not an exceptional request.
    """
    if request.state not in EXECUTABLE_STATES:
        raise errors.RequestState(f"申请 {request.number} 已是 {request.state}，不能再次执行")
    if request.state is RequestState.SUBMITTED and request.exceptional:
        raise errors.ReviewRequired("异常清卡必须先由审核员审核")
    if not principal.can(Permission.CLEARING_EXECUTE):
        raise errors.ReviewRequired
    if not request.override_window and window_end(settings, clock()) is not None:
        raise errors.PeakWindow


def schedule(
    session: Session, request: ClearingRequest, at: datetime, *, principal: Principal, clock: Clock
) -> None:
    """Have the request started at this moment, or as soon after as there is room."""
    move(request, RequestState.SCHEDULED, clock)
    request.scheduled_for = at
    request.message = f"将于 {local(at):%Y-%m-%d %H:%M} 执行" if at > clock() else "等待执行"
    request.executed_by, request.executed_by_name = str(principal.id), principal.display_name
    session.add(request)
    record(session, request, principal, AuditAction.CLEARING_SCHEDULED, clock)
    dispatch.look_soon(session)


def retry(
    session: Session, request: ClearingRequest, *, principal: Principal, clock: Clock
) -> None:
    """Run a failed request, or one whose outcome is not known, again. Always safe.

    A device operation whose outcome is not final is taken up again, never repeated.
    """
    if request.state not in RETRYABLE_STATES:
        raise errors.RequestState(f"申请 {request.number} 当前为 {request.state}，不需要重试")
    left = [
        target
        for target in queries.targets(session, request.id)
        if target.state is not TargetState.SUCCEEDED
    ]
    device_ids = [target.device_id for target in left]
    with holding.taking(session, device_ids, principal=principal, besides=request.id):
        for target in left:
            target.open, target.started_at = True, None
            session.add(target)
    start(session, request, principal=principal, clock=clock, action=AuditAction.CLEARING_RETRIED)


def cancel(
    session: Session, request: ClearingRequest, *, principal: Principal, clock: Clock
) -> None:
    """Give a request up before it runs. Raises NotOwn for one of somebody else."""
    if not may_take_part(request, principal):
        raise errors.NotOwn
    move(request, RequestState.CANCELLED, clock)
    request.message = "已取消"
    release(session, request)
    session.add(request)
    record(session, request, principal, AuditAction.CLEARING_CANCELLED, clock)


def confirm(
    session: Session, request: ClearingRequest, *, principal: Principal, clock: Clock
) -> None:
    """确认清卡成功, by whom it was asked for (or an admin)."""
    own = request.requested_by == str(principal.id)
    if not own and not principal.can(Permission.ADMIN):
        raise Forbidden("只有申请人可以确认")
    move(request, RequestState.CONFIRMED, clock)
    session.add(request)
    record(session, request, principal, AuditAction.CLEARING_CONFIRMED, clock)


def release(session: Session, request: ClearingRequest) -> None:
    """Let other requests have the devices."""
    for target in queries.targets(session, request.id):
        target.open = False
        session.add(target)


def start(
    session: Session,
    request: ClearingRequest,
    *,
    principal: Principal | None,
    clock: Clock,
    action: AuditAction,
) -> None:
    """Begin a new attempt. Without a principal the system starts what was scheduled, for its scheduler."""
    move(request, RequestState.RUNNING, clock)
    request.attempt += 1
    request.started_at, request.finished_at = clock(), None
    if principal is not None:
        request.executed_by, request.executed_by_name = str(principal.id), principal.display_name
    progress.restart(session, request)
    operators_service.set_attention(session, request.operator_id, Attention.RUNNING)
    announce(session, request, EventKind.CLEARING_STARTED, clock)
    record(session, request, principal, action, clock)
    dispatch.after_commit(session, request.id, request.attempt)


def record(
    session: Session,
    request: ClearingRequest,
    principal: Principal | None,
    action: AuditAction,
    clock: Clock,
    **details: JSON,
) -> None:
    """The audit record of what was done to a request."""
    audit.record(
        session,
        actor=principal.actor if principal else SYSTEM.actor,
        action=action,
        object_type="clearing_request",
        object_id=str(request.id),
        at=clock(),
        details={"number": request.number, "attempt": request.attempt, **details},
    )
