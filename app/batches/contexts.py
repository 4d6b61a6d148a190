"""Batches (/clearing/batches): the form that confirms one, and one as it runs."""

from dataclasses import dataclass, field
from datetime import date, datetime

from app.clearing.states import BatchPhase
from app.core.page_parts import Segment
from app.requests.contexts import RequestRow, StartView


@dataclass(frozen=True, slots=True)
class BatchForm:
    """The confirmation's input as typed; never the password. `without` are dropped, `also` added."""

    reason: str
    operator_ids: tuple[str, ...]
    state: str
    enterprise_id: str
    key: str
    override_window: bool = False
    accepted_warnings: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MemberRow:
    """An operator of a batch before it is confirmed. `fate`: skip, fail, care or clear; `reasons` say why.

    `reasons` are (message, remedy) pairs.
    """

    operator_id: str
    name: str
    code: str
    enterprise: str
    devices: tuple[str, ...]
    lock_date: date | None
    period: str
    invoices: int
    fate: str
    reasons: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class MissingRow:
    """An operator who could be added: a main machine of the batch waits for these sub machines."""

    operator_id: str
    name: str
    code: str
    devices: tuple[str, ...]


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
    """batches/new.html: who will be cleared, what will happen, and who is asking.

    `warnings` and `blockers` are what the register shows without reading a device; the oldest reading
    they rest on is `read_since`. `start` is what confirming leads to. `rows` are the first operators, those that
    need a look first; `more` are not listed. `missing` are operators to be cleared along with them. `form_mark` says to
    whom the form was shown (accounts.kept_forms); `restored`: its input was typed before the session ended.
    """

    rows: tuple[MemberRow, ...]
    missing: tuple[MissingRow, ...]
    total: int
    more: int
    devices: int
    form: BatchForm
    start: StartView
    warnings: tuple[WarningGroup, ...] = ()
    blockers: tuple[WarningGroup, ...] = ()
    read_since: datetime | None = None
    errors: dict[str, str] = field(default_factory=dict)
    form_mark: str = ""
    restored: bool = False


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
class RefusedRow:
    """A failed request that could not be tried again, and why."""

    request_id: str
    number: str
    operator_name: str
    code: str
    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class RetryView:
    """The newest order to try failed requests again: how many were asked for, what came of it so far."""

    asked_by: str
    asked_at: datetime
    total: int
    waiting: int
    retried: int
    refused: tuple[RefusedRow, ...]


@dataclass(frozen=True, slots=True)
class BatchPage:
    """batches/detail.html; what changed of it (header X-Fragment: changes) is batches/changes.html.

    `phase` is preparing, running, paused or ended; of `total` operators `waiting` have no request yet; `counts`
    are requests by state and `outcomes` successes by what they came to, `done` how many are at their end. `rows` are those of the `result` that is filtered
    by, or in a fragment those that changed; `gone` are changed ones the filter leaves out. `since` is the
    moment to ask for changes from. `show_skipped`: the filter, and what changed, include who was left out.
    `warnings` are those at which failed requests stopped, to be accepted with the retry; `accepted_warnings`
    and `errors` show a retry that was refused again, never with its password.
    """

    id: str
    number: str
    phase: str
    reason: str
    created_by: str
    created_at: datetime
    total: int
    waiting: int
    done: int
    counts: dict[str, int]
    outcomes: dict[str, int]
    segments: tuple[Segment, ...]
    result: str
    rows: tuple[RequestRow, ...]
    gone: tuple[str, ...]
    skipped: tuple[SkippedRow, ...]
    show_skipped: bool
    since: datetime
    can_control: bool
    retriable: int
    retry: RetryView | None = None
    warnings: tuple[WarningGroup, ...] = ()
    dialog_open: bool = False
    accepted_warnings: tuple[str, ...] = ()
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def live(self) -> bool:
        """Whether anything goes on."""
        return self.phase != BatchPhase.ENDED

    @property
    def troubled(self) -> int:
        """How many requests failed, or came to no known end."""
        return self.counts.get("failed", 0) + self.counts.get("needs_attention", 0)

    @property
    def given_up(self) -> int:
        """How many operators were left out, or their requests rejected or cancelled."""
        turned_down = self.counts.get("rejected", 0) + self.counts.get("cancelled", 0)
        return len(self.skipped) + turned_down


@dataclass(frozen=True, slots=True)
class BatchView:
    """A batch as its templates get it: the macros of batches/parts.html take it whole."""

    page: BatchPage


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One line of the list of batches; `phase` as in BatchPage."""

    id: str
    number: str
    phase: str
    reason: str
    created_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class BatchesPage:
    """batches/list.html."""

    rows: tuple[BatchRow, ...]
