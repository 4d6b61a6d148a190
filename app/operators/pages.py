"""系统设置 → 操作员: list, register, change (/settings/operators)."""

from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import Form, Query, Request
from starlette.responses import HTMLResponse, Response

from app.accounts.deps import OperatorsWriter, Reader
from app.accounts.principal import Permission, Principal
from app.core.clock import Clock, local_date
from app.core.db import Session
from app.core.etags import etag_of
from app.core.forms import blank_is_none, pager, parse
from app.core.ids import uuid_or_none
from app.core.page_parts import Option
from app.core.pagination import PageRequest
from app.core.routing import Router
from app.core.templating import redirect, render
from app.core.web import ClockDep, DatabaseDep, Paging, Reading
from app.enterprises import queries as enterprises_queries
from app.enterprises.pages import messages
from app.errors import QingkaError
from app.operators import queries, service
from app.operators.contexts import OperatorEditPage, OperatorForm, OperatorLine, OperatorsPage
from app.operators.queries import OperatorRow
from app.operators.schemas import OperatorCreate, OperatorUpdate

BASE = "/settings/operators"

router = Router(prefix=BASE, include_in_schema=False)


@router.get("")
def operator_list(
    request: Request,
    session: Reading,
    principal: Reader,
    clock: ClockDep,
    paging: Paging,
    q: Annotated[str, Query(max_length=100)] = "",
    enterprise_id: Annotated[UUID | None, Query(), blank_is_none] = None,
    confirm: bool = False,
) -> HTMLResponse:
    """Operators; ?confirm=1 shows the form for a new one."""
    page = _list_page(session, principal, clock, paging, q=q, enterprise_id=enterprise_id)
    return render(request, "operators/list.html", replace(page, dialog_open=confirm))


@router.post("")
def create(
    request: Request,
    principal: OperatorsWriter,
    database: DatabaseDep,
    clock: ClockDep,
    form: Annotated[OperatorForm, Form()],
) -> Response:
    """Register an operator."""
    try:
        data = parse(OperatorCreate, form.model_dump(exclude={"revision"}))
        with database.transaction() as session:
            new = service.create_operator(session, data=data, principal=principal, at=clock())
            address = f"/clearing/operators/{new.id}"
    except QingkaError as error:
        with database.reading() as session:
            page = _list_page(session, principal, clock, PageRequest(), form=form)
        page = replace(page, dialog_open=True, errors=messages(error))
        return render(request, "operators/list.html", page, status_code=error.status)
    return redirect(address, flash=f"已登记操作员 {data.name}，接下来登记其税控设备")


@router.get("/{operator_id}")
def operator_page(
    operator_id: UUID,
    request: Request,
    session: Reading,
    principal: Reader,
    confirm: bool = False,
) -> HTMLResponse:
    """One operator; ?confirm=1 shows the dialog of the hand-over."""
    page = replace(edit_page(session, operator_id, principal), asked=confirm)
    return render(request, "operators/detail.html", page)


@router.post("/{operator_id}")
def change(
    operator_id: UUID,
    request: Request,
    principal: OperatorsWriter,
    database: DatabaseDep,
    clock: ClockDep,
    form: Annotated[OperatorForm, Form()],
) -> Response:
    """Change an operator, unless somebody else has meanwhile."""
    with database.reading() as session:
        before = edit_page(session, operator_id, principal)
    try:
        data = parse(OperatorUpdate, form.model_dump(exclude={"revision"}))
        with database.transaction() as session:
            service.change_operator(
                session,
                operator_id,
                data=data,
                principal=principal,
                at=clock(),
                if_match=etag_of(form.revision),
            )
    except QingkaError as error:
        page = replace(before, form=form, errors=messages(error))
        return render(request, "operators/detail.html", page, status_code=error.status)
    return redirect(BASE, flash=f"已保存操作员 {data.name}")


def _may_change(principal: Principal) -> bool:
    return principal.can(Permission.OPERATORS_WRITE)


def _enterprises(session: Session, principal: Principal, chosen: UUID | None) -> tuple[Option, ...]:
    choices = enterprises_queries.names_for_choice(session, principal=principal, including=chosen)
    return tuple(Option(str(one), name) for one, name in choices)


def _list_page(
    session: Session,
    principal: Principal,
    clock: Clock,
    paging: PageRequest,
    *,
    q: str = "",
    enterprise_id: UUID | None = None,
    form: OperatorForm | None = None,
) -> OperatorsPage:
    found = queries.list_operators(
        session,
        principal=principal,
        today=local_date(clock()),
        page=paging,
        q=q,
        enterprise_id=enterprise_id,
    )
    chosen = str(enterprise_id or "")
    filters = {"q": q, "enterprise_id": chosen, "limit": paging.limit}
    form = form or OperatorForm(active=True, enterprise_id=chosen)
    return OperatorsPage(
        q=q,
        enterprise_id=chosen,
        limit=paging.limit,
        enterprises=_enterprises(session, principal, uuid_or_none(form.enterprise_id)),
        rows=tuple(_line(row) for row in found.items),
        pager=pager(BASE, filters, paging, found.next_cursor),
        form=form,
        can_change=_may_change(principal),
    )


def _line(row: OperatorRow) -> OperatorLine:
    return OperatorLine(
        id=str(row.id),
        code=row.code,
        name=row.name,
        enterprise=row.enterprise_name,
        department=row.department,
        phone=row.phone,
        active=row.active,
        device_count=row.device_count,
    )


def edit_page(session: Session, operator_id: UUID, principal: Principal) -> OperatorEditPage:
    """The page of one operator as it stands. Raises NotFound."""
    operator = queries.visible(session, operator_id, principal)
    form = OperatorForm.model_validate(operator.model_dump(mode="json"))
    return OperatorEditPage(
        id=str(operator.id),
        title=operator.name,
        enterprises=_enterprises(session, principal, operator.enterprise_id),
        device_count=operator.device_count,
        form=form,
        can_change=_may_change(principal),
        can_hand_over=principal.can(Permission.DEVICES_WRITE) and operator.device_count > 0,
    )
