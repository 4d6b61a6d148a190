"""移交 of an operator's devices and of an enterprise, from their pages in 系统设置.

It lives here since the open requests of clearing go along (docs/domain.md, rule 14).
"""

from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import Form, Request
from starlette.responses import Response

from app.accounts import queries as accounts_queries
from app.accounts.confirmation import Confirm
from app.accounts.deps import Admin, DevicesWriter
from app.core.db import Session
from app.core.routing import Router
from app.core.templating import redirect, render
from app.core.web import ClockDep, DatabaseDep
from app.enterprises import pages as enterprises_pages
from app.enterprises import queries as enterprises_queries
from app.errors import Invalid, QingkaError
from app.operators import pages as operators_pages
from app.operators import queries as operators_queries
from app.requests.service import handover

router = Router(prefix="/settings")

Name = Annotated[str, Form(max_length=100)]


@router.post("/operators/{operator_id}/hand-over")
def hand_over_operator(
    operator_id: UUID,
    request: Request,
    principal: DevicesWriter,
    database: DatabaseDep,
    clock: ClockDep,
    confirm: Confirm,
    receiver_code: Name = "",
    password: Name = "",
) -> Response:
    """All devices of an operator go to another one of the enterprise."""
    try:
        confirm(password)
        with database.transaction() as session:
            receiver = operators_queries.by_code(session, receiver_code.strip())
            if receiver is None or not principal.sees(receiver.enterprise_id):
                raise Invalid(errors={"receiver_code": "没有这个工号的操作员"})
            moved = handover.hand_over_operator(
                session, operator_id, receiver.id, principal=principal, clock=clock
            )
    except QingkaError as error:
        fields = ("receiver_code", "operator_id", "to_operator_id")
        named = next((error.errors[name] for name in fields if name in error.errors), "")
        errors = {"receiver_code": named} if named else enterprises_pages.messages(error)
        with database.reading() as session:
            page = operators_pages.edit_page(session, operator_id, principal)
        page = replace(page, asked=True, receiver_code=receiver_code, handover_errors=errors)
        return render(request, "operators/detail.html", page, status_code=error.status)
    return redirect(f"/settings/operators/{operator_id}", flash=f"已移交 {moved} 台设备")


@router.post("/enterprises/{enterprise_id}/hand-over")
def hand_over_enterprise(
    enterprise_id: UUID,
    request: Request,
    principal: Admin,
    database: DatabaseDep,
    clock: ClockDep,
    confirm: Confirm,
    from_account: Name = "",
    to_account: Name = "",
    password: Name = "",
) -> Response:
    """An enterprise and its open requests go from one accountant to another."""
    try:
        confirm(password)
        with database.transaction() as session:
            enterprises_queries.get_enterprise(session, enterprise_id, principal=principal)
            moved = handover.hand_over_enterprise(
                session,
                enterprise_id,
                from_account=_account(session, "from_account", from_account),
                to_account=_account(session, "to_account", to_account),
                principal=principal,
                clock=clock,
            )
    except QingkaError as error:
        with database.reading() as session:
            page = enterprises_pages.edit_page(session, enterprise_id, principal)
        page = replace(
            page,
            asked=True,
            from_account=from_account,
            to_account=to_account,
            handover_errors=enterprises_pages.messages(error),
        )
        return render(request, "enterprises/detail.html", page, status_code=error.status)
    flash = f"企业已移交，{moved} 件未完成的申请一并移交"
    return redirect(f"/settings/enterprises/{enterprise_id}", flash=flash)


def _account(session: Session, field: str, name: str) -> UUID:
    """The account of a user name. Raises Invalid."""
    found = accounts_queries.account_by_name(session, name.strip())
    if found is None:
        raise Invalid(errors={field: "没有这个用户名的账号"})
    return found.id
