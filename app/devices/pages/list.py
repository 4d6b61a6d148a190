"""税控设备: the list (/devices)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Query, Request
from starlette.responses import HTMLResponse

from app.accounts.deps import Reader
from app.accounts.principal import Permission
from app.core.clock import local_date
from app.core.forms import blank_is_none, pager
from app.core.page_parts import Segment
from app.core.pagination import Page
from app.core.routing import Router
from app.core.templating import render
from app.core.web import ClockDep, Paging, Reading
from app.devices import queries
from app.devices.contexts import DeviceRow, DevicesPage
from app.devices.models import Device, DeviceMonitor, DeviceState
from app.devices.states import TypeState, clock_now, type_state, worst
from app.enterprises.filtering import MOST_TEXT, Links, chosen

router = Router()

_LABELS = {
    "": "全部",
    "connected": "已连接",
    "disconnected": "未连接",
    "locked": "已锁死",
    "fault": "故障",
    "retired": "已注销",
}
_STATES: dict[DeviceState, tuple[DeviceState, ...]] = {
    DeviceState.CONNECTED: (DeviceState.CONNECTED, DeviceState.LOCKED),
    DeviceState.LOCKED: (),
}
"""What the words of a filter mean where the state of a device is not the same: see `connection_state`."""


@router.get("/devices")
def device_list(
    request: Request,
    session: Reading,
    principal: Reader,
    clock: ClockDep,
    paging: Paging,
    q: Annotated[str, Query(max_length=100)] = "",
    state: Annotated[DeviceState | None, Query(), blank_is_none] = None,
    enterprise_id: Annotated[UUID | None, Query(), blank_is_none] = None,
    enterprise: Annotated[str, Query(max_length=MOST_TEXT)] = "",
) -> HTMLResponse:
    """Devices by number with their connection and clearing state."""
    links = Links("/devices", {"q": q, "state": state or ""}, paging.limit)
    of = chosen(session, principal, enterprise, enterprise_id, links)
    found = (
        Page(items=[])
        if of.shown.unclear
        else queries.list_devices(
            session,
            principal=principal,
            page=paging,
            q=q,
            states=_STATES.get(state, (state,)) if state else (),
            locked_on=local_date(clock()) if state is DeviceState.LOCKED else None,
            enterprise_id=of.enterprise_id,
        )
    )
    monitors = queries.monitors_of(session, [row.device.id for row in found.items])
    agents = {agent.id: agent.name for agent in queries.all_agents(session)}
    page = DevicesPage(
        q=q,
        state=state or "",
        enterprise_id=str(of.enterprise_id or ""),
        limit=paging.limit,
        enterprises=of.shown,
        segments=tuple(_segment(value, label, of.filters) for value, label in _LABELS.items()),
        rows=tuple(_row(row, monitors[row.device.id], agents, clock()) for row in found.items),
        pager=pager("/devices", {**of.filters, "limit": paging.limit}, paging, found.next_cursor),
        can_register=principal.can(Permission.DEVICES_WRITE),
    )
    return render(request, "devices/list.html", page)


def connection_state(state: DeviceState) -> DeviceState:
    """What stands under 连接: a locked device is connected; that it is locked is another fact."""
    return DeviceState.CONNECTED if state is DeviceState.LOCKED else state


def clearing_state(device: Device, monitors: Sequence[DeviceMonitor], now: datetime) -> str:
    """The worst state of the device's types, `unread` before the first read; locked if the device says so."""
    if device.state is DeviceState.LOCKED:
        return TypeState.LOCKED.value
    shown = clock_now(now, device.clock_drift_seconds)
    states = [type_state(one.last_reported_at, one.lock_date, shown) for one in monitors]
    found = worst(states)
    return "unread" if found is None else found.value


def _segment(value: str, label: str, filters: Mapping[str, object]) -> Segment:
    kept = {name: text for name, text in {**filters, "state": value}.items() if text}
    href = f"/devices?{urlencode(kept)}" if kept else "/devices"
    return Segment(label, href, current=value == filters["state"])


def _row(
    row: queries.DeviceRow,
    monitors: Sequence[DeviceMonitor],
    agents: dict[UUID, str],
    now: datetime,
) -> DeviceRow:
    device = row.device
    days = None if device.lock_date is None else (device.lock_date - local_date(now)).days
    return DeviceRow(
        id=str(device.id),
        number=device.number,
        kind=device.kind,
        state=connection_state(device.state),
        clearing_state=clearing_state(device, monitors, now),
        enterprise=row.enterprise_name,
        operator_id=str(device.operator_id),
        operator_name=row.operator_name,
        agent_name=agents.get(device.agent_id, "") if device.agent_id else "",
        lock_date=device.lock_date,
        days_left=days,
        read_at=device.read_at,
        simulated=device.simulated,
    )
