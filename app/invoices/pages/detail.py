"""What the page of an invoice shows, and a line of the ledger."""

from uuid import UUID

from app.accounts.principal import Permission, Principal
from app.core.clock import local
from app.core.db import Session
from app.devices.models import Device
from app.invoices import queries
from app.invoices.contexts import InvoicePage, InvoiceRow, IssueInput
from app.invoices.models import Invoice

DIALOGS = ("issue", "delete")
"""Of a draft: what a button asks for in the address when no script opens its dialog."""


def row(invoice: Invoice) -> InvoiceRow:
    """One line of the ledger."""
    return InvoiceRow(
        id=str(invoice.id),
        invoice_type=invoice.invoice_type,
        code=invoice.code,
        number=invoice.number,
        issued_at=invoice.issued_at,
        buyer_name=invoice.buyer_name,
        amount=invoice.amount,
        tax=invoice.tax,
        status=invoice.status,
        uploaded=invoice.uploaded,
        draft=invoice.draft,
        clearing_status=invoice.clearing_status,
    )


def build(session: Session, invoice_id: UUID, principal: Principal) -> InvoicePage:
    """What the page of an invoice shows."""
    invoice = queries.visible(session, invoice_id, principal)
    device = session.get_one(Device, invoice.device_id)
    return InvoicePage(
        invoice=row(invoice),
        period=invoice.period,
        buyer_tax_no=invoice.buyer_tax_no,
        device_id=str(device.id),
        device_number=device.number,
        operator_id=str(invoice.operator_id),
        cleared_by_record_id=str(invoice.cleared_by_record_id or ""),
        revision=invoice.revision,
        can_change=principal.can(Permission.DEVICES_WRITE) and not invoice.draft,
        can_finish=invoice.draft
        and (principal.can(Permission.CLEARING_REQUEST) or principal.can(Permission.DEVICES_WRITE)),
        form=IssueInput(
            code=invoice.code,
            number=invoice.number,
            issued_at=local(invoice.issued_at).strftime("%Y-%m-%dT%H:%M"),
            amount=str(invoice.amount),
            tax=str(invoice.tax),
        ),
    )
