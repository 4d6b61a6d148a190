"""Use cases of the ledger: add, import from a device, mark as cleared, correct by hand."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col

from app.accounts.principal import Principal
from app.audit.actions import AuditAction
from app.audit.canonical import JSON
from app.contracts.devices import DeviceInvoice, InvoiceType
from app.contracts.faults import fault
from app.contracts.periods import Period
from app.core.clock import SHANGHAI, local_date
from app.core.db import Session, dialect_name
from app.core.etags import require_match
from app.core.ids import new_id
from app.devices import queries as devices_queries
from app.devices.agent_client import AgentFault
from app.devices.models import Device, DeviceState
from app.errors import Conflict, Invalid, NotFound
from app.invoices import drafts, queries, total_queries, trail
from app.invoices.drafts import InvoiceExists
from app.invoices.models import ClearingStatus, Invoice
from app.invoices.schemas import InvoiceCreate, InvoiceUpdate

_BATCH = 500
"""Rows written with one statement: below the number of values a statement may have."""

_FROM_DEVICE = ("issued_at", "period", "amount", "tax", "status", "uploaded", "buyer_tax_no")
"""What an invoice read from a device again brings up to date; its clearing status is ours."""


class DraftNotCleared(Conflict):
    """Only issued invoices are cleared."""

    code = "invoice.draft"
    title = "草稿不能标记为已清卡"
    remedy = "请先开具或删除该草稿。"


@dataclass(frozen=True, slots=True)
class Cleared:
    """What a clearing moved out of the working set: all invoices, and their net without void ones."""

    count: int
    amount: Decimal
    tax: Decimal


def create_invoice(
    session: Session, *, data: InvoiceCreate, principal: Principal, at: datetime
) -> Invoice:
    """Add an invoice to the ledger; one that a draft was made for beforehand takes the draft's place.

    Raises Invalid for an unknown device, InvoiceExists.
    """
    device = _device(session, data.device_id, principal)
    if (draft := drafts.of_issued(session, data)) is not None:
        return drafts.become(session, draft, data.model_dump(exclude_unset=True), principal, at)
    invoice = Invoice(
        **data.model_dump(exclude={"issued_at"}),
        issued_at=data.issued_at.astimezone(UTC),
        operator_id=device.operator_id,
        period=Period.of(local_date(data.issued_at)),
        created_at=at,
        updated_at=at,
    )
    session.add(invoice)
    try:
        session.flush()
    except sa.exc.IntegrityError as error:
        raise InvoiceExists from error
    details = data.model_dump(mode="json", exclude_defaults=True)
    trail.record(session, invoice.id, AuditAction.INVOICE_CREATED, principal, at, details)
    return invoice


def change_clearing_status(
    session: Session,
    invoice_id: UUID,
    *,
    data: InvoiceUpdate,
    principal: Principal,
    at: datetime,
    if_match: str | None = None,
) -> Invoice:
    """Correct 清卡状态 by hand, with a reason. Raises NotFound, PreconditionFailed, DraftNotCleared."""
    invoice = queries.invoice_for_change(session, invoice_id, principal=principal)
    require_match(if_match, invoice.revision)
    if invoice.clearing_status is data.clearing_status:
        return invoice
    if invoice.draft:
        raise DraftNotCleared
    details: dict[str, JSON] = {
        "clearing_status": [invoice.clearing_status, data.clearing_status],
        "cleared_by_record_id": invoice.cleared_by_record_id,
        "reason": data.reason,
    }
    invoice.sqlmodel_update(
        {
            "clearing_status": data.clearing_status,
            "cleared_by_record_id": None,
            "updated_at": at,
            "revision": invoice.revision + 1,
        }
    )
    session.flush()
    trail.record(session, invoice.id, AuditAction.INVOICE_CHANGED, principal, at, details)
    return invoice


def mark_cleared(
    session: Session,
    *,
    device_id: UUID,
    period: str,
    types: Iterable[InvoiceType],
    record_id: UUID,
    at: datetime,
    unchanged_since: datetime | None = None,
) -> Cleared:
    """Make the issued invoices of these types and period 已清卡; the clearing record audits it.

    Those cleared already keep the record that cleared them, and are not counted again. With
    `unchanged_since` an invoice written later stays as it is: no backup holds it.
    """
    wanted = [
        col(Invoice.device_id) == device_id,
        col(Invoice.period) == period,
        col(Invoice.invoice_type).in_(list(types)),
        col(Invoice.clearing_status) == ClearingStatus.UNCLEARED,
        col(Invoice.draft).is_(False),
    ]
    if unchanged_since is not None:
        wanted.append(col(Invoice.updated_at) <= unchanged_since)
    update = (
        sa.update(Invoice)
        .where(*wanted)
        .values(
            clearing_status=ClearingStatus.CLEARED,
            cleared_by_record_id=record_id,
            updated_at=at,
            revision=Invoice.revision + 1,
        )
        .execution_options(synchronize_session=False)
    )
    session.flush()
    session.execute(update)
    _forget(session)
    found = total_queries.figures_cleared_by(session, record_id)
    return Cleared(found.count, found.net.amount, found.net.tax)


def import_from_device(
    session: Session,
    device: Device,
    invoices: Iterable[DeviceInvoice],
    *,
    period: str,
    at: datetime,
) -> int:
    """Bring the ledger up to date with what the device has of the period; returns how many it has.

    A known invoice (type, code, number) is updated, its clearing status and record stay. The caller
    has locked the device. Raises AgentFault for invoices of another month: the device was asked for this one.
    """
    session.flush()
    rows = (_row(device, invoice, period, at) for invoice in invoices)
    upsert, written = _upsert(session), 0
    while batch := list(islice(rows, _BATCH)):
        session.connection().execute(upsert, batch)
        written += len(batch)
    _forget(session)
    drafts.remove_issued(session, [device.id], at=at)
    return written


def delete_drafts(session: Session, *, device_ids: Sequence[UUID]) -> int:
    """Remove the unfinished invoices of these devices; for a clearing with scope `full`, which backs them up."""
    session.flush()
    result = session.execute(
        sa.delete(Invoice)
        .where(col(Invoice.device_id).in_(device_ids), col(Invoice.draft).is_(True))
        .returning(col(Invoice.id))
    )
    return len(result.all())


def _forget(session: Session) -> None:
    """Invoices this session holds were changed behind its back: read them again when used."""
    for held in list(session.identity_map.values()):
        if isinstance(held, Invoice):
            session.expire(held)


def _row(device: Device, invoice: DeviceInvoice, period: str, at: datetime) -> dict[str, Any]:
    issued_at = invoice.issued_at.replace(tzinfo=SHANGHAI)
    if Period.of(invoice.issued_at.date()) != period:
        text = f"发票 {invoice.number} 的开具日期不在属期 {period} 内"
        raise AgentFault(fault("device.answer_invalid", message=text))
    return {
        "id": new_id(),
        "device_id": device.id,
        "operator_id": device.operator_id,
        "invoice_type": invoice.invoice_type,
        "code": invoice.code,
        "number": invoice.number,
        "issued_at": issued_at,
        "period": period,
        "amount": invoice.amount,
        "tax": invoice.tax,
        "status": invoice.status,
        "uploaded": invoice.uploaded,
        "draft": False,
        "buyer_tax_no": invoice.buyer_tax_no[:20],
        "buyer_name": invoice.buyer_name[:200],
        "clearing_status": ClearingStatus.UNCLEARED,
        "revision": 1,
        "created_at": at,
        "updated_at": at,
    }


def _upsert(session: Session) -> sa.Executable:
    """For many rows at once. Rows that say nothing new stay untouched."""
    insert = postgresql.insert if dialect_name(session) == "postgresql" else sqlite.insert
    statement = insert(cast(sa.Table, sa.inspect(Invoice).local_table))
    new = statement.excluded
    changed = sa.or_(*(getattr(Invoice, name) != new[name] for name in _FROM_DEVICE))
    return statement.on_conflict_do_update(
        index_elements=["device_id", "invoice_type", "code", "number"],
        index_where=sa.text("NOT draft"),
        set_={name: new[name] for name in (*_FROM_DEVICE, "buyer_name", "updated_at")}
        | {"revision": Invoice.revision + 1},
        where=changed,
    )


def _device(session: Session, device_id: UUID, principal: Principal) -> Device:
    try:
        device = devices_queries.visible(session, device_id, principal)
    except NotFound as error:
        raise Invalid(errors={"device_id": "没有这台设备"}) from error
    if device.state is DeviceState.RETIRED:
        raise Invalid(errors={"device_id": "设备已注销"})
    return device


def uploads_left(session: Session, device_id: UUID) -> str | None:
    """Stands against retiring a device (docs/domain.md, rule 15)."""
    count = queries.count_not_uploaded(session, [device_id])
    return f"还有 {count} 张发票尚未上传" if count else None
