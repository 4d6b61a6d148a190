"""Every select over what is compared: the devices, the ledger's and the records' side of the facts."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col, select

from app.accounts.principal import Principal
from app.clearing.models import ClearingRecord
from app.clearing.states import Result
from app.contracts.devices import InvoiceStatus, InvoiceType
from app.contracts.operations import TypeOutcome
from app.contracts.periods import Period
from app.core.db import Session
from app.devices.models import Device, DeviceMonitor, DeviceState
from app.enterprises.queries import within
from app.invoices.models import ClearingStatus, Invoice
from app.reconciliation.comparison import Gap, RecordFacts, Sums

RANGES_KEPT = 50
"""Of the missing numbers of one code; how many are missing is counted in any case."""

_DIGITS = 8
"""Numbers of this length run on within a code; the 20 digits of an all-electronic invoice do not."""


@dataclass(frozen=True, slots=True)
class SubjectDevice:
    """A device to compare, as registered."""

    device_id: UUID
    number: str
    agent_id: UUID | None
    operator_id: UUID
    enterprise_id: UUID
    registered_at: datetime


def subjects(
    session: Session, principal: Principal, operator_id: UUID | None, *, limit: int
) -> list[SubjectDevice]:
    """The devices in use of the operator, or all this principal may see; at most `limit`."""
    query = (
        select(Device)
        .where(Device.state != DeviceState.RETIRED, within(principal, col(Device.enterprise_id)))
        .order_by(col(Device.number))
        .limit(limit)
    )
    if operator_id is not None:
        query = query.where(Device.operator_id == operator_id)
    return [
        SubjectDevice(
            device.id,
            device.number,
            device.agent_id,
            device.operator_id,
            device.enterprise_id,
            device.created_at,
        )
        for device in session.exec(query)
    ]


def ledger_totals(
    session: Session, device_ids: Iterable[UUID], period: Period
) -> dict[UUID, dict[tuple[InvoiceType, InvoiceStatus], Sums]]:
    """Count and sums per type and status, drafts left out, of several devices in one select."""
    found: dict[UUID, dict[tuple[InvoiceType, InvoiceStatus], Sums]] = {
        device_id: {} for device_id in device_ids
    }
    query = (
        sa.select(
            col(Invoice.device_id),
            col(Invoice.invoice_type),
            col(Invoice.status),
            sa.func.count(),
            sa.func.sum(Invoice.amount),
            sa.func.sum(Invoice.tax),
        )
        .where(*_issued(found, period))
        .group_by(col(Invoice.device_id), col(Invoice.invoice_type), col(Invoice.status))
    )
    for device_id, kind, status, count, amount, tax in session.execute(query):
        found[device_id][kind, status] = Sums(count, amount, tax)
    return found


def gaps(session: Session, device_ids: Iterable[UUID], period: Period) -> dict[UUID, list[Gap]]:
    """Numbers missing between the lowest and highest of each type and code used in the period."""
    found: dict[UUID, list[Gap]] = {device_id: [] for device_id in device_ids}
    number = col(Invoice.number)
    query = (
        sa.select(
            col(Invoice.device_id),
            col(Invoice.invoice_type),
            col(Invoice.code),
            sa.func.min(number),
            sa.func.max(number),
            sa.func.count(),
        )
        .where(*_issued(found, period), sa.func.length(number) == _DIGITS)
        .group_by(col(Invoice.device_id), col(Invoice.invoice_type), col(Invoice.code))
        .order_by(col(Invoice.device_id), col(Invoice.invoice_type), col(Invoice.code))
    )
    for device_id, kind, code, low, high, count in session.execute(query).all():
        if _is_number(low) and _is_number(high) and int(high) - int(low) + 1 == count:
            continue
        gap = _gap(kind, code, _numbers(session, device_id, kind, code, low, high))
        if gap is not None:
            found[device_id].append(gap)
    return found


def succeeded_records(
    session: Session, device_ids: Iterable[UUID], period: Period
) -> dict[UUID, list[RecordFacts]]:
    """The succeeded records of the period by device, oldest first, with the types each cleared itself."""
    found: dict[UUID, list[RecordFacts]] = {device_id: [] for device_id in device_ids}
    query = (
        select(ClearingRecord)
        .where(
            col(ClearingRecord.device_id).in_(found),
            ClearingRecord.period == period,
            ClearingRecord.result == Result.SUCCEEDED,
        )
        .order_by(col(ClearingRecord.id))
    )
    for record in session.exec(query):
        facts = RecordFacts(record.id, _cleared_itself(record), record.executed_by)
        found[record.device_id].append(facts)
    return found


def stored_lock_dates(
    session: Session, device_ids: Iterable[UUID]
) -> dict[UUID, dict[InvoiceType, date]]:
    """Lock dates as they were read last, for a device that cannot be read now."""
    found: dict[UUID, dict[InvoiceType, date]] = {device_id: {} for device_id in device_ids}
    query = select(DeviceMonitor).where(col(DeviceMonitor.device_id).in_(found))
    for monitor in session.exec(query):
        found[monitor.device_id][monitor.invoice_type] = monitor.lock_date
    return found


def invoices_with_status(
    session: Session,
    device_id: UUID,
    period: str,
    kind: InvoiceType,
    status: ClearingStatus,
    *,
    limit: int,
) -> list[UUID]:
    """Issued invoices of the device, period and type with this clearing status."""
    query = (
        select(Invoice.id)
        .where(
            *_issued([device_id], Period(period)),
            Invoice.invoice_type == kind,
            Invoice.clearing_status == status,
        )
        .order_by(col(Invoice.id))
        .limit(limit)
    )
    return list(session.exec(query))


def _issued(device_ids: Iterable[UUID], period: Period) -> list[sa.ColumnElement[bool]]:
    return [
        col(Invoice.device_id).in_(list(device_ids)),
        col(Invoice.period) == period,
        col(Invoice.draft).is_(False),
    ]


def _numbers(
    session: Session, device_id: UUID, kind: InvoiceType, code: str, low: str, high: str
) -> Iterator[int]:
    """The numbers in use in this range, of whatever period, in order."""
    query = (
        select(Invoice.number)
        .where(
            Invoice.device_id == device_id,
            Invoice.invoice_type == kind,
            Invoice.code == code,
            col(Invoice.draft).is_(False),
            col(Invoice.number).between(low, high),
            sa.func.length(col(Invoice.number)) == _DIGITS,
        )
        .order_by(col(Invoice.number))
        .execution_options(yield_per=1000)
    )
    yield from (int(number) for number in session.exec(query) if _is_number(number))


def _gap(kind: InvoiceType, code: str, used: Iterator[int]) -> Gap | None:
    first = next(used, None)
    if first is None:
        return None
    before, missing = first, 0
    ranges: list[tuple[str, str]] = []
    for number in used:
        skipped = number - before - 1
        if skipped:
            missing += skipped
            if len(ranges) < RANGES_KEPT:
                ranges.append((_padded(before + 1), _padded(number - 1)))
        before = number
    if not missing:
        return None
    return Gap(kind, code, _padded(first), _padded(before), missing, tuple(ranges))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _padded(number: int) -> str:
    return f"{number:0{_DIGITS}d}"


def _cleared_itself(record: ClearingRecord) -> frozenset[InvoiceType]:
    """The types the record names, and those its evidence shows as cleared by this execution."""
    named = {InvoiceType(kind) for kind in record.invoice_types}
    raw: list[dict[str, Any]] = record.evidence.get("types", [])
    for outcome in map(TypeOutcome.model_validate, raw):
        if outcome.cleared and not outcome.already:
            named.add(outcome.invoice_type)
    return frozenset(named)
