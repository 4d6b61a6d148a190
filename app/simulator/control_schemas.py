"""Bodies and views of the control address."""

from dataclasses import asdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.contracts.devices import DeviceKind, InvoiceStatus, InvoiceType
from app.contracts.periods import Period, due_period
from app.simulator.bureau import FilingState
from app.simulator.device import VirtualDevice
from app.simulator.model import PASSWORD_TRIES, DeviceState, Invoice, Taxpayer, TypeState

_NEGATIVE = (InvoiceStatus.RED, InvoiceStatus.VOID_RED)


class Strict(BaseModel):
    """Unknown fields are refused, so that a misspelt one is noticed."""

    model_config = ConfigDict(extra="forbid")


class DeviceCreate(Strict):
    """POST /control/devices. Left out lock date: the last day of the current month."""

    number: str = Field(pattern=r"^[0-9A-Za-z]{1,12}$")
    kind: DeviceKind = DeviceKind.TAX_DISK
    tax_no: str
    taxpayer_name: str = "测试企业有限公司"
    authority_code: str = "13101150000"
    authority_name: str = "国家税务总局上海市浦东新区税务局"
    machine_code: str = Field(default="", max_length=12)
    machine_no: int = Field(default=0, ge=0)
    password: str = Field(default="88888888", max_length=8)
    version: str = "V2.0.1"
    invoice_types: tuple[InvoiceType, ...] = Field(
        default=(InvoiceType.SPECIAL_PAPER, InvoiceType.ORDINARY_PAPER), min_length=1
    )
    lock_date: date | None = None
    clock_offset_seconds: float = 0


class DevicePatch(Strict):
    """PATCH /control/devices/{number}: only what is given changes.

    `locked`: true locks by hand, false is the tax office's unlocking (also of an overdue device),
    null goes back to the rule: locked once past the lock date with more than one period open. `lock_date` is set for every type, or for
    `invoice_type` alone, and leaves the open period as it is unless `report_from` is given too.
    """

    clock_offset_seconds: float | None = None
    plugged: bool | None = None
    locked: bool | None = None
    version: str | None = None
    tax_no: str | None = None
    taxpayer_name: str | None = None
    password: str | None = Field(default=None, max_length=8)
    invoice_type: InvoiceType | None = None
    lock_date: date | None = None
    report_from: Period | None = None


class InvoicesCreate(Strict):
    """POST /control/devices/{number}/invoices. Left out time: the first day of the oldest open period."""

    invoice_type: InvoiceType
    count: int = Field(default=1, ge=1, le=1000)
    status: InvoiceStatus = InvoiceStatus.NORMAL
    uploaded: bool = True
    amount: Decimal = Field(default=Decimal("100.00"), decimal_places=2, ge=0)
    tax: Decimal = Field(default=Decimal("13.00"), decimal_places=2, ge=0)
    issued_at: datetime | None = None
    buyer_name: str = "个人"


class FilingPut(Strict):
    """PUT /control/filings/{tax_no}/{period}."""

    state: FilingState


def new_state(body: DeviceCreate, now: datetime) -> DeviceState:
    """A device that owes the month before its lock date."""
    last_day = Period.of(now).plus(1).first_day - timedelta(days=1)
    lock_date = body.lock_date or last_day
    report_from = due_period(lock_date).first_day
    reported_at = datetime(report_from.year, report_from.month, 1, 9)
    return DeviceState(
        number=body.number,
        kind=body.kind,
        taxpayer=Taxpayer(
            tax_no=body.tax_no,
            name=body.taxpayer_name,
            authority_code=body.authority_code,
            authority_name=body.authority_name,
        ),
        machine_code=body.machine_code,
        machine_no=body.machine_no,
        password=body.password,
        version=body.version,
        enabled_at=reported_at - timedelta(days=365),
        clock_offset_seconds=body.clock_offset_seconds,
        types=[
            TypeState(
                invoice_type=kind,
                report_from=report_from,
                lock_date=lock_date,
                last_reported_at=reported_at,
                code=invoice_code(kind, place),
            )
            for place, kind in enumerate(body.invoice_types)
        ],
    )


def invoice_code(kind: str, place: int) -> str:
    """An invoice code of the length the type has: 10 digits on paper, 12 for rolls and electronic."""
    return f"310{place:04d}130" if kind in ("004", "006", "007") else f"0310{place:04d}0111"


def patch_state(state: DeviceState, body: DevicePatch) -> None:
    """Apply what was given."""
    given = body.model_dump(exclude_unset=True)
    for name in ("clock_offset_seconds", "plugged", "version", "password"):
        if given.get(name) is not None:
            setattr(state, name, given[name])
    if "locked" in given:
        state.lock_override = body.locked
    if body.password is not None:
        state.tries_left = PASSWORD_TRIES
    state.taxpayer.tax_no = body.tax_no or state.taxpayer.tax_no
    state.taxpayer.name = body.taxpayer_name or state.taxpayer.name
    for one in state.types:
        if body.invoice_type in (None, one.invoice_type):
            _patch_type(one, body)


def _patch_type(state: TypeState, body: DevicePatch) -> None:
    state.lock_date = body.lock_date or state.lock_date
    if body.report_from is not None:
        state.report_from = body.report_from.first_day
        state.seal = None


def new_invoices(device: VirtualDevice, body: InvoicesCreate) -> list[Invoice]:
    """Invoices with the next numbers of the type; the device's counter moves on."""
    state = device.authorised(body.invoice_type)
    at = body.issued_at or datetime(state.report_from.year, state.report_from.month, 1, 9)
    sign = -1 if body.status in _NEGATIVE else 1
    first = state.next_number
    state.next_number += body.count
    return [
        Invoice(
            invoice_type=body.invoice_type,
            code=state.code,
            number=f"{first + offset:08d}",
            status=body.status,
            uploaded=body.uploaded,
            issued_at=at.replace(tzinfo=None, microsecond=0),
            amount=sign * body.amount,
            tax=sign * body.tax,
            buyer_name=body.buyer_name,
            item="测试服务",
            rate="0.13",
        )
        for offset in range(body.count)
    ]


def device_view(device: VirtualDevice) -> dict[str, Any]:
    """All state of a device, with what follows from it."""
    state = device.state
    view = state.model_dump(mode="json")
    return view | {
        "clock": device.now.isoformat(),
        "locked": device.locked,
        "overdue": device.overdue,
        "lock_date": device.earliest_lock_date().isoformat(),
        "lock_dates": {one.invoice_type: one.lock_date.isoformat() for one in state.types},
        "invoice_types": [one.invoice_type for one in state.types],
        "tax_no": state.taxpayer.tax_no,
        "taxpayer_name": state.taxpayer.name,
        "invoices_count": len(device.stored_invoices),
        "not_uploaded_count": len(device.not_uploaded()),
        "cleared_counts": {one.invoice_type: len(one.cleared) for one in state.types},
    }


def invoice_view(invoice: Invoice) -> dict[str, Any]:
    """An invoice with amounts as text."""
    view = asdict(invoice)
    return view | {"amount": str(invoice.amount), "tax": str(invoice.tax)}
