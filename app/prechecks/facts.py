"""What the pre-checks look at. Gathered elsewhere; nothing here reads anything."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from enum import StrEnum
from uuid import UUID

from app.clearing.completion import wanted_types
from app.clearing.states import Kind, Mode
from app.contracts.devices import AgentStatus, BureauView, DeviceReading, InvoiceType
from app.contracts.periods import Period, is_reported
from app.devices.service import Change
from app.devices.states import is_zombie
from app.invoices.figures import ByType
from app.invoices.unfinished import Waiting


@dataclass(frozen=True, slots=True)
class DeviceFault:
    """Why a device, its agent or the bureau could not be asked."""

    code: str
    message: str
    remedy: str
    device_code: str = ""
    device_message: str = ""


@dataclass(frozen=True, slots=True)
class Reported:
    """How far one invoice type of a device is; both times are the device's own."""

    lock_date: date
    last_reported_at: datetime | None


class SubState(StrEnum):
    """Whether a sub machine (分机) stands in the way of its main machine."""

    REPORTED = "reported"
    AHEAD = "ahead"  # a request that goes first has it
    WAITING = "waiting"  # still to be reported, and can be
    OFFICE = "office"  # locked, or a zombie: only the tax office can go on with it
    UNKNOWN = "unknown"  # never read


@dataclass(frozen=True, slots=True)
class SubMachine:
    """A sub machine of the same taxpayer that is not part of the request. `live`: read just now."""

    number: str
    machine_no: int
    state: SubState
    live: bool


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """What is known about one device: as registered, and as just read.

    `version` is the registered one, `changes` what the reading shows differently than the register, and
    `cleared_before` whether a record of success exists, of whatever period. `agent` tells of the agent
    that was asked. `bureau` is the bureau's view, asked only when it can say something; `bureau_fault`
    why it could not be asked. `subs` are those of a main machine. `ledger` and `statistics` are the
    figures of the period as the ledger and the device itself have them, None where that was not asked;
    `statistics_fault` why the device gives none. `ledger_current`: the device's invoices are in the ledger;
    `uploads_read`: it was asked which of them are not uploaded.
    """

    device_id: UUID
    number: str
    machine_no: int
    invoice_types: tuple[InvoiceType, ...]
    reading: DeviceReading | None
    fault: DeviceFault | None
    drafts: int
    later_drafts: int
    not_uploaded: Waiting
    cleared_types: frozenset[InvoiceType]
    last_cleared_at: datetime | None
    version: str = ""
    agent: AgentStatus | None = None
    bureau: BureauView | None = None
    bureau_fault: DeviceFault | None = None
    subs: tuple[SubMachine, ...] = ()
    changes: tuple[Change, ...] = ()
    cleared_before: bool = False
    ledger: ByType = field(default_factory=dict)
    ledger_current: bool = False
    uploads_read: bool = False
    statistics: ByType | None = None
    statistics_fault: DeviceFault | None = None

    def wanted(self, reading: DeviceReading) -> frozenset[InvoiceType]:
        """The types to clear: those chosen (with the rest of their groups), else all the device has."""
        known = (one.invoice_type for one in reading.monitors)
        return wanted_types(self.invoice_types, (), known)


@dataclass(frozen=True, slots=True)
class SystemFacts:
    """How the server itself is: `schema` as the database has it and as the program needs it.

    The alarms are what the audit trail says of the last verification of the trail, the last backup and
    the last verification of a backup, where that did not succeed; each with the moment.
    """

    version: str
    schema: str
    schema_needed: str
    alarms: tuple[tuple[str, datetime], ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the checks look at. `free_bytes` None: the backup target can't be used.

    `starts_at` is the moment the clearing is to start at, if that is not `now`.
    """

    now: datetime
    period: Period
    devices: tuple[DeviceFacts, ...]
    tax_no: str
    taxpayer_name: str
    free_bytes: int | None
    needed_bytes: int
    target_problem: str
    peak_window: tuple[time, time] | None
    override_window: bool
    exceptional: bool
    min_days_between: int
    system: SystemFacts
    starts_at: datetime | None = None
    mode: Mode = Mode.REGULAR
    kind: Kind = Kind.DEVICE


def reported_all(reading: DeviceReading, period: Period) -> bool:
    """Whether the device shows every type as reported for the period."""
    return all(is_reported(period, one.lock_date, one.last_reported_at) for one in reading.monitors)


def sub_state(
    types: Sequence[Reported], period: Period, clock: datetime, *, locked: bool
) -> SubState:
    """Whether a sub machine with these types is reported for the period; `clock` is its own.

    One whose lock date lies in an earlier month has more than one period open.
    """
    if not types:
        return SubState.UNKNOWN
    if all(is_reported(period, one.lock_date, one.last_reported_at) for one in types):
        return SubState.REPORTED
    late = any(one.lock_date < clock.date().replace(day=1) for one in types)
    if locked or late or is_zombie([one.last_reported_at for one in types], clock):
        return SubState.OFFICE
    return SubState.WAITING
