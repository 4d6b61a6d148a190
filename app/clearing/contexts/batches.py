"""Batches (/clearing/batches): the form that confirms one, and one as it runs."""

from dataclasses import dataclass, field
from datetime import datetime

from app.clearing.contexts.operators import StartView
from app.clearing.contexts.requests import RequestRow


@dataclass(frozen=True, slots=True)
class BatchForm:
    """The confirmation's input as typed; never the password."""

    reason: str
    operator_ids: tuple[str, ...]
    state: str
    enterprise_id: str
    key: str
    override_window: bool = False
    accepted_warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WarningGroup:
    """A kind of warning in a batch, to be accepted once; `cases` say for each device what it is."""

    code: str
    message: str
    remedy: str
    count: int
    cases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BatchConfirmPage:
    """clearing/batch_new.html: who will be cleared, what will happen, and who is asking.

    `warnings` and `blockers` are what the register shows without reading a device; the oldest reading
    they rest on is `read_since`. `start` is what confirming leads to.
    """

    names: tuple[str, ...]
    total: int
    more: int
    devices: int
    form: BatchForm
    start: StartView
    warnings: tuple[WarningGroup, ...] = ()
    blockers: tuple[WarningGroup, ...] = ()
    read_since: datetime | None = None
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SkippedRow:
    """Who was left out, and why."""

    operator_id: str
    operator_code: str
    operator_name: str
    code: str
    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class BatchPage:
    """clearing/batch.html; its table alone (header X-Fragment: rows) is clearing/batch_rows.html.

    `counts` are requests by state, `done` how many are at their end, `live` whether any goes on.
    `warnings` are those at which failed requests stopped, to be accepted with the retry; `accepted_warnings`
    and `errors` show a retry that was refused again, never with its password.
    """

    id: str
    number: str
    state: str
    reason: str
    created_by: str
    created_at: datetime
    total: int
    done: int
    counts: dict[str, int]
    rows: tuple[RequestRow, ...]
    skipped: tuple[SkippedRow, ...]
    live: bool
    can_control: bool
    warnings: tuple[WarningGroup, ...] = ()
    dialog_open: bool = False
    accepted_warnings: tuple[str, ...] = ()
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One line of the list of batches."""

    id: str
    number: str
    state: str
    reason: str
    created_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class BatchesPage:
    """clearing/batches.html."""

    rows: tuple[BatchRow, ...]
