"""What the API takes and gives for devices and agents.

Times of a device's own clock are shown with the zone they are meant in (+08:00), however wrong it is.
"""

from datetime import date, datetime
from typing import Annotated, ClassVar, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.accounts.schemas import StepUpPassword
from app.contracts.devices import DeviceKind, InvoiceType
from app.core.money import Money
from app.core.schemas import ABSENT, Input, Patch
from app.devices.agent_schemas import _shown
from app.devices.models import Device, DeviceMonitor, DeviceState
from app.devices.states import TypeState, as_shown, clock_now, type_state, worst

DeviceNumber = Annotated[
    str, StringConstraints(pattern=r"^[0-9]{12}$", min_length=12, max_length=12)
]
"""设备编号: 12 digits, no check digit; the beginning does not tell the kind."""

MachineNo = Annotated[int, Field(ge=0, le=99999, description="开票机号: 0 main, 1.. sub machine")]


class DeviceCreate(Input):
    """A new device. It belongs to the operator's enterprise."""

    number: DeviceNumber
    kind: DeviceKind
    operator_id: UUID
    enterprise_id: UUID | None = Field(default=None, description="must be the operator's")
    agent_id: UUID | None = None
    machine_no: MachineNo | None = None


class DeviceUpdate(Patch):
    """Changes of a device. `state` takes only `retired` (注销), which is for good."""

    nullable: ClassVar[frozenset[str]] = frozenset({"agent_id", "machine_no", "password"})

    kind: DeviceKind = ABSENT
    operator_id: UUID = ABSENT
    agent_id: UUID | None = None
    machine_no: MachineNo | None = None
    state: Literal["retired"] = ABSENT
    password: StepUpPassword = ABSENT


class MonitorPublic(BaseModel):
    """监控数据 of one invoice type, and its state by the device's clock of now."""

    invoice_type: InvoiceType
    state: TypeState
    report_from: datetime
    report_to: datetime | None
    last_reported_at: datetime | None
    lock_date: date
    upload_due_day: int | None
    offline_hours: int | None
    offline_amount: Money | None
    single_limit: Money | None
    free_space: int | None

    @classmethod
    def of(cls, monitor: DeviceMonitor, clock: datetime) -> Self:
        """The monitor, seen when the device's clock shows `clock`."""
        plain = monitor.model_dump(
            include={
                "invoice_type",
                "lock_date",
                "upload_due_day",
                "offline_hours",
                "offline_amount",
                "single_limit",
                "free_space",
            }
        )
        return cls(
            **plain,
            state=type_state(monitor.last_reported_at, monitor.lock_date, clock),
            report_from=as_shown(monitor.report_from),
            report_to=_shown(monitor.report_to),
            last_reported_at=_shown(monitor.last_reported_at),
        )


class DevicePublic(BaseModel):
    """A device as the API shows it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    number: str
    kind: DeviceKind
    enterprise_id: UUID
    operator_id: UUID
    agent_id: UUID | None
    machine_no: int | None
    version: str
    state: DeviceState
    can_set_clock: bool
    clearing_state: TypeState | None = Field(description="the worst of its types; null: never read")
    simulated: bool
    tax_no: str
    taxpayer_name: str
    clock_at: datetime | None = Field(description="the device's own clock when it was read")
    clock_drift_seconds: int | None
    read_at: datetime | None
    last_reported_at: datetime | None
    last_cleared_at: datetime | None
    lock_date: date | None
    fault_code: str
    fault_message: str
    retired_at: datetime | None
    monitors: list[MonitorPublic]

    @classmethod
    def of(cls, device: Device, monitors: list[DeviceMonitor], now: datetime) -> Self:
        """The device at `now` (UTC)."""
        clock = clock_now(now, device.clock_drift_seconds)
        shown = [MonitorPublic.of(monitor, clock) for monitor in monitors]
        derived = {"clearing_state", "clock_at", "monitors"}
        return cls(
            **device.model_dump(include=set(cls.model_fields) - derived),
            clearing_state=worst(monitor.state for monitor in shown),
            clock_at=_shown(device.clock_at),
            monitors=shown,
        )


class ChangePublic(BaseModel):
    """One difference between what was stored and what the device says."""

    model_config = ConfigDict(from_attributes=True)

    field: str
    label: str
    before: str
    after: str
    saved: bool = Field(description="false: kept as it was, because another device holds the value")


class RefreshResult(DevicePublic):
    """A device just read, and what was different."""

    changes: list[ChangePublic]
    saved: bool = Field(description="whether the register says the same by now")
    confirm: str = Field(description="what to send as `confirmed` to save these differences")
