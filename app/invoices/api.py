"""REST API of the ledger."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from app.accounts.deps import DevicesWriter, DraftsWriter, Reader
from app.contracts.devices import InvoiceStatus, InvoiceType
from app.contracts.periods import Period
from app.core.etags import IfMatch, set_etag
from app.core.pagination import Page
from app.core.routing import Router
from app.core.schemas import SearchText
from app.core.web import ClockDep, Paging, Reading, Writing
from app.invoices import drafts, queries, service
from app.invoices.models import ClearingStatus, Invoice
from app.invoices.schemas import DraftIssue, InvoiceCreate, InvoicePublic, InvoiceUpdate

router = Router(prefix="/invoices", tags=["发票"])


@router.get("")
def list_invoices(
    session: Reading,
    principal: Reader,
    page: Paging,
    q: SearchText = None,
    device_id: Annotated[UUID | None, Query()] = None,
    operator_id: Annotated[UUID | None, Query()] = None,
    period: Annotated[Period | None, Query()] = None,
    invoice_type: Annotated[InvoiceType | None, Query()] = None,
    status: Annotated[InvoiceStatus | None, Query()] = None,
    clearing_status: Annotated[ClearingStatus | None, Query()] = None,
    uploaded: Annotated[bool | None, Query()] = None,
    draft: Annotated[bool | None, Query()] = None,
) -> Page[InvoicePublic]:
    """Invoices, the newest first; `q` is the beginning of a number, or part of the buyer's name."""
    wanted = queries.InvoiceFilter(
        q=q,
        device_id=device_id,
        operator_id=operator_id,
        period=period,
        invoice_type=invoice_type,
        status=status,
        clearing_status=clearing_status,
        uploaded=uploaded,
        draft=draft,
    )
    found = queries.list_invoices(session, principal=principal, wanted=wanted, page=page)
    items = [InvoicePublic.model_validate(invoice) for invoice in found.items]
    return Page(items=items, next_cursor=found.next_cursor)


@router.post("", status_code=201)
def create_invoice(
    data: InvoiceCreate,
    session: Writing,
    principal: DevicesWriter,
    clock: ClockDep,
    response: Response,
) -> InvoicePublic:
    """Add an invoice to the ledger."""
    invoice = service.create_invoice(session, data=data, principal=principal, at=clock())
    response.headers["Location"] = f"/api/v1/invoices/{invoice.id}"
    return _answer(response, invoice)


@router.get("/{invoice_id}")
def get_invoice(
    invoice_id: UUID, session: Reading, principal: Reader, response: Response
) -> InvoicePublic:
    """One invoice."""
    return _answer(response, queries.visible(session, invoice_id, principal))


@router.patch("/{invoice_id}")
def change_invoice(
    invoice_id: UUID,
    data: InvoiceUpdate,
    session: Writing,
    principal: DevicesWriter,
    clock: ClockDep,
    response: Response,
    if_match: IfMatch = None,
) -> InvoicePublic:
    """Correct the clearing status by hand, with a reason."""
    invoice = service.change_clearing_status(
        session, invoice_id, data=data, principal=principal, at=clock(), if_match=if_match
    )
    return _answer(response, invoice)


@router.post("/{invoice_id}/issue")
def issue_draft(
    invoice_id: UUID,
    data: DraftIssue,
    session: Writing,
    principal: DraftsWriter,
    clock: ClockDep,
    response: Response,
    if_match: IfMatch = None,
) -> InvoicePublic:
    """Make a draft the invoice that was issued from it."""
    invoice = drafts.issue(
        session, invoice_id, data=data, principal=principal, at=clock(), if_match=if_match
    )
    return _answer(response, invoice)


@router.delete("/{invoice_id}", status_code=204)
def delete_draft(
    invoice_id: UUID, session: Writing, principal: DraftsWriter, clock: ClockDep
) -> None:
    """Remove a draft; an issued invoice stays."""
    drafts.delete(session, invoice_id, principal=principal, at=clock())


def _answer(response: Response, invoice: Invoice) -> InvoicePublic:
    set_etag(response, invoice.revision)
    return InvoicePublic.model_validate(invoice)
