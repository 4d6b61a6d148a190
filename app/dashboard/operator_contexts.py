"""The list of operators (/clearing) and the page of one, where a clearing starts."""

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from app.core.page_parts import Pager, Segment
from app.dashboard.home_contexts import Event, StateCounts
from app.devices.contexts import Found
from app.enterprises.contexts import EnterpriseFilter
from app.prechecks.contexts import CheckItem, WarningItem
from app.prechecks.effects import Effects
from app.records.contexts import RecordRow, RequestRef
from app.requests.contexts import StartView


class OperatorRow(NamedTuple):
    """One line of the list. `days_left` counts to the lock date, negative once it is past."""

    id: str
    code: str
    name: str
    state: str
    enterprise: str
    device_numbers: tuple[str, ...]
    lock_date: date | None
    days_left: int | None
    last_cleared_at: datetime | None


@dataclass(frozen=True, slots=True)
class ListPage:
    """dashboard/operators.html; its table alone (header X-Fragment: rows) is dashboard/rows.html."""

    q: str
    state: str
    enterprise_id: str
    limit: int
    period: str
    counts: StateCounts | None
    enterprises: EnterpriseFilter
    segments: tuple[Segment, ...]
    rows: tuple[OperatorRow, ...]
    pager: Pager
    can_request: bool = False


@dataclass(frozen=True, slots=True)
class TypeRow:
    """One invoice type of a device. `last_reported_at` is the device clock; amount in yuan."""

    invoice_type: str
    state: str
    report_from: date | None
    last_reported_at: datetime | None
    lock_date: date | None
    invoices: int | None
    amount: Decimal | None


@dataclass(frozen=True, slots=True)
class DeviceCard:
    """A device on the operator's page. `clock_drift_seconds` is device clock minus server clock."""

    id: str
    number: str
    kind: str
    state: str
    machine_no: int | None
    lock_date: date | None
    days_left: int | None
    last_cleared_at: datetime | None
    clock_drift_seconds: int | None
    read_at: datetime | None
    fault_message: str
    types: tuple[TypeRow, ...]


@dataclass(frozen=True, slots=True)
class DevicesRead:
    """What reading the operator's devices just now found: `devices` are those with something to look at.

    `unread` could not be read, as their cards say; `changed_again`: one differs in others than were confirmed.
    """

    devices: tuple[Found, ...]
    count: int
    unread: int = 0
    changed_again: bool = False


@dataclass(frozen=True, slots=True)
class ClearingForm:
    """The dialog's input as typed, to be shown again; never the password.

    `key` is the idempotency key of this form; `scheduled_for` is local time as the browser's
    datetime-local field writes it, "" for at once.
    """

    mode: str
    kind: str
    scope: str
    invoice_types: tuple[str, ...]
    period: str
    clearing_date: str
    reason: str
    contact_name: str
    contact_phone: str
    key: str
    scheduled_for: str = ""
    override_window: bool = False
    exceptional: bool = False
    checklist: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OperatorPage:
    """dashboard/operator.html.

    `effects` is what a clearing with the form's choice would do, `start` what submitting the form leads to;
    both alone (header X-Fragment: parts) are dashboard/dialog_parts.html. `errors` maps the form's fields to
    messages; "form" is for what belongs to no field. `form_mark` says to whom the form was shown (accounts.kept_forms);
    `restored`: its input was typed before the session ended.
    `dialog_open` shows the dialog at once (?confirm=1, or 422). `blocked_reason` says why 清卡操作 can
    not be pressed at all (no device, being cleared); "" otherwise. `checks` are empty until they are run, which
    checks.js does at once with `check_now`; `read` is None unless the page answers a read just made; `held_by` is the request that has a device already; `blockers` are those of them that stand against submitting.
    """

    id: str
    code: str
    name: str
    state: str
    department: str
    phone: str
    enterprise: str
    tax_no: str
    filing_cycle: str
    period: str
    lock_date: date | None
    days_left: int | None
    last_cleared_at: datetime | None
    devices: tuple[DeviceCard, ...]
    checks: tuple[CheckItem, ...]
    events: tuple[Event, ...]
    records: tuple[RecordRow, ...]
    open_request: RequestRef | None
    effects: Effects
    form: ClearingForm
    start: StartView
    type_options: tuple[str, ...]
    can_request: bool
    can_refresh: bool
    check_now: bool = False
    blockers: tuple[CheckItem, ...] = ()
    blocked_reason: str = ""
    dialog_open: bool = False
    errors: dict[str, str] = field(default_factory=dict)
    cautions: tuple[WarningItem, ...] = ()
    held_by: RequestRef | None = None
    read: DevicesRead | None = None
    form_mark: str = ""
    restored: bool = False
