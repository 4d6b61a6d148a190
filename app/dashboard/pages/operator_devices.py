"""重新读取设备 of one operator: compare all devices, confirm what differs, save it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import Form, Request
from pydantic import BaseModel
from starlette.responses import Response

from app.accounts.deps import DeviceRereader
from app.accounts.principal import Principal
from app.core.db import Session
from app.core.routing import Router
from app.core.templating import redirect, render
from app.core.web import ClockDep, DatabaseDep, SettingsDep
from app.dashboard.operator_contexts import DevicesRead
from app.dashboard.pages.operator_data import build
from app.devices import queries as devices_queries
from app.devices import service as devices_service
from app.devices.pages.differences import NOT_ALL_SAVED, SAVED, found_of
from app.devices.service import Comparison
from app.errors import Invalid

router = Router(prefix="/clearing/operators/{operator_id}")

Results = Mapping[UUID, Comparison | None]


class Confirmed(BaseModel):
    """What of the differences shown is to be saved: `<device id> <digest>` of each device ticked."""

    saving: bool = False
    confirmed: list[str] = []

    def by_device(self) -> dict[UUID, str] | None:
        """The digests; None while nothing has been shown yet. Raises Invalid."""
        if not self.saving:
            return None
        pairs = (one.partition(" ") for one in self.confirmed)
        try:
            return {UUID(device_id): digest for device_id, _, digest in pairs}
        except ValueError as error:
            raise Invalid("没有这样的差异") from error


@router.post("/refresh")
def refresh_devices(
    operator_id: UUID,
    form: Annotated[Confirmed, Form()],
    request: Request,
    principal: DeviceRereader,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
) -> Response:
    """重新读取设备: shows what differs, and saves what is `confirmed` of it."""
    path = f"/clearing/operators/{operator_id}"
    wanted = form.by_device()
    if wanted == {}:
        return redirect(path, flash="没有勾选要保存的设备，差异没有保存", kind="warn")
    results = devices_service.compare_devices_of(
        database, operator_id, principal=principal, settings=settings, clock=clock, confirmed=wanted
    )
    with database.reading() as session:
        read = _read(session, operator_id, principal, results, saving=wanted is not None)
        if not read.devices:
            words, kind = _told(results, saving=wanted is not None)
            return redirect(path, flash=words, kind=kind)
        page = build(session, operator_id, principal, settings, clock)
    return render(request, "dashboard/operator.html", replace(page, read=read, check_now=False))


def _read(
    session: Session, operator_id: UUID, principal: Principal, results: Results, *, saving: bool
) -> DevicesRead:
    """What somebody has to look at: differences not saved yet, and a taxpayer that is not the enterprise."""
    found = tuple(
        found_of(device, result, principal)
        for device in devices_queries.in_use_of_operator(session, operator_id)
        if (result := results.get(device.id)) is not None
        and (not result.saved or (result.taxpayer and not saving))
    )
    return DevicesRead(
        devices=found,
        count=len(results),
        unread=sum(result is None for result in results.values()),
        changed_again=saving and any(one.confirm for one in found),
    )


def _told(results: Results, *, saving: bool) -> tuple[str, str]:
    """What is said when there is nothing to look at, and its tone."""
    read = [one for one in results.values() if one is not None]
    unread = len(results) - len(read)
    if unread:
        return f"已读取 {len(read)} 台设备，{unread} 台未能读取", "warn"
    if not saving:
        return f"已读取 {len(read)} 台设备，与登记一致", "ok"
    if any(not change.saved for one in read for change in one.changes):
        return NOT_ALL_SAVED, "warn"
    return SAVED, "ok"
