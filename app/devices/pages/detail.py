"""One device (/devices/{id}): information, monitors, reading it again."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import Form, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from app.accounts.deps import DeviceRereader, DevicesWriter, Reader
from app.accounts.principal import Permission, Principal
from app.contracts.faults import FAULTS
from app.core.clock import Clock, local_date
from app.core.db import Session
from app.core.routing import Router
from app.core.templating import redirect, render
from app.core.web import ClockDep, DatabaseDep, Reading, SettingsDep
from app.devices import queries, service
from app.devices.agent_client import AgentFault
from app.devices.contexts import DevicePage, MonitorRow
from app.devices.models import Device, DeviceMonitor, DeviceState
from app.devices.pages.differences import NOT_ALL_SAVED, SAVED, found_of
from app.devices.pages.list import clearing_state, connection_state
from app.devices.states import clock_now, type_state
from app.enterprises.models import Enterprise
from app.operators.models import Operator

router = Router(prefix="/devices/{device_id}")

_SHOWN_AS_KEPT = {
    *("number", "kind", "machine_no", "clock_at", "clock_drift_seconds", "read_at"),
    *("last_reported_at", "last_cleared_at", "lock_date", "fault_code", "fault_message"),
}


@router.get("")
def device_page(
    device_id: UUID,
    request: Request,
    session: Reading,
    principal: Reader,
    clock: ClockDep,
    confirm: str = "",
) -> HTMLResponse:
    """The device as it was read last; ?confirm= handover or retire shows that dialog."""
    page = replace(build(session, device_id, principal, clock), asked=confirm)
    return render(request, "devices/detail.html", page)


@router.post("/refresh")
def refresh(
    device_id: UUID,
    request: Request,
    principal: DeviceRereader,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    confirmed: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """重新读取设备: shows what differs, and saves it once that is `confirmed`; else why it can't be read."""
    try:
        found = service.compare_device(
            database,
            device_id,
            principal=principal,
            settings=settings,
            clock=clock,
            confirmed=confirmed,
        )
    except service.DeviceUnreadable:
        found = None  # the page shows the fault that was kept
    if found is not None and found.saved and confirmed and found.changes:
        kept = all(one.saved for one in found.changes)
        words, kind = (SAVED, "ok") if kept else (NOT_ALL_SAVED, "warn")
        return redirect(f"/devices/{device_id}", flash=words, kind=kind)
    with database.reading() as session:
        page = build(session, device_id, principal, clock)
        if found is not None:
            device = queries.visible(session, device_id, principal)
            page = replace(
                page,
                found=found_of(device, found, principal),
                changed_again=bool(confirmed) and not found.saved,
            )
    return render(request, "devices/detail.html", page)


@router.post("/clock")
def set_clock(
    device_id: UUID,
    principal: DevicesWriter,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
) -> Response:
    """校准时钟: says what the clock's drift is now, or why it could not be set."""
    path = f"/devices/{device_id}"
    try:
        service.set_clock(database, device_id, principal=principal, settings=settings, clock=clock)
    except (AgentFault, service.DeviceClockFixed, service.DeviceHasNoAgent) as error:
        return redirect(path, flash=f"{error.detail}。{error.remedy}", kind="bad")
    with database.reading() as session:
        drift = queries.visible(session, device_id, principal).clock_drift_seconds
    return redirect(path, flash=f"时钟已校准，现在与本系统相差 {abs(drift or 0)} 秒")


def build(
    session: Session,
    device_id: UUID,
    principal: Principal,
    clock: Clock,
) -> DevicePage:
    """The page as it stands. Raises NotFound."""
    now = clock()
    device = queries.visible(session, device_id, principal)
    enterprise = session.get_one(Enterprise, device.enterprise_id)
    operator = session.get_one(Operator, device.operator_id)
    monitors = queries.monitors_of(session, [device.id])[device.id]
    agent = queries.get_agent(session, device.agent_id) if device.agent_id else None
    fault = FAULTS.get(device.fault_code)
    return DevicePage(
        **device.model_dump(include=_SHOWN_AS_KEPT),
        id=str(device.id),
        state=connection_state(device.state),
        clearing_state=clearing_state(device, monitors, now),
        enterprise=enterprise.name,
        tax_no=enterprise.tax_no,
        device_tax_no=device.tax_no,
        device_taxpayer_name=device.taxpayer_name,
        operator_id=str(operator.id),
        operator_name=operator.name,
        agent_name=agent.name if agent else "",
        software_version=device.version,
        days_left=None if device.lock_date is None else (device.lock_date - local_date(now)).days,
        fault_remedy=fault.remedy if fault else "",
        simulated_device=device.simulated,
        monitors=_monitors(device, monitors, clock),
        can_refresh=principal.can(Permission.CLEARING_REQUEST)
        and device.state is not DeviceState.RETIRED,
        can_set_clock=principal.can(Permission.DEVICES_WRITE)
        and device.can_set_clock
        and device.state is not DeviceState.RETIRED,
        can_change=principal.can(Permission.DEVICES_WRITE)
        and device.state is not DeviceState.RETIRED,
    )


def _monitors(
    device: Device, monitors: Sequence[DeviceMonitor], clock: Clock
) -> tuple[MonitorRow, ...]:
    shown = clock_now(clock(), device.clock_drift_seconds)
    return tuple(
        MonitorRow(
            invoice_type=one.invoice_type,
            state=type_state(one.last_reported_at, one.lock_date, shown),
            report_from=one.report_from.date(),
            last_reported_at=one.last_reported_at,
            lock_date=one.lock_date,
            upload_due_day=one.upload_due_day,
            offline_hours=one.offline_hours,
            offline_amount=one.offline_amount,
            single_limit=one.single_limit,
        )
        for one in monitors
    )
