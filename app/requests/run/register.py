"""What a clearing makes of the register (设备资料), by its mode, on record (docs/decisions/0008)."""

from datetime import datetime

from app.accounts.principal import SYSTEM
from app.audit.canonical import JSON
from app.clearing.models import ClearingRequest
from app.clearing.states import Mode
from app.contracts.devices import DeviceReading
from app.core.db import Session
from app.devices import service as devices_service
from app.devices.models import Device
from app.prechecks.readings import Readings
from app.requests.service import progress


def prepare(
    session: Session, request: ClearingRequest, readings: Readings, *, at: datetime
) -> None:
    """Before the clearing: a first one takes the baseline, an update saves the differences."""
    if request.mode is Mode.REGULAR:
        return
    for device_id, read in readings.items():
        if read.reading is not None:
            device = session.get_one(Device, device_id)
            _take_over(session, request, device, read.reading, at=at)


def settle(
    session: Session, request: ClearingRequest, device: Device, reading: DeviceReading, at: datetime
) -> None:
    """After the clearing: the register is what the device shows; what differs is on record."""
    if devices_service.differences(session, device, reading):
        _take_over(session, request, device, reading, at=at)
    else:
        devices_service.store_reading(session, device, reading, at=at)


def _take_over(
    session: Session,
    request: ClearingRequest,
    device: Device,
    reading: DeviceReading,
    *,
    at: datetime,
) -> None:
    changes = devices_service.differences(session, device, reading)
    occasion: dict[str, JSON] = {
        "request": request.number,
        "mode": request.mode,
        "executed_by": request.executed_by or "",
        "read": _baseline(reading),
    }
    devices_service.take_over(session, device, reading, principal=SYSTEM, at=at, occasion=occasion)
    told = "；".join(str(change) for change in changes)
    text = f"登记资料已更新：{told}" if told else "设备资料与登记一致，没有要更新的"
    progress.note(session, request, f"设备 {device.number} {text}", at)


def _baseline(reading: DeviceReading) -> dict[str, JSON]:
    info = reading.info
    return {
        "tax_no": info.tax_no,
        "taxpayer_name": info.taxpayer_name,
        "machine_no": info.machine_no,
        "version": info.version,
        "invoice_types": [kind.value for kind in info.invoice_types],
    }
