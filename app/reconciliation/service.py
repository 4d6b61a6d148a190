"""Use cases of reconciliation: keep what a comparison found as a run, deal with a difference."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from app.accounts.principal import Permission, Principal
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.audit.canonical import JSON
from app.audit.evidence import seals
from app.contracts.periods import Period
from app.core.db import Session
from app.errors import Forbidden
from app.invoices import service as invoices_service
from app.invoices.models import ClearingStatus
from app.invoices.schemas import InvoiceUpdate
from app.operators import queries as operators_queries
from app.reconciliation import queries, run_queries
from app.reconciliation.bureau import Told
from app.reconciliation.comparison import LEDGER_SAYS_CLEARED
from app.reconciliation.errors import DifferenceHandled, NotCorrectable, TooManyInvoices
from app.reconciliation.evidence import DECISION
from app.reconciliation.findings import Findings, Found
from app.reconciliation.models import (
    DifferenceKind,
    DifferenceState,
    Handling,
    ReconciliationDifference,
    ReconciliationRun,
)

MAX_CORRECTED = 2000
"""Invoices corrected with one decision."""

NOT_KEPT = UUID(int=0)
"""In place of the run of differences that are only shown."""

_RUNNERS = frozenset(
    {
        Permission.AUDIT_READ,
        Permission.CLEARING_REQUEST,
        Permission.CLEARING_REVIEW,
        Permission.CLEARING_EXECUTE,
    }
)


def may_run(principal: Principal) -> bool:
    """Whether this principal may have a run kept: who clears, reviews or audits."""
    return bool(principal.permissions & _RUNNERS)


def require_runner(principal: Principal) -> None:
    """Raise Forbidden unless this principal may have a run kept."""
    if not may_run(principal):
        raise Forbidden("需要办理清卡、审核或审计的权限")


def may_accept(principal: Principal) -> bool:
    """Whether this principal may declare a difference to be in order."""
    return principal.can(Permission.CLEARING_REVIEW) or principal.can(Permission.DEVICES_WRITE)


def rows_of(
    session: Session, findings: Findings, *, run_id: UUID = NOT_KEPT
) -> list[ReconciliationDifference]:
    """The differences as rows; what was accepted before, and is the very same, stays accepted."""
    before = run_queries.accepted_before(session, (one.fingerprint for one in findings.found))
    period = findings.scope.period
    return [_row(one, run_id, period, before.get(one.fingerprint)) for one in findings.found]


def keep(
    session: Session, findings: Findings, *, principal: Principal, at: datetime
) -> ReconciliationRun:
    """Keep the result as a run. Raises Forbidden unless the principal may run one."""
    require_runner(principal)
    run = _run(session, findings, principal, at)
    session.add(run)
    session.flush()
    rows = rows_of(session, findings, run_id=run.id)
    session.add_all(rows)
    _audit_run(session, run, rows, principal, at)
    return run


def accept(
    session: Session,
    run_id: UUID,
    difference_id: UUID,
    *,
    reason: str,
    principal: Principal,
    at: datetime,
) -> ReconciliationDifference:
    """Declare a difference to be in order, with a reason. Raises DifferenceHandled."""
    if not may_accept(principal):
        raise Forbidden("需要审核清卡申请或维护税控设备的权限")
    row = _open(session, run_id, difference_id, principal)
    _settle(session, row, Handling.ACCEPTED, reason, principal, at, {})
    return row


def correct(
    session: Session,
    run_id: UUID,
    difference_id: UUID,
    *,
    reason: str,
    principal: Principal,
    at: datetime,
) -> ReconciliationDifference:
    """Correct the clearing status of the invoices concerned by hand, each with this reason.

    The clearing record decides: with one they become 已清卡, without one 未清卡. Raises
    NotCorrectable for another kind, TooManyInvoices, DifferenceHandled.
    """
    if not principal.can(Permission.DEVICES_WRITE):
        raise Forbidden("需要维护税控设备的权限")
    row = _open(session, run_id, difference_id, principal)
    if row.kind is not DifferenceKind.STATUS_NOT_UPDATED or row.invoice_type is None:
        raise NotCorrectable
    wrong, right = ClearingStatus.UNCLEARED, ClearingStatus.CLEARED
    if row.subject == LEDGER_SAYS_CLEARED:
        wrong, right = right, wrong
    ids = queries.invoices_with_status(
        session,
        row.device_id,
        row.period,
        row.invoice_type,
        wrong,
        limit=MAX_CORRECTED + 1,
    )
    if len(ids) > MAX_CORRECTED:
        raise TooManyInvoices(f"一次最多更正 {MAX_CORRECTED} 张")
    data = InvoiceUpdate(clearing_status=right, reason=reason)
    for invoice_id in ids:
        invoices_service.change_clearing_status(
            session, invoice_id, data=data, principal=principal, at=at
        )
    details: dict[str, JSON] = {"invoices": len(ids), "clearing_status": right}
    _settle(session, row, Handling.CORRECTED, reason, principal, at, details)
    return row


def _row(
    one: Found, run_id: UUID, period: Period, earlier: ReconciliationDifference | None
) -> ReconciliationDifference:
    device, difference = one.device, one.difference
    row = ReconciliationDifference(
        run_id=run_id,
        kind=difference.kind,
        enterprise_id=device.enterprise_id,
        operator_id=device.operator_id,
        device_id=device.device_id,
        device_number=device.number,
        period=period,
        invoice_type=difference.invoice_type,
        subject=difference.subject,
        message=difference.message[:500],
        details=dict(difference.details),
        fingerprint=one.fingerprint,
    )
    if earlier is not None and earlier.handling is Handling.ACCEPTED:
        row.state, row.handling = DifferenceState.HANDLED, Handling.ACCEPTED
        row.handled_by, row.handled_by_name = earlier.handled_by, earlier.handled_by_name
        row.handled_at, row.reason = earlier.handled_at, earlier.reason
    return row


def _run(
    session: Session, findings: Findings, principal: Principal, at: datetime
) -> ReconciliationRun:
    operator_id = findings.scope.operator_id
    name = ""
    if operator_id is not None:
        name = operators_queries.visible(session, operator_id, principal).name
    return ReconciliationRun(
        period=findings.scope.period,
        operator_id=operator_id,
        operator_name=name,
        devices=[
            {
                "device_id": str(device.device_id),
                "number": device.number,
                "read": read.complete,
                "message": read.message,
                "bureau": _told(read.bureau),
            }
            for device, read in findings.devices
        ],
        bureau_message=findings.bureau_message,
        differences=len(findings.found),
        started_by=str(principal.id),
        started_by_name=principal.display_name,
        started_at=at,
    )


def _told(told: Told | None) -> dict[str, Any] | None:
    """The bureau's view of a device as a run keeps it."""
    if told is None:
        return None
    return {
        "asked_at": told.asked_at.isoformat() if told.asked_at else None,
        "message": told.message,
        "agreement": told.agreement,
        "types": [asdict(one) for one in told.types],
    }


