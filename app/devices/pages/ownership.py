"""移交 and 注销 of one device, each confirmed in a dialog of its page."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import Form, Request
from starlette.responses import HTMLResponse, Response

from app.accounts.confirmation import Confirm
from app.accounts.deps import DevicesWriter
from app.accounts.principal import Principal
from app.core.clock import Clock
from app.core.db import Database, Session
from app.core.routing import Router
from app.core.templating import redirect, render
from app.core.web import ClockDep, DatabaseDep
from app.devices import queries, service
from app.devices.models import DeviceState
from app.devices.pages.detail import build
from app.devices.schemas import DeviceUpdate
from app.errors import Invalid, QingkaError
from app.operators import queries as operators_queries

router = Router(prefix="/devices/{device_id}")

Code = Annotated[str, Form(max_length=100)]
Password = Annotated[str, Form(max_length=200)]
Update = Callable[[Session], DeviceUpdate]

_FIELDS = {
    "operator_code": "operator_code",
    "operator_id": "operator_code",
    "password": "password",
}
"""Where the dialog shows what is wrong with a field."""


@router.post("/hand-over")
def hand_over(
    device_id: UUID,
    request: Request,
    principal: DevicesWriter,
    database: DatabaseDep,
    clock: ClockDep,
    confirm: Confirm,
    operator_code: Code = "",
    password: Password = "",
) -> Response:
    """移交: to another operator of the enterprise; an open request goes along. Asks for the password."""

    def update(session: Session) -> DeviceUpdate:
        receiver = operators_queries.by_code(session, operator_code.strip())
        if receiver is None or not principal.sees(receiver.enterprise_id):
            raise Invalid(errors={"operator_code": "没有这个工号的操作员"})
        if queries.visible(session, device_id, principal).operator_id == receiver.id:
            raise Invalid(errors={"operator_code": "设备已由该操作员持有"})
        return DeviceUpdate(operator_id=receiver.id)

    refused = _change(
        request,
        device_id,
        principal,
        database,
        clock,
        update,
        "handover",
        operator_code,
        lambda: confirm(password),
    )
    return refused or redirect(f"/devices/{device_id}", flash="设备已移交")


@router.post("/retire")
def retire(
    device_id: UUID,
    request: Request,
    principal: DevicesWriter,
    database: DatabaseDep,
    clock: ClockDep,
) -> Response:
    """注销: for good, and only when all is reported, cleared and uploaded."""
    refused = _change(
        request,
        device_id,
        principal,
        database,
        clock,
        lambda _: DeviceUpdate(state=DeviceState.RETIRED),
        "retire",
    )
    return refused or redirect(f"/devices/{device_id}", flash="设备已注销")


def _change(
    request: Request,
    device_id: UUID,
    principal: Principal,
    database: Database,
    clock: Clock,
    update: Update,
    asked: str,
    receiver_code: str = "",
    check: Callable[[], None] = lambda: None,
) -> HTMLResponse | None:
    """None once it is done; a refusal shows the page with the dialog open, and why."""
    try:
        check()
        with database.transaction() as session:
            service.change_device(
                session, device_id, data=update(session), principal=principal, at=clock()
            )
    except QingkaError as error:
        if error.status == 404:
            raise
        errors = {_FIELDS[name]: text for name, text in error.errors.items() if name in _FIELDS}
        errors = errors or {"form": f"{error.detail}。{error.remedy}"}
        with database.reading() as session:
            page = build(session, device_id, principal, clock)
        page = replace(page, asked=asked, receiver_code=receiver_code, errors=errors)
        return render(request, "devices/detail.html", page, status_code=error.status)
    return None
