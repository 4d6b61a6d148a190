"""Clearing requests (/clearing/requests): the list, and one as it runs and ends."""

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from app.clearing.figure_lines import FigureLine
from app.clearing.outcomes import Failure
from app.core.page_parts import Pager, Segment
from app.prechecks.contexts import CheckItem, Link, WarningItem
from app.prechecks.effects import Effects
from app.records.contexts import BackupRef, RequestRef, TypeOutcomeRow


@dataclass(frozen=True, slots=True)
class StartView:
    """What submitting leads to, in words. `proof`: it starts without a review, so the password is asked.

    `may_ask`: it would be asked as well if the request were not exceptional. `by_right`: an admin's right.
    """

    text: str
    proof: bool
    may_ask: bool
    by_right: bool


@dataclass(frozen=True, slots=True)
class StageView:
    """One of the four stages: name init, backup, clear, done; state waiting, running, done, failed."""

    name: str
    state: str
    message: str


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of the process log; level info, warning or error."""

    at: datetime
    text: str
    level: str = "info"


@dataclass(frozen=True, slots=True)
class AttachmentRow:
    """A document of an exceptional request; size in bytes."""

    id: str
    name: str
    size: int
    added_at: datetime


@dataclass(frozen=True, slots=True)
class RecordRef:
    """A link to what one attempt on one device left on record."""

    id: str
    device_number: str
    attempt: int
    result: str
    certificate_href: str = ""


@dataclass(frozen=True, slots=True)
class NextUp:
    """Who is next to be cleared, and how many there are to clear."""

    name: str
    href: str
    count: int


@dataclass(frozen=True, slots=True)
class RequestActions:
    """What this person may do with this request now."""

    approve: bool = False
    reject: bool = False
    execute: bool = False
    cancel: bool = False
    retry: bool = False
    confirm: bool = False
    attach: bool = False
    tick: bool = False
    ask_exception: bool = False


@dataclass(frozen=True, slots=True)
class RequestPage:
    """requests/detail.html.

    `effects` is what executing it will do, as long as it waits. `events_url` is followed live; "" once nothing runs any more. `dialog_open` names the dialog shown
    at once: approve, reject, execute, cancel, retry or "". `errors` has the fields password, comment
    and "form". `key` is the idempotency key of the dialogs' forms. `outcome` is what the end came to
    (cleared, partial, already; "" not known), said in words with what is left and until when.
    `next_up` and `remedy_links` lead on from an end. `retry_by` says of a failed request
    that this person may not try again who may: requester, admin; else "".
    """

    id: str
    number: str
    state: str
    operator_id: str
    operator_name: str
    operator_code: str
    enterprise: str
    device_numbers: tuple[str, ...]
    mode: str
    kind: str
    scope: str
    invoice_types: tuple[str, ...]
    period: str
    clearing_date: date
    reason: str
    contact_name: str
    contact_phone: str
    scheduled_for: datetime | None
    requested_by: str
    created_at: datetime
    reviewed_by: str
    reviewed_at: datetime | None
    review_comment: str
    executed_by: str
    stages: tuple[StageView, ...]
    progress: int
    message: str
    elapsed_seconds: int
    log: tuple[LogLine, ...]
    outcomes: tuple[TypeOutcomeRow, ...]
    invoices_cleared: int
    amount: Decimal
    backup: BackupRef | None
    records: tuple[RecordRef, ...]
    failure: Failure | None
    actions: RequestActions
    key: str
    outcome: str = ""
    outcome_said: str = ""
    remaining_said: str = ""
    next_lock_date: date | None = None
    figures: tuple[FigureLine, ...] = ()
    effects: Effects | None = None
    exceptional: bool = False
    checklist: tuple[str, ...] = ()
    attachments: tuple[AttachmentRow, ...] = ()
    warnings: tuple[WarningItem, ...] = ()
    checks: tuple[CheckItem, ...] = ()
    checked_at: datetime | None = None
    events_url: str = ""
    retry_by: str = ""
    dialog_open: str = ""
    comment: str = ""
    errors: dict[str, str] = field(default_factory=dict)
    held_by: RequestRef | None = None
    next_up: NextUp | None = None
    remedy_links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class RequestRow:
    """One line of the list of requests."""

    id: str
    number: str
    state: str
    operator_name: str
    enterprise: str
    period: str
    mode: str
    scope: str
    requested_by: str
    created_at: datetime
    progress: int
    message: str = ""
    outcome: str = ""

    @property
    def shown(self) -> str:
        """The state to show: a success that is none in full says so."""
        part = self.state == "succeeded" and self.outcome in ("partial", "already")
        return self.outcome if part else self.state


@dataclass(frozen=True, slots=True)
class RequestsPage:
    """requests/list.html."""

    q: str
    state: str
    limit: int
    segments: tuple[Segment, ...]
    rows: tuple[RequestRow, ...]
    pager: Pager
