"""未开完的发票 (drafts): issued, or deleted. They stand against a clearing until one or the other is done."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import select

from app.accounts.principal import SYSTEM, Principal
from app.audit.actions import AuditAction
from app.audit.canonical import JSON
from app.contracts.periods import Period
from app.core.clock import local_date
from app.core.db import Session
from app.core.etags import require_match
from app.errors import Conflict
from app.invoices import queries, trail
from app.invoices.models import Invoice
from app.invoices.schemas import DraftIssue, InvoiceCreate


class InvoiceExists(Conflict):
    """Type, code and number name one invoice of a device."""

    code = "invoice.exists"
    title = "该发票已在台账中"
    remedy = "请在发票台账中查找该号码；已经开具的草稿可以删除。"


class NotADraft(Conflict):
    """An issued invoice stays as the device issued it."""

    code = "invoice.issued"
    title = "该发票已开具，不是草稿"
    remedy = "已开具的发票不能在这里更改或删除，请在开票软件中红冲或作废。"


def issue(
    session: Session,
    invoice_id: UUID,
    *,
    data: DraftIssue,
    principal: Principal,
    at: datetime,
    if_match: str | None = None,
) -> Invoice:
    """Make the draft the invoice that was issued from it; said again of the same invoice, nothing happens.

    Raises NotFound, PreconditionFailed, NotADraft, InvoiceExists.
    """
    invoice = queries.invoice_for_change(session, invoice_id, principal=principal)
    if not invoice.draft and (invoice.code, invoice.number) == (data.code, data.number):
        return invoice
    require_match(if_match, invoice.revision)
    if not invoice.draft:
        raise NotADraft
    return become(session, invoice, data.model_dump(exclude_none=True), principal, at)


def become(
    session: Session,
    draft: Invoice,
    values: Mapping[str, object],
    principal: Principal,
    at: datetime,
) -> Invoice:
    """The draft as an issued invoice with these values. Raises InvoiceExists."""
    before = content(draft)
    draft.sqlmodel_update(
        {**values, "draft": False, "updated_at": at, "revision": draft.revision + 1}
    )
    draft.issued_at = draft.issued_at.astimezone(UTC)
    draft.period = Period.of(local_date(draft.issued_at))
    try:
        session.flush()
    except sa.exc.IntegrityError as error:
        raise InvoiceExists from error
    details: dict[str, JSON] = {"before": before, **content(draft)}
    trail.record(session, draft.id, AuditAction.INVOICE_ISSUED, principal, at, details)
    return draft


def delete(session: Session, invoice_id: UUID, *, principal: Principal, at: datetime) -> None:
    """Remove a draft; the audit trail keeps what it said. Raises NotFound, NotADraft."""
    invoice = queries.invoice_for_change(session, invoice_id, principal=principal)
    if not invoice.draft:
        raise NotADraft
    _remove(session, invoice, principal, at)


def of_issued(session: Session, data: InvoiceCreate) -> Invoice | None:
    """The draft that this invoice was issued from: the same type, code and number of the device."""
    if data.draft:
        return None
    query = select(Invoice).where(
        Invoice.device_id == data.device_id,
        Invoice.invoice_type == data.invoice_type,
        Invoice.code == data.code,
        Invoice.number == data.number,
        sa.true() == Invoice.draft,
    )
    return session.exec(query.order_by("created_at").limit(1).with_for_update()).first()


def remove_issued(session: Session, device_ids: Iterable[UUID], *, at: datetime) -> int:
    """Remove the drafts of these devices whose invoices the ledger has as issued; gives how many."""
    found = queries.drafts_issued(session, device_ids)
    for draft in found:
        _remove(session, draft, SYSTEM, at)
    return len(found)


def content(invoice: Invoice) -> dict[str, JSON]:
    """What an invoice says, for the audit trail."""
    return invoice.model_dump(
        mode="json",
        include={
            *("device_id", "invoice_type", "code", "number", "issued_at", "period"),
            *("amount", "tax", "status", "buyer_tax_no", "buyer_name"),
        },
    )


def _remove(session: Session, draft: Invoice, principal: Principal, at: datetime) -> None:
    details = content(draft)
    session.delete(draft)
    session.flush()
    trail.record(session, draft.id, AuditAction.INVOICE_DELETED, principal, at, details)
