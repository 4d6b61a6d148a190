"""审核: approve or reject a submitted request, never one's own (decision 22)."""

from app.accounts.principal import SYSTEM, Principal
from app.audit.actions import AuditAction
from app.clearing import errors, evidence
from app.clearing.models import ClearingRequest
from app.clearing.moments import moment_of
from app.clearing.states import RequestState
from app.core.clock import Clock
from app.core.db import Session
from app.enterprises.models import Enterprise
from app.notifications.service import EventKind
from app.requests.service import attachments, control
from app.requests.service.announcements import announce
from app.settings import Settings


def approve(
    session: Session,
    request: ClearingRequest,
    *,
    principal: Principal,
    comment: str,
    settings: Settings,
    clock: Clock,
) -> None:
    """Approve; it then runs by itself, at the scheduled time, or once the peak hours are over.

    Raises OwnRequest (403 `review.own_request`) and `errors.RequestState`.
    """
    if control.is_own(request, principal):
        raise errors.OwnRequest
    if request.exceptional:
        attachments.require_complete(session, request)
    control.move(request, RequestState.APPROVED, clock)
    _note_review(request, principal, comment, clock)
    session.add(request)
    announce(session, request, EventKind.CLEARING_APPROVED, clock, comment=comment)
    control.record(
        session,
        request,
        principal,
        AuditAction.CLEARING_APPROVED,
        clock,
        comment=comment,
        **evidence.of_request(session, request),
    )
    _schedule(session, request, settings, clock)


def reject(
    session: Session, request: ClearingRequest, *, principal: Principal, comment: str, clock: Clock
) -> None:
    """Reject with a comment; the devices are free again."""
    if control.is_own(request, principal):
        raise errors.OwnRequest
    control.move(request, RequestState.REJECTED, clock)
    _note_review(request, principal, comment, clock)
    request.message = f"已驳回：{comment}"[:500]
    control.release(session, request)
    session.add(request)
    announce(session, request, EventKind.CLEARING_REJECTED, clock, comment=comment)
    control.record(
        session,
        request,
        principal,
        AuditAction.CLEARING_REJECTED,
        clock,
        comment=comment,
        **evidence.of_request(session, request),
    )


def is_needed(session: Session, request: ClearingRequest) -> bool:
    """Whether somebody has to review it: the enterprise wants it, or it is exceptional."""
    enterprise = session.get_one(Enterprise, request.enterprise_id)
    return enterprise.review_required or request.exceptional


def approve_by_rule(
    session: Session, request: ClearingRequest, *, settings: Settings, clock: Clock
) -> None:
    """Approve a request of an enterprise that needs no review (`start.decide` knows)."""
    control.move(request, RequestState.APPROVED, clock)
    request.review_comment = "该企业设置为无需审核"
    session.add(request)
    announce(session, request, EventKind.CLEARING_APPROVED, clock, comment="无需审核")
    control.record(
        session,
        request,
        None,
        AuditAction.CLEARING_APPROVED,
        clock,
        comment="无需审核",
        **evidence.of_request(session, request),
    )
    _schedule(session, request, settings, clock)


def _schedule(session: Session, request: ClearingRequest, settings: Settings, clock: Clock) -> None:
    """Who asked for it counts as executing it; the reviewer is kept beside."""
    at = moment_of(request, settings, clock()).at
    executed_by = request.requested_by, request.requested_by_name
    control.schedule(session, request, at, principal=SYSTEM, clock=clock)
    request.executed_by, request.executed_by_name = executed_by


def _note_review(
    request: ClearingRequest, principal: Principal, comment: str, clock: Clock
) -> None:
    request.reviewed_by, request.reviewed_by_name = str(principal.id), principal.display_name
    request.review_comment, request.reviewed_at = comment, clock()