def counts_by_kind(rows: Iterable[ReconciliationDifference]) -> dict[DifferenceKind, int]:
    """How many differences of each kind, all kinds named."""
    counts = dict.fromkeys(DifferenceKind, 0)
    for row in rows:
        counts[row.kind] += 1
    return counts


def _open(
    session: Session, run_id: UUID, difference_id: UUID, principal: Principal
) -> ReconciliationDifference:
    run_queries.run(session, run_id, principal)
    row = run_queries.difference_for_change(session, run_id, difference_id, principal)
    if row.state is DifferenceState.HANDLED:
        raise DifferenceHandled
    return row


def _settle(
    session: Session,
    row: ReconciliationDifference,
    handling: Handling,
    reason: str,
    principal: Principal,
    at: datetime,
    details: Mapping[str, JSON],
) -> None:
    row.state, row.handling = DifferenceState.HANDLED, handling
    row.handled_by, row.handled_by_name = str(principal.id), principal.display_name
    row.handled_at, row.reason = at, reason
    session.add(row)
    session.flush()
    audit.record(
        session,
        actor=principal.actor,
        action=AuditAction.RECONCILIATION_HANDLED,
        object_type="reconciliation_difference",
        object_id=row.id,
        at=at,
        details={
            "run": row.run_id,
            "kind": row.kind,
            "handling": handling,
            "device": row.device_number,
            "period": row.period,
            "message": row.message,
            "reason": reason,
            **details,
            **seals(session, DECISION, [row.id]),
        },
    )


def _audit_run(
    session: Session,
    run: ReconciliationRun,
    rows: Sequence[ReconciliationDifference],
    principal: Principal,
    at: datetime,
) -> None:
    counts = {kind.value: count for kind, count in counts_by_kind(rows).items() if count}
    accepted = [row.id for row in rows if row.state is DifferenceState.HANDLED]
    audit.record(
        session,
        actor=principal.actor,
        action=AuditAction.RECONCILIATION_RUN,
        object_type="reconciliation",
        object_id=run.id,
        at=at,
        details={
            "period": run.period,
            "operator_id": run.operator_id,
            "devices": len(run.devices),
            "not_read": sum(not device["read"] for device in run.devices),
            "differences": counts,
            **(seals(session, DECISION, accepted) if accepted else {}),
        },
    )
