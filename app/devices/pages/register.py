"""登记设备: what the agents see, and the form (/devices/new)."""

from dataclasses import asdict
from typing import Annotated

from fastapi import Form, Query, Request
from starlette.responses import HTMLResponse, Response

from app.accounts.deps import DevicesWriter
from app.accounts.principal import Principal
from app.core.clock import Clock
from app.core.db import Database, Session
from app.core.forms import parse
from app.core.page_parts import Option
from app.core.routing import Router
from app.core.templating import redirect, render
from app.core.web import ClockDep, DatabaseDep, SettingsDep
from app.devices import queries, service
from app.devices.contexts import DeviceForm, DeviceNewPage, FoundDevice
from app.devices.schemas import DeviceCreate
from app.enterprises.pages import messages
from app.errors import Invalid, QingkaError
from app.operators import queries as operators_queries
from app.settings import Settings

router = Router(prefix="/devices/new")

_Text = Annotated[str, Form(max_length=100)]


@router.get("")
def new_device(
    request: Request,
    principal: DevicesWriter,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    number: Annotated[str, Query(max_length=20)] = "",
    kind: Annotated[str, Query(max_length=20)] = "tax_disk",
    agent_id: Annotated[str, Query(max_length=40)] = "",
    operator_code: Annotated[str, Query(max_length=40)] = "",
) -> HTMLResponse:
    """The form, filled in from what was chosen."""
    form = DeviceForm(number, kind, operator_code, agent_id)
    return _page(request, database, settings, clock, form)


@router.post("")
def register(
    request: Request,
    principal: DevicesWriter,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    number: _Text = "",
    kind: _Text = "",
    operator_code: _Text = "",
    agent_id: _Text = "",
    machine_no: _Text = "",
) -> Response:
    """Register the device."""
    form = DeviceForm(number, kind, operator_code, agent_id, machine_no)
    try:
        with database.transaction() as session:
            data = _parsed(session, form, principal)
            device = service.register_device(session, data=data, principal=principal, at=clock())
            address = f"/devices/{device.id}"
    except QingkaError as error:
        return _page(request, database, settings, clock, form, error)
    return redirect(address, flash="设备已登记，请重新读取设备以取得监控数据")


def _parsed(session: Session, form: DeviceForm, principal: Principal) -> DeviceCreate:
    operator = operators_queries.by_code(session, form.operator_code.strip())
    if operator is None or not principal.sees(operator.enterprise_id):
        raise Invalid(errors={"operator_code": "没有这个工号的操作员"})
    values = {name: text.strip() or None for name, text in asdict(form).items()}
    del values["operator_code"]
    return parse(DeviceCreate, {**values, "operator_id": operator.id})


def _page(
    request: Request,
    database: Database,
    settings: Settings,
    clock: Clock,
    form: DeviceForm,
    error: QingkaError | None = None,
) -> HTMLResponse:
    found = service.discover(database, settings=settings, clock=clock)
    with database.reading() as session:
        agents = tuple(Option(str(one.id), one.name) for one in queries.all_agents(session))
    page = DeviceNewPage(
        form,
        agents,
        tuple(
            FoundDevice(
                number=one.number,
                kind=one.kind,
                agent_id=str(one.agent_id),
                agent_name=one.agent_name,
                state=one.state,
                simulated=one.simulated,
            )
            for one in found
        ),
        messages(error) if error else {},
    )
    status = error.status if error else 200
    return render(request, "devices/new.html", page, status_code=status)
