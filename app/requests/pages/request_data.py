"""Builds what a request's page shows."""

from collections.abc import Iterator, Sequence
from uuid import UUID

from app.accounts.principal import Permission, Principal, PrincipalKind
from app.clearing import figure_lines, queries
from app.clearing.models import (
    ClearingCheck,
    ClearingRecord,
    ClearingRequest,
    ClearingStage,
    ClearingTarget,
)
from app.clearing.outcomes import Failure, from_json, sentence
from app.clearing.outcomes import of_record as outcome_of_record
from app.clearing.states import (
    EXECUTABLE_STATES,
    FINAL_STATES,
    RETRYABLE_STATES,
    TRANSITIONS,
    Outcome,
    RequestState,
    Result,
    StageState,
)
from app.core.clock import Clock
from app.core.db import Session
from app.core.ids import new_token
from app.core.money import ZERO
from app.enterprises.models import Enterprise
from app.operators.models import Operator
from app.prechecks import preview
from app.prechecks.contexts import CheckItem, WarningItem
from app.records.contexts import TypeOutcomeRow
from app.records.page_data import backup_ref, certificate_href, outcome_rows
from app.requests.contexts import (
    AttachmentRow,
    LogLine,
    RecordRef,
    RequestActions,
    RequestPage,
    StageView,
)
from app.requests.pages import leads
from app.requests.service import approval, attachments, control

_ENDED = frozenset({RequestState.SUCCEEDED, RequestState.CONFIRMED, RequestState.FAILED})
"""Where the page leads on to the next operator."""


def build(session: Session, request_id: UUID, principal: Principal, clock: Clock) -> RequestPage:
    """The page as it stands."""
    request = queries.visible_request(session, request_id, principal)
    operator = session.get_one(Operator, request.operator_id)
    enterprise = session.get_one(Enterprise, request.enterprise_id)
    targets = queries.targets(session, request_id)
    records = queries.records_of(session, [request_id])[request_id]
    succeeded = [record for record in records if record.result is Result.SUCCEEDED]
    end = request.finished_at or clock()
    events = queries.events(session, request_id)
    after = events[0].id if events else 0
    checks = queries.checks.newest_of_request(session, request_id)
    left = from_json(request.remaining) or ()
    return RequestPage(
        id=str(request.id),
        number=request.number,
        state=request.state,
        operator_id=str(operator.id),
        operator_name=operator.name,
        operator_code=operator.code,
        enterprise=enterprise.name,
        device_numbers=tuple(target.device_number for target in targets),
        mode=request.mode,
        kind=request.kind,
        scope=request.scope,
        invoice_types=tuple(request.invoice_types),
        period=request.period,
        clearing_date=request.clearing_date,
        reason=request.reason,
        contact_name=request.contact_name,
        contact_phone=request.contact_phone,
        scheduled_for=request.scheduled_for,
        requested_by=_who_asked(request),
        created_at=request.created_at,
        reviewed_by=request.reviewed_by_name or "",
        reviewed_at=request.reviewed_at,
        review_comment=request.review_comment or "",
        executed_by=request.executed_by_name or "",
        stages=tuple(
            StageView(stage.name, stage.state, _said(stage, request))
            for stage in queries.stages(session, request_id)
        ),
        progress=request.progress,
        message=request.message,
        elapsed_seconds=int((end - request.started_at).total_seconds())
        if request.started_at
        else 0,
        log=tuple(LogLine(event.at, event.text, event.level) for event in events),
        outcomes=tuple(_outcomes(targets, succeeded)),
        invoices_cleared=sum(record.invoices_cleared for record in succeeded),
        amount=sum((record.amount for record in succeeded), ZERO),
        backup=backup_ref(session, request.backup_id),
        records=tuple(_record_ref(record) for record in records),
        failure=_failure(request),
        actions=_actions(session, request, principal),
        key=new_token(128),
        outcome=_outcome(request, succeeded),
        outcome_said=sentence(from_json(request.cleared) or (), left),
        remaining_said=sentence((), left),
        next_lock_date=request.next_lock_date,
        figures=figure_lines.lines(figure_lines.of_records(succeeded)) if succeeded else (),
        effects=preview.of_request(session, request)
        if request.state in EXECUTABLE_STATES
        else None,
        exceptional=request.exceptional,
        checklist=tuple(request.checklist),
        attachments=tuple(
            AttachmentRow(str(one.id), one.name, one.size, one.added_at)
            for one in (queries.attachments(session, request_id) if request.exceptional else ())
        ),
        warnings=tuple(WarningItem(**one) for one in request.open_warnings),
        checks=tuple(_check(one) for one in checks),
        checked_at=checks[0].at if checks else None,
        retry_by=_retry_by(session, request, principal),
        next_up=leads.next_up(session, principal, clock, besides=operator.id)
        if request.state in _ENDED
        else None,
        remedy_links=leads.of_failure(
            session, request, [one.device_number for one in targets], principal
        ),
        events_url=""
        if request.state in FINAL_STATES
        else f"/api/v1/clearing-requests/{request.id}/events?after={after}",
    )


