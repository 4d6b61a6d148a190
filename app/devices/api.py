"""REST API of devices: list, register, change, read again, follow their state."""

from typing import Annotated
from uuid import UUID

from fastapi import Header, Query, Response
from pydantic import AwareDatetime
from starlette.responses import StreamingResponse

from app.accounts.confirmation import Confirm
from app.accounts.deps import DeviceRereader, DevicesWriter, Reader
from app.accounts.presence import Present
from app.contracts.devices import DeviceKind
from app.core import sse
from app.core.clock import Clock
from app.core.db import Session
from app.core.etags import IfMatch, set_etag
from app.core.pagination import Page
from app.core.routing import Router
from app.core.schemas import SearchText
from app.core.web import ClockDep, DatabaseDep, Paging, Reading, SettingsDep, Writing
from app.devices import live, queries, service
from app.devices.agent_schemas import DiscoveredPublic
from app.devices.models import Device, DeviceState
from app.devices.schemas import (
    ChangePublic,
    DeviceCreate,
    DevicePublic,
    DeviceUpdate,
    RefreshResult,
)

router = Router(tags=["税控设备"])


@router.get("/devices")
def list_devices(
    session: Reading,
    principal: Reader,
    page: Paging,
    clock: ClockDep,
    q: SearchText = None,
    state: Annotated[DeviceState | None, Query()] = None,
    kind: Annotated[DeviceKind | None, Query()] = None,
    enterprise_id: Annotated[UUID | None, Query()] = None,
    operator_id: Annotated[UUID | None, Query()] = None,
    agent_id: Annotated[UUID | None, Query()] = None,
) -> Page[DevicePublic]:
    """Devices by number."""
    found = queries.list_devices(
        session,
        principal=principal,
        page=page,
        q=q,
        states=(state,) if state else (),
        kind=kind,
        enterprise_id=enterprise_id,
        operator_id=operator_id,
        agent_id=agent_id,
    )
    devices = [row.device for row in found.items]
    monitors = queries.monitors_of(session, [device.id for device in devices])
    now = clock()
    items = [DevicePublic.of(device, monitors[device.id], now) for device in devices]
    return Page(items=items, next_cursor=found.next_cursor)


@router.post("/devices", status_code=201)
def register_device(
    data: DeviceCreate,
    session: Writing,
    principal: DevicesWriter,
    clock: ClockDep,
    response: Response,
) -> DevicePublic:
    """Register a device."""
    device = service.register_device(session, data=data, principal=principal, at=clock())
    response.headers["Location"] = f"/api/v1/devices/{device.id}"
    return _answer(response, session, device, clock)


@router.get("/devices/discovered")
def discover_devices(
    principal: DevicesWriter, database: DatabaseDep, settings: SettingsDep, clock: ClockDep
) -> list[DiscoveredPublic]:
    """Devices the agents have that are not registered yet."""
    found = service.discover(database, settings=settings, clock=clock)
    return [DiscoveredPublic.model_validate(item) for item in found]


@router.get("/devices/events", response_class=StreamingResponse)
async def device_events(
    present: Present,
    database: DatabaseDep,
    clock: ClockDep,
    after: Annotated[AwareDatetime | None, Query(description="id of the last event seen")] = None,
    last_event_id: Annotated[AwareDatetime | None, Header()] = None,
) -> StreamingResponse:
    """Server-sent events `device` and `agent`: the state each has now, whenever it changes."""
    seen = last_event_id or after
    over = present.enter()
    events = live.follow(database, present.principal, clock, again=present.again, after=seen)
    return sse.stream(events, over=over)


@router.get("/devices/{device_id}")
def get_device(
    device_id: UUID, session: Reading, principal: Reader, clock: ClockDep, response: Response
) -> DevicePublic:
    """One device, as read last."""
    return _answer(response, session, queries.visible(session, device_id, principal), clock)


@router.patch("/devices/{device_id}")
def change_device(
    device_id: UUID,
    data: DeviceUpdate,
    session: Writing,
    confirm: Confirm,
    principal: DevicesWriter,
    clock: ClockDep,
    response: Response,
    if_match: IfMatch = None,
) -> DevicePublic:
    """Change a device, hand it over (operator_id; a person gives the password), or retire it (state: retired)."""
    if "operator_id" in data.changes():
        confirm(data.changes().get("password"))
    device = service.change_device(
        session, device_id, data=data, principal=principal, at=clock(), if_match=if_match
    )
    return _answer(response, session, device, clock)


@router.post("/devices/{device_id}/refresh")
def refresh_device(
    device_id: UUID,
    principal: DeviceRereader,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    response: Response,
    confirmed: Annotated[str | None, Query(max_length=64)] = None,
) -> RefreshResult:
    """Read the device now. 502 with a code `device.*` or `agent.*` when it cannot be read.

    With `confirmed`, which may be empty, what differs is saved only if the differences are those an earlier
    answer gave this `confirm` for; otherwise they are answered again. Without it they are saved at once.
    """
    if confirmed is None:
        changes = tuple(
            service.refresh_device(
                database, device_id, principal=principal, settings=settings, clock=clock
            )
        )
        found = service.Comparison(changes, "", saved=True)
    else:
        found = service.compare_device(
            database,
            device_id,
            principal=principal,
            settings=settings,
            clock=clock,
            confirmed=confirmed,
        )
    with database.reading() as session:
        device = queries.visible(session, device_id, principal)
        shown = _answer(response, session, device, clock)
    return RefreshResult(
        **shown.model_dump(),
        changes=[ChangePublic.model_validate(change) for change in found.changes],
        saved=found.saved,
        confirm="" if found.saved else found.digest,
    )


@router.post("/devices/{device_id}/clock")
def set_device_clock(
    device_id: UUID,
    principal: DevicesWriter,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    response: Response,
) -> DevicePublic:
    """Set the device's clock to the time of its agent, and read the device again."""
    service.set_clock(database, device_id, principal=principal, settings=settings, clock=clock)
    with database.reading() as session:
        device = queries.visible(session, device_id, principal)
        return _answer(response, session, device, clock)


def _answer(response: Response, session: Session, device: Device, clock: Clock) -> DevicePublic:
    set_etag(response, device.revision)
    monitors = queries.monitors_of(session, [device.id])[device.id]
    return DevicePublic.of(device, monitors, clock())
