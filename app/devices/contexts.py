"""What the pages of devices and agents show; the rules are those of app/clearing/contexts."""

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from app.core.page_parts import Option, Pager, Segment
from app.enterprises.contexts import EnterpriseFilter


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """One line of the list. `clearing_state` is the worst of its types, or `unread`."""

    id: str
    number: str
    kind: str
    state: str
    clearing_state: str
    enterprise: str
    operator_id: str
    operator_name: str
    agent_name: str
    lock_date: date | None
    days_left: int | None
    read_at: datetime | None
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class DevicesPage:
    """devices/list.html."""

    q: str
    state: str
    enterprise_id: str
    limit: int
    enterprises: EnterpriseFilter
    segments: tuple[Segment, ...]
    rows: tuple[DeviceRow, ...]
    pager: Pager
    can_register: bool = False


@dataclass(frozen=True, slots=True)
class MonitorRow:
    """监控数据 of one type; dates and times are the device clock's, amounts in yuan."""

    invoice_type: str
    state: str
    report_from: date | None
    last_reported_at: datetime | None
    lock_date: date | None
    upload_due_day: int | None
    offline_hours: int | None
    offline_amount: Decimal | None
    single_limit: Decimal | None


@dataclass(frozen=True, slots=True)
class Change:
    """A difference a read found between what was stored and what the device says."""

    label: str
    before: str
    after: str
    can_save: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    """What reading a device just now found of it.

    `changes` differ from the register; confirming them (`confirm`, "" once they are saved) saves them.
    `taxpayer` differ from the enterprise, which only a person changes: at `enterprise_href`, "" for who may not.
    """

    device_id: str
    number: str
    kind: str
    changes: tuple[Change, ...]
    confirm: str = ""
    taxpayer: tuple[Change, ...] = ()
    enterprise_href: str = ""


@dataclass(frozen=True, slots=True)
class DevicePage:
    """devices/detail.html. `clock_at` is the device clock at `read_at`; drift is device minus server.

    `asked` names the dialog shown at once: handover, retire or "". `found` is None unless the page answers a read just made;
    `changed_again`: it differs in others than were confirmed.
    """

    id: str
    number: str
    kind: str
    state: str
    clearing_state: str
    enterprise: str
    tax_no: str
    device_tax_no: str
    device_taxpayer_name: str
    operator_id: str
    operator_name: str
    agent_name: str
    machine_no: int | None
    software_version: str
    clock_at: datetime | None
    clock_drift_seconds: int | None
    read_at: datetime | None
    last_reported_at: datetime | None
    last_cleared_at: datetime | None
    lock_date: date | None
    days_left: int | None
    fault_code: str
    fault_message: str
    fault_remedy: str
    simulated_device: bool
    monitors: tuple[MonitorRow, ...]
    found: Found | None = None
    changed_again: bool = False
    can_refresh: bool = False
    can_set_clock: bool = False
    can_change: bool = False
    asked: str = ""
    receiver_code: str = ""
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AgentRow:
    """A device agent; `address` is its base URL, "" for one that is not called over the network.

    That is the one inside the server, or one that `dials` out.
    """

    id: str
    name: str
    address: str
    state: str
    software_version: str
    last_seen_at: datetime | None
    device_count: int
    simulated_devices: bool = False
    dials: bool = False


@dataclass(frozen=True, slots=True)
class AgentForm:
    """Input of 登记设备代理 as typed."""

    name: str = ""
    base_url: str = ""


@dataclass(frozen=True, slots=True)
class AgentsPage:
    """devices/agents.html. `new_token` and `new_code` are shown once, right after they were made."""

    rows: tuple[AgentRow, ...]
    can_manage: bool = False
    form: AgentForm = field(default_factory=AgentForm)
    new_token: str = ""
    new_code: str = ""
    server_url: str = ""
    dialog_open: bool = False
    enroll_open: bool = False
    enroll_name: str = ""
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FoundDevice:
    """A device an agent sees that is not registered yet."""

    number: str
    kind: str
    agent_id: str
    agent_name: str
    state: str
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class DeviceForm:
    """Input of 登记设备 as typed. `operator_code` is the 工号 of who holds the device."""

    number: str = ""
    kind: str = "tax_disk"
    operator_code: str = ""
    agent_id: str = ""
    machine_no: str = ""


@dataclass(frozen=True, slots=True)
class DeviceNewPage:
    """devices/new.html. `found` can be taken over with one press each."""

    form: DeviceForm
    agents: tuple[Option, ...]
    found: tuple[FoundDevice, ...]
    errors: dict[str, str] = field(default_factory=dict)
