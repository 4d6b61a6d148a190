"""Pages of reconciliation (/invoices/reconciliations)."""

from dataclasses import dataclass, field
from datetime import datetime

from app.core.page_parts import Pager, Segment


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run in the list. `operator_name` "" for all; `not_read` devices could not be read whole."""

    id: str
    started_at: datetime
    started_by: str
    period: str
    operator_name: str
    devices: int
    not_read: int
    differences: int
    open: int


@dataclass(frozen=True, slots=True)
class RunsPage:
    """reconciliation/list.html. `errors` maps the form's fields to messages."""

    period: str
    operator_code: str
    rows: tuple[RunRow, ...]
    pager: Pager
    can_run: bool
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ComparedDeviceRow:
    """A device that could not be read whole, and why."""

    id: str
    number: str
    message: str


@dataclass(frozen=True, slots=True)
class BureauTypeRow:
    """One type: the bureau's state with its own words, the device's, and agrees, differs or not_told."""

    invoice_type: str
    bureau: str
    message: str
    own: str
    agreement: str


@dataclass(frozen=True, slots=True)
class BureauDeviceRow:
    """What the bureau says of a device; without types `message` says why."""

    id: str
    number: str
    agreement: str
    message: str
    types: tuple[BureauTypeRow, ...]


@dataclass(frozen=True, slots=True)
class DifferenceRow:
    """One difference. `handling` "" while open, else accepted or corrected; `can_handle` by this person."""

    id: str
    kind: str
    device_id: str
    device_number: str
    message: str
    handling: str
    handled_by: str
    handled_at: datetime | None
    reason: str
    can_handle: bool


@dataclass(frozen=True, slots=True)
class HandlingForm:
    """The dialog that deals with one difference, with the input as typed."""

    id: str
    kind: str
    message: str
    can_accept: bool
    can_correct: bool
    action: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RunPage:
    """reconciliation/detail.html.

    `unread` are the devices that could not be read whole; `bureau` those the bureau was asked about.
    """

    id: str
    period: str
    operator_id: str
    operator_name: str
    started_at: datetime
    started_by: str
    bureau_message: str
    devices: int
    unread: tuple[ComparedDeviceRow, ...]
    kind: str
    segments: tuple[Segment, ...]
    rows: tuple[DifferenceRow, ...]
    can_run: bool
    bureau: tuple[BureauDeviceRow, ...] = ()
    form: HandlingForm | None = None
    errors: dict[str, str] = field(default_factory=dict)
