"""The control address: look at the simulation, change it, and switch faults on. JSON."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, HTTPException

from app.contracts.periods import Period
from app.simulator.control_schemas import (
    DeviceCreate,
    DevicePatch,
    FilingPut,
    InvoicesCreate,
    device_view,
    invoice_view,
    new_invoices,
    new_state,
    patch_state,
)
from app.simulator.device import VirtualDevice
from app.simulator.faults import ActiveFault, FaultRequest
from app.simulator.park import DevicePark
from app.simulator.simulator import Simulator

MAX_LOG = 100_000


def control_router(simulator: Simulator) -> APIRouter:
    """All control routes over one simulation."""
    router = APIRouter()
    _add_faults(router, simulator)
    _add_devices(router, simulator)
    _add_invoices(router, simulator)
    _add_bureau(router, simulator)

    @router.get("/healthz")
    async def healthz() -> dict[str, Any]:
        """It runs, what time it thinks it is, and that it is a simulation."""
        now = simulator.park.true_time()
        return {"status": "ok", "simulated": True, "clock": now.isoformat()}

    @router.get("/log")
    async def read_log(
        device: str | None = None, after: int = 0, limit: int = MAX_LOG
    ) -> list[dict[str, Any]]:
        """Every message that reached a device or the bureau, in order."""
        return simulator.store.log(device, after, limit)

    return router


def _add_faults(router: APIRouter, simulator: Simulator) -> None:
    @router.post("/faults", status_code=201)
    async def add_fault(fault: FaultRequest) -> ActiveFault:
        """Switch a fault on."""
        return simulator.add_fault(fault)

    @router.get("/faults")
    async def list_faults() -> list[ActiveFault]:
        """The faults that are on; `times` is what is left."""
        return simulator.faults.all()

    @router.delete("/faults")
    async def remove_all_faults() -> dict[str, int]:
        """Switch every fault off."""
        return {"removed": simulator.remove_faults()}

    @router.delete("/faults/{fault_id}")
    async def remove_fault(fault_id: int) -> dict[str, int]:
        """Switch one fault off; one that has used itself up is no error."""
        return {"removed": simulator.remove_faults(fault_id)}


def _known_device(park: DevicePark, number: str) -> VirtualDevice:
    if park.registered(number) is None:
        raise HTTPException(404, "没有这台设备")
    return park.device(number)


@asynccontextmanager
async def _held(park: DevicePark, number: str) -> AsyncIterator[VirtualDevice]:
    _known_device(park, number)
    async with park.lock(number):
        yield park.device(number)


def _add_devices(router: APIRouter, simulator: Simulator) -> None:
    park = simulator.park

    @router.get("/devices")
    async def list_devices() -> list[dict[str, Any]]:
        """All devices, in the order they were added."""
        return [device_view(park.device(number)) for number in park.numbers()]

    @router.post("/devices", status_code=201)
    async def add_device(body: DeviceCreate) -> dict[str, Any]:
        """Add a device without invoices."""
        state = new_state(body, park.true_time())
        try:
            park.add(state, [])
        except ValueError as error:
            raise HTTPException(409, str(error)) from error
        return device_view(park.device(state.number))

    @router.get("/devices/{number}")
    async def get_device(number: str) -> dict[str, Any]:
        """One device, as it is this moment."""
        return device_view(_known_device(park, number))

    @router.patch("/devices/{number}")
    async def change_device(number: str, body: DevicePatch) -> dict[str, Any]:
        """Change what is given; waits for what the device is doing."""
        async with _held(park, number) as device:
            with park.changing(device):
                patch_state(device.state, body)
            return device_view(device)


def _add_invoices(router: APIRouter, simulator: Simulator) -> None:
    park = simulator.park

    @router.get("/devices/{number}/invoices")
    async def list_invoices(number: str) -> list[dict[str, Any]]:
        """All invoices of a device, in the order of issue."""
        async with _held(park, number) as device:
            return [invoice_view(invoice) for invoice in device.stored_invoices]

    @router.post("/devices/{number}/invoices", status_code=201)
    async def add_invoices(number: str, body: InvoicesCreate) -> list[dict[str, Any]]:
        """Issue invoices, also on a locked device."""
        async with _held(park, number) as device:
            if device.state.of_type(body.invoice_type) is None:
                raise HTTPException(422, "设备没有该票种的授权")
            with park.changing(device):
                added = new_invoices(device, body)
                simulator.store.add_invoices(number, added)
            device.take_invoices(added)
            return [invoice_view(invoice) for invoice in added]


def _add_bureau(router: APIRouter, simulator: Simulator) -> None:
    @router.put("/filings/{tax_no}/{period}")
    async def set_filing(tax_no: str, period: Period, body: FilingPut) -> dict[str, str]:
        """State of a taxpayer's return."""
        with simulator.store.transaction():
            simulator.store.set_filing(tax_no, period, body.state)
        return {"tax_no": tax_no, "period": period, "state": body.state}

    @router.get("/filings/{tax_no}/{period}")
    async def get_filing(tax_no: str, period: Period) -> dict[str, str]:
        """State of a taxpayer's return; filed unless set otherwise."""
        state = simulator.store.filing(tax_no, period)
        return {"tax_no": tax_no, "period": period, "state": state}

    @router.get("/bureau/{number}")
    async def bureau_view(number: str, period: Period | None = None) -> list[dict[str, Any]]:
        """The bureau's books on a device: totals reported, unlocked, confirmed, by type and period."""
        books = simulator.store.reported(number)
        return [
            totals.model_dump(mode="json") for totals in books if period in (None, totals.period)
        ]
