"""未开完的发票 on the page of an invoice: 开具完成 or 删除草稿."""

from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

from fastapi import Form, Request
from pydantic import BaseModel
from starlette.responses import Response

from app.accounts.deps import DraftsWriter
from app.core.etags import etag_of
from app.core.forms import local_moment, parse
from app.core.routing import Router
from app.core.templating import redirect, render
from app.core.web import ClockDep, DatabaseDep
from app.enterprises.pages import messages
from app.errors import QingkaError
from app.invoices import drafts, queries
from app.invoices.contexts import IssueInput
from app.invoices.pages import detail
from app.invoices.schemas import DraftIssue

router = Router(prefix="/invoices/{invoice_id}")


class IssueForm(BaseModel):
    """What the dialog 开具完成 sends."""

    code: str = ""
    number: str = ""
    issued_at: str = ""
    amount: str = ""
    tax: str = ""
    revision: int = 0

    def wanted(self) -> DraftIssue:
        """What was issued. Raises Invalid with a message per field."""
        texts = self.model_dump(exclude={"revision", "issued_at"})
        given: dict[str, Any] = {name: text.strip() for name, text in texts.items() if text.strip()}
        if self.issued_at:
            given["issued_at"] = local_moment(self.issued_at, "issued_at")
        return parse(DraftIssue, given)


@router.post("/issue")
def issue(
    invoice_id: UUID,
    request: Request,
    principal: DraftsWriter,
    database: DatabaseDep,
    clock: ClockDep,
    form: Annotated[IssueForm, Form()],
) -> Response:
    """开具完成: the draft becomes the invoice that was issued."""
    with database.reading() as session:
        before = detail.build(session, invoice_id, principal)
    try:
        data = form.wanted()
        with database.transaction() as session:
            drafts.issue(
                session,
                invoice_id,
                data=data,
                principal=principal,
                at=clock(),
                if_match=etag_of(form.revision),
            )
    except QingkaError as error:
        typed = IssueInput(**form.model_dump(exclude={"revision"}))
        page = replace(before, draft_dialog="issue", form=typed, errors=messages(error))
        return render(request, "invoices/detail.html", page, status_code=error.status)
    return redirect(f"/invoices/{invoice_id}", flash="已记为开具完成，已写入审计记录")


@router.post("/delete")
def delete(
    invoice_id: UUID, principal: DraftsWriter, database: DatabaseDep, clock: ClockDep
) -> Response:
    """删除草稿."""
    with database.transaction() as session:
        operator_id = queries.visible(session, invoice_id, principal).operator_id
        drafts.delete(session, invoice_id, principal=principal, at=clock())
    path = f"/invoices?draft=1&operator_id={operator_id}"
    return redirect(path, flash="草稿已删除，已写入审计记录")
