"""What the page of one reconciliation shows."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.accounts.principal import Permission, Principal
from app.core.db import Session
from app.core.page_parts import Segment
from app.reconciliation import run_queries, service
from app.reconciliation.contexts import (
    BureauDeviceRow,
    BureauTypeRow,
    ComparedDeviceRow,
    DifferenceRow,
    HandlingForm,
    RunPage,
)
from app.reconciliation.models import DifferenceKind, DifferenceState, ReconciliationDifference

BASE = "/invoices/reconciliations"

KIND_WORDS = {
    DifferenceKind.NUMBER_GAP: "断号",
    DifferenceKind.AMOUNT_MISMATCH: "张数或金额不符",
    DifferenceKind.STATUS_NOT_UPDATED: "清卡状态未更新",
    DifferenceKind.DUPLICATE_CLEARING: "重复清卡",
    DifferenceKind.UNAUTHORISED_CLEARING: "未经授权的清卡",
}


def build(
    session: Session,
    run_id: UUID,
    principal: Principal,
    *,
    kind: DifferenceKind | None = None,
    handle: UUID | None = None,
) -> RunPage:
    """The page; `kind` narrows the list, `handle` opens the dialog of a difference that is open."""
    run = run_queries.run(session, run_id, principal)
    rows = run_queries.differences_of(session, run.id)
    return RunPage(
        id=str(run.id),
        period=run.period,
        operator_id=str(run.operator_id or ""),
        operator_name=run.operator_name,
        started_at=run.started_at,
        started_by=run.started_by_name,
        bureau_message=run.bureau_message,
        devices=len(run.devices),
        unread=tuple(
            ComparedDeviceRow(device["device_id"], device["number"], device["message"])
            for device in run.devices
            if not device["read"]
        ),
        bureau=tuple(_bureau_row(device) for device in run.devices if device.get("bureau")),
        kind=kind or "",
        segments=_segments(str(run.id), rows, kind),
        rows=tuple(_row(row, principal) for row in rows if kind in (None, row.kind)),
        can_run=service.may_run(principal),
        form=next((_form(row, principal) for row in rows if row.id == handle), None),
    )


def _bureau_row(device: Mapping[str, Any]) -> BureauDeviceRow:
    told = device["bureau"]
    return BureauDeviceRow(
        id=device["device_id"],
        number=device["number"],
        agreement=told["agreement"],
        message=told["message"],
        types=tuple(
            BureauTypeRow(
                one["invoice_type"], one["bureau"], one["message"], one["own"], one["agreement"]
            )
            for one in told["types"]
        ),
    )


def _segments(
    run_id: str, rows: list[ReconciliationDifference], current: DifferenceKind | None
) -> tuple[Segment, ...]:
    counts = service.counts_by_kind(rows)
    href = f"{BASE}/{run_id}"
    every = Segment("全部", href, current is None, len(rows))
    kinds = (
        Segment(words, f"{href}?kind={kind}", kind is current, counts[kind])
        for kind, words in KIND_WORDS.items()
        if counts[kind]
    )
    return (every, *kinds)


def _row(row: ReconciliationDifference, principal: Principal) -> DifferenceRow:
    form = _form(row, principal)
    return DifferenceRow(
        id=str(row.id),
        kind=row.kind,
        device_id=str(row.device_id),
        device_number=row.device_number,
        message=row.message,
        handling=row.handling or "",
        handled_by=row.handled_by_name,
        handled_at=row.handled_at,
        reason=row.reason,
        can_handle=form is not None and (form.can_accept or form.can_correct),
    )


def _form(row: ReconciliationDifference, principal: Principal) -> HandlingForm | None:
    if row.state is DifferenceState.HANDLED:
        return None
    can_correct = row.kind is DifferenceKind.STATUS_NOT_UPDATED and principal.can(
        Permission.DEVICES_WRITE
    )
    return HandlingForm(
        id=str(row.id),
        kind=row.kind,
        message=row.message,
        can_accept=service.may_accept(principal),
        can_correct=can_correct,
        action="correct" if can_correct else "accept",
    )
