"""备份与恢复: the list, and 立即备份."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Form, Request
from starlette.responses import HTMLResponse, Response

from app.accounts.deps import ClearingRequester, Reader
from app.accounts.principal import Permission, Principal
from app.backups import queries
from app.backups.contexts import BackupsPage, CreateForm
from app.backups.models import BackupKind
from app.backups.pages.views import backup_row
from app.backups.requested import back_up_requested
from app.backups.schemas import BackupCreate
from app.contracts.periods import Period
from app.core.clock import local_date
from app.core.db import Database, Session
from app.core.forms import pager, parse
from app.core.page_parts import Option
from app.core.pagination import PageRequest
from app.core.routing import Router
from app.core.templating import redirect, render
from app.core.web import ClockDep, DatabaseDep, Paging, Reading, SettingsDep
from app.enterprises import queries as enterprises_queries
from app.errors import Invalid, QingkaError
from app.operators import queries as operators_queries

router = Router(prefix="/backups")


@router.get("")
def backup_list(
    request: Request,
    session: Reading,
    principal: Reader,
    paging: Paging,
    clock: ClockDep,
    create: bool = False,
) -> HTMLResponse:
    """Newest first; ?create=1 shows the form without a script."""
    form = CreateForm(period=Period.of(local_date(clock())).plus(-1))
    page = _page(session, principal, paging, form, dialog_open=create)
    return render(request, "backups/list.html", page)


@router.post("")
def create_backup(
    request: Request,
    principal: ClearingRequester,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    what: Annotated[str, Form()] = "operator",
    operator_code: Annotated[str, Form()] = "",
    period: Annotated[str, Form()] = "",
    enterprise_id: Annotated[str, Form()] = "",
) -> Response:
    """立即备份. A refusal shows the form again with the input kept."""
    form = CreateForm(what, operator_code.strip(), period.strip(), enterprise_id)
    try:
        data = _wanted(database, form, principal)
        backup = back_up_requested(database, settings, data, principal=principal, clock=clock)
    except QingkaError as error:
        if error.status == 403:
            raise
        return _again(request, database, principal, form, error)
    return redirect(f"/backups/{backup.id}", flash=f"备份完成：{backup.check_message}")


def _wanted(database: Database, form: CreateForm, principal: Principal) -> BackupCreate:
    """The form as the schema. Raises Invalid with a message by the field."""
    if form.what == "system":
        return parse(BackupCreate, {"kind": BackupKind.SYSTEM})
    values: dict[str, Any] = {"period": form.period or None}
    if form.what == "enterprise":
        return parse(BackupCreate, values | {"enterprise_id": form.enterprise_id})
    with database.reading() as session:
        operator = operators_queries.by_code(session, form.operator_code)
    if operator is None or not principal.sees(operator.enterprise_id):
        raise Invalid(errors={"operator_code": "没有这个工号的操作员"})
    if not form.period:
        raise Invalid(errors={"period": "必填"})
    return parse(BackupCreate, values | {"operator_id": operator.id})


def _again(
    request: Request,
    database: Database,
    principal: Principal,
    form: CreateForm,
    error: QingkaError,
) -> HTMLResponse:
    errors = dict(error.errors) or {"form": f"{error.title}：{error.detail}。{error.remedy}"}
    with database.reading() as session:
        page = _page(session, principal, PageRequest(), form, dialog_open=True, errors=errors)
    return render(request, "backups/list.html", page, status_code=error.status)


def _page(
    session: Session,
    principal: Principal,
    paging: PageRequest,
    form: CreateForm,
    *,
    dialog_open: bool = False,
    errors: Mapping[str, str] | None = None,
) -> BackupsPage:
    rows, cursor = queries.page(session, principal, paging)
    copies = queries.copies(session, [row.id for row in rows])
    names = enterprises_queries.names_for_choice(session, principal=principal)
    return BackupsPage(
        rows=tuple(backup_row(row, copies[row.id]) for row in rows),
        pager=pager("/backups", {"limit": paging.limit}, paging, cursor),
        can_verify=may_verify(principal),
        can_create=principal.can(Permission.CLEARING_REQUEST),
        can_back_up_system=principal.can(Permission.ADMIN),
        enterprises=tuple(Option(str(one), name) for one, name in names),
        form=form,
        dialog_open=dialog_open,
        errors=errors or {},
    )


def may_verify(principal: Principal) -> bool:
    """Whether the button is shown; the route itself is open to readers."""
    return principal.can(Permission.CLEARING_REQUEST) or principal.can(Permission.AUDIT_READ)