def _said(stage: ClearingStage, request: ClearingRequest) -> str:
    """A stage that runs says what is being done; one that failed leaves the cause to the head of the page."""
    if stage.state is StageState.RUNNING:
        return stage.message or request.message
    failed = stage.state is StageState.FAILED and request.error_code is not None
    return "" if failed else stage.message


def _check(check: ClearingCheck) -> CheckItem:
    return CheckItem(
        severity=check.severity,
        message=check.message,
        remedy=check.remedy,
        code=check.code,
        device_number=check.device_number,
        evidence=tuple((one["label"], one["value"]) for one in check.evidence),
        accepted=check.accepted,
    )


def _outcome(request: ClearingRequest, succeeded: Sequence[ClearingRecord]) -> str:
    """Of a request of before outcomes were kept, at least whether anything was executed."""
    if request.outcome is not None:
        return request.outcome
    return Outcome.ALREADY if succeeded and all(one.already for one in succeeded) else ""


def _record_ref(record: ClearingRecord) -> RecordRef:
    shown = outcome_of_record(record) or record.result
    result = record.result if shown == Outcome.CLEARED else shown
    return RecordRef(
        str(record.id),
        record.device_number,
        record.attempt,
        result,
        certificate_href(record),
    )


def _outcomes(
    targets: Sequence[ClearingTarget], succeeded: Sequence[ClearingRecord]
) -> Iterator[TypeOutcomeRow]:
    done = {record.device_id for record in succeeded}
    for target in targets:
        if target.device_id in done:
            yield from outcome_rows(target.device_number, target.types)


def _failure(request: ClearingRequest) -> Failure | None:
    if request.error_code is None:
        return None
    return Failure(
        request.error_code,
        request.error_message or "",
        request.error_remedy or "",
        request.error_device_code or "",
        request.error_device_message or "",
    )


def _retry_by(session: Session, request: ClearingRequest, principal: Principal) -> str:
    if request.state not in RETRYABLE_STATES or approval.may_retry(session, request, principal):
        return ""
    return "requester" if approval.covers(request) else "admin"


def _who_asked(request: ClearingRequest) -> str:
    """Who answers for it, and who first asked where that is somebody else; a key is named as one."""
    key = "（密钥）" if request.asked_by_kind == PrincipalKind.API_KEY else ""
    first = f"{request.asked_by_name}{key}"
    if not request.asked_by or request.asked_by == request.requested_by:
        return f"{request.requested_by_name}{key}"
    return f"{request.requested_by_name}（移交前由 {first} 提交）"


def _actions(session: Session, request: ClearingRequest, principal: Principal) -> RequestActions:
    state = request.state
    executes = principal.can(Permission.CLEARING_EXECUTE)
    own = request.requested_by == str(principal.id)
    reviews = (
        principal.can(Permission.CLEARING_REVIEW)
        and state is RequestState.SUBMITTED
        and not control.is_own(request, principal)
    )
    return RequestActions(
        attach=request.exceptional
        and state is RequestState.SUBMITTED
        and principal.can(Permission.CLEARING_REQUEST)
        and control.may_take_part(request, principal),
        ask_exception=principal.can(Permission.CLEARING_REQUEST)
        and request.error_code == "bureau.mismatch"
        and not request.exceptional,
        tick=attachments.may_tick(request, principal),
        approve=reviews,
        reject=reviews,
        execute=executes
        and state in EXECUTABLE_STATES
        and not (request.exceptional and state is RequestState.SUBMITTED),
        cancel=control.may_take_part(request, principal)
        and RequestState.CANCELLED in TRANSITIONS[state],
        retry=approval.may_retry(session, request, principal),
        confirm=state is RequestState.SUCCEEDED and (own or principal.can(Permission.ADMIN)),
    )
