"""系统设置 → 企业: list, register, change (/settings/enterprises)."""

from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import Form, Query, Request
from starlette.responses import HTMLResponse, Response

from app.accounts.deps import OperatorsWriter, Reader
from app.accounts.principal import Permission, Principal
from app.core.db import Session
from app.core.etags import etag_of
from app.core.forms import pager, parse
from app.core.pagination import PageRequest
from app.core.routing import Router
from app.core.templating import redirect, render
from app.core.web import ClockDep, DatabaseDep, Paging, Reading, SettingsDep
from app.enterprises import queries, service
from app.enterprises.contexts import (
    EnterpriseForm,
    EnterprisePage,
    EnterpriseRow,
    EnterprisesPage,
)
from app.enterprises.models import Enterprise
from app.enterprises.schemas import EnterpriseCreate, EnterpriseUpdate
from app.errors import QingkaError

BASE = "/settings/enterprises"

router = Router(prefix=BASE, include_in_schema=False)


@router.get("")
def enterprise_list(
    request: Request,
    session: Reading,
    principal: Reader,
    paging: Paging,
    settings: SettingsDep,
    q: Annotated[str, Query(max_length=100)] = "",
    confirm: bool = False,
) -> HTMLResponse:
    """Enterprises by name; ?confirm=1 shows the form for a new one."""
    form = EnterpriseForm(review_required=settings.review_required_default)
    page = _list_page(session, principal, paging, form, q=q, dialog_open=confirm)
    return render(request, "enterprises/list.html", page)


@router.post("")
def create(
    request: Request,
    principal: OperatorsWriter,
    database: DatabaseDep,
    clock: ClockDep,
    form: Annotated[EnterpriseForm, Form()],
) -> Response:
    """Register an enterprise."""
    try:
        data = parse(EnterpriseCreate, form.model_dump(exclude={"revision"}))
        with database.transaction() as session:
            service.create_enterprise(session, data=data, principal=principal, at=clock())
    except QingkaError as error:
        with database.reading() as session:
            page = _list_page(
                session, principal, PageRequest(), form, dialog_open=True, errors=messages(error)
            )
        return render(request, "enterprises/list.html", page, status_code=error.status)
    return redirect(BASE, flash=f"已登记企业 {data.name}")


@router.get("/{enterprise_id}")
def enterprise_page(
    enterprise_id: UUID,
    request: Request,
    session: Reading,
    principal: Reader,
    confirm: bool = False,
) -> HTMLResponse:
    """One enterprise; ?confirm=1 shows the dialog of the hand-over."""
    page = replace(edit_page(session, enterprise_id, principal), asked=confirm)
    return render(request, "enterprises/detail.html", page)


@router.post("/{enterprise_id}")
def change(
    enterprise_id: UUID,
    request: Request,
    principal: OperatorsWriter,
    database: DatabaseDep,
    clock: ClockDep,
    form: Annotated[EnterpriseForm, Form()],
) -> Response:
    """Change an enterprise, unless somebody else has meanwhile."""
    with database.reading() as session:
        before = edit_page(session, enterprise_id, principal)
    try:
        data = parse(EnterpriseUpdate, form.model_dump(exclude={"revision"}))
        with database.transaction() as session:
            service.change_enterprise(
                session,
                enterprise_id,
                data=data,
                principal=principal,
                at=clock(),
                if_match=etag_of(form.revision),
            )
    except QingkaError as error:
        page = replace(before, form=form, errors=messages(error))
        return render(request, "enterprises/detail.html", page, status_code=error.status)
    return redirect(BASE, flash=f"已保存企业 {data.name}")


def edit_page(session: Session, enterprise_id: UUID, principal: Principal) -> EnterprisePage:
    """The page of one enterprise as it stands. Raises NotFound."""
    found = queries.get_enterprise(session, enterprise_id, principal=principal)
    return EnterprisePage(
        str(found.id),
        found.name,
        _form_of(found),
        _may_change(principal),
        can_hand_over=principal.can(Permission.ADMIN),
    )


def messages(error: QingkaError) -> dict[str, str]:
    """What a form shows of an error: by field, or above the form."""
    return dict(error.errors) or {"form": f"{error.detail}。{error.remedy}"}


def _may_change(principal: Principal) -> bool:
    return principal.can(Permission.OPERATORS_WRITE)


def _list_page(
    session: Session,
    principal: Principal,
    paging: PageRequest,
    form: EnterpriseForm,
    *,
    q: str = "",
    dialog_open: bool = False,
    errors: dict[str, str] | None = None,
) -> EnterprisesPage:
    found = queries.list_enterprises(session, principal=principal, page=paging, q=q)
    return EnterprisesPage(
        q=q,
        limit=paging.limit,
        rows=tuple(_row(enterprise) for enterprise in found.items),
        pager=pager(BASE, {"q": q, "limit": paging.limit}, paging, found.next_cursor),
        form=form,
        can_change=_may_change(principal),
        dialog_open=dialog_open,
        errors=errors or {},
    )


def _row(enterprise: Enterprise) -> EnterpriseRow:
    return EnterpriseRow(
        id=str(enterprise.id),
        name=enterprise.name,
        tax_no=enterprise.tax_no,
        tax_authority_name=enterprise.tax_authority_name,
        filing_cycle=enterprise.filing_cycle,
        contact_name=enterprise.contact_name,
        contact_phone=enterprise.contact_phone,
        review_required=enterprise.review_required,
    )


def _form_of(enterprise: Enterprise) -> EnterpriseForm:
    return EnterpriseForm.model_validate(enterprise.model_dump(mode="json"))
