"""发票: the ledger, one invoice, and its 清卡状态 corrected by hand (/invoices)."""

from dataclasses import dataclass, replace
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Form, Query, Request
from starlette.responses import HTMLResponse, Response

from app.accounts.deps import DevicesWriter, Reader
from app.accounts.principal import Permission
from app.contracts.devices import InvoiceType
from app.contracts.periods import Period
from app.core.etags import etag_of
from app.core.forms import blank_is_none, pager, parse
from app.core.routing import Router
from app.core.templating import redirect, render
from app.core.web import ClockDep, DatabaseDep, Paging, Reading
from app.enterprises.pages import messages
from app.errors import QingkaError
from app.invoices import queries, service
from app.invoices.contexts import InvoicesPage
from app.invoices.models import ClearingStatus
from app.invoices.pages import detail
from app.invoices.schemas import InvoiceUpdate

BASE = "/invoices"

router = Router(prefix=BASE)


@dataclass(frozen=True, slots=True)
class Filters:
    """The list's filters as they stand in the address."""

    q: Annotated[str, Query(max_length=100)] = ""
    period: Annotated[Period | None, Query(), blank_is_none] = None
    invoice_type: Annotated[InvoiceType | None, Query(), blank_is_none] = None
    clearing_status: Annotated[ClearingStatus | None, Query(), blank_is_none] = None
    device_id: Annotated[UUID | None, Query(), blank_is_none] = None
    operator_id: Annotated[UUID | None, Query(), blank_is_none] = None
    draft: Annotated[bool | None, Query(), blank_is_none] = None

    def texts(self) -> dict[str, str]:
        """Each as text, empty for none."""
        texts = {name: str(getattr(self, name) or "") for name in self.__slots__}
        return {**texts, "draft": "1" if self.draft else ""}


@router.get("")
def ledger(
    request: Request,
    session: Reading,
    principal: Reader,
    paging: Paging,
    filters: Annotated[Filters, Depends()],
) -> HTMLResponse:
    """Invoices, the newest first."""
    wanted = queries.InvoiceFilter(**{name: getattr(filters, name) for name in Filters.__slots__})
    found = queries.list_invoices(session, principal=principal, wanted=wanted, page=paging)
    texts = filters.texts()
    page = InvoicesPage(
        **texts,
        limit=paging.limit,
        rows=tuple(detail.row(invoice) for invoice in found.items),
        pager=pager(BASE, {**texts, "limit": paging.limit}, paging, found.next_cursor),
        can_import=principal.can(Permission.DEVICES_WRITE),
    )
    return render(request, "invoices/list.html", page)


@router.get("/{invoice_id}")
def invoice_page(
    invoice_id: UUID,
    request: Request,
    session: Reading,
    principal: Reader,
    confirm: bool = False,
) -> HTMLResponse:
    """One invoice; ?confirm=1 shows the form that corrects it, ?issue=1 and ?delete=1 those of a draft."""
    page = detail.build(session, invoice_id, principal)
    asked = next((name for name in detail.DIALOGS if name in request.query_params), "")
    page = replace(page, dialog_open=confirm, draft_dialog=asked)
    return render(request, "invoices/detail.html", page)


@router.post("/{invoice_id}")
def correct(
    invoice_id: UUID,
    request: Request,
    principal: DevicesWriter,
    database: DatabaseDep,
    clock: ClockDep,
    clearing_status: Annotated[str, Form(max_length=20)] = "",
    reason: Annotated[str, Form(max_length=1000)] = "",
    revision: Annotated[int, Form()] = 0,
) -> Response:
    """Correct 清卡状态 by hand, with a reason."""
    with database.reading() as session:
        before = detail.build(session, invoice_id, principal)
    try:
        data = parse(InvoiceUpdate, {"clearing_status": clearing_status, "reason": reason})
        with database.transaction() as session:
            service.change_clearing_status(
                session,
                invoice_id,
                data=data,
                principal=principal,
                at=clock(),
                if_match=etag_of(revision),
            )
    except QingkaError as error:
        page = replace(before, dialog_open=True, reason=reason, errors=messages(error))
        return render(request, "invoices/detail.html", page, status_code=error.status)
    return redirect(f"{BASE}/{invoice_id}", flash="清卡状态已更正，已写入审计记录")
