"""What a virtual device holds. Times are the device's own clock: naive Asia/Shanghai; amounts in yuan."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from pydantic import BaseModel, Field

from app.contracts.devices import DeviceKind, InvoiceStatus
from app.contracts.periods import Period

PASSWORD_TRIES = 8
"""Wrong passwords a device takes before it locks its password."""

OPENING_STOCK = 2000
"""Blank invoices of each type a device had before its first invoice here."""


@dataclass(slots=True)
class Invoice:
    """One invoice as the device keeps it. Red invoices have negative amounts."""

    invoice_type: str
    code: str
    number: str
    status: InvoiceStatus
    uploaded: bool
    issued_at: datetime
    amount: Decimal
    tax: Decimal
    buyer_tax_no: str = ""
    buyer_name: str = ""
    item: str = ""
    rate: str = ""
    original_code: str = ""
    original_number: str = ""


class Seal(BaseModel):
    """Totals sealed by 抄报 (SJCB) of one type. `blob` is base64 of 320 bytes (fphz)."""

    period: Period
    sealed_at: datetime
    blob: str
    delivered: bool = Field(default=False, description="they have reached the bureau (WLCB)")
    stale: bool = Field(default=False, description="the clock was set since: report again")


class ClearedMark(BaseModel):
    """One 清卡 (JKHC) that the device carried out."""

    period: Period
    cleared_at: datetime
    lock_date_before: date
    lock_date_after: date


class TypeState(BaseModel):
    """State and limits (监控数据) of one authorised invoice type."""

    invoice_type: str
    report_from: date = Field(description="first day of the oldest open period (bsqsrq)")
    lock_date: date
    last_reported_at: datetime | None = None
    seal: Seal | None = None
    cleared: list[ClearedMark] = []
    used_nonces: list[str] = []
    single_limit: Decimal = Decimal("99999.99")
    free_space: int = 100_000
    upload_due_day: int = 15
    offline_hours: int = 72
    offline_amount: Decimal = Decimal("1000000.00")
    next_number: int = 1
    code: str = Field(default="", description="invoice code of the current roll or pack")

    @property
    def open_period(self) -> Period:
        """The oldest period not cleared yet."""
        return Period.of(self.report_from)

    @property
    def report_to(self) -> datetime:
        """Last second of the oldest open period (bszzrq)."""
        following = self.open_period.plus(1).first_day
        return datetime(following.year, following.month, 1) - timedelta(seconds=1)


class Taxpayer(BaseModel):
    """Whom a device was issued to."""

    tax_no: str
    name: str
    authority_code: str = ""
    authority_name: str = ""


class DeviceState(BaseModel):
    """Everything a device keeps apart from its invoices."""

    number: str
    kind: DeviceKind
    taxpayer: Taxpayer
    machine_code: str = Field(default="", description="机器编号 (jqbh)")
    machine_no: int = Field(default=0, description="开票机号 (kpjh)")
    password: str = "88888888"  # noqa: S105 - the factory default of the field
    tries_left: int = PASSWORD_TRIES
    version: str = ""
    enabled_at: datetime
    clock_offset_seconds: float = 0
    plugged: bool = True
    lock_override: bool | None = Field(
        default=None,
        description="True: locked by hand; False: unlocked by the tax office though overdue",
    )
    types: list[TypeState]

    def of_type(self, invoice_type: str) -> TypeState | None:
        """The state of one type, None when the device is not authorised for it."""
        return next((state for state in self.types if state.invoice_type == invoice_type), None)


class DemoState(StrEnum):
    """In which state the demonstration world puts a device."""

    DUE = "due"
    NEAR = "near"
    LOCKED = "locked"
    CLEARED = "cleared"
