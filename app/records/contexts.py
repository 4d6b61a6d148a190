"""Clearing records (/clearing/records): the immutable results, and what results are made of."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from app.clearing.figure_lines import FigureLine
from app.clearing.outcomes import Failure
from app.core.page_parts import Pager


@dataclass(frozen=True, slots=True)
class TypeOutcomeRow:
    """Lock date of one type of one device, before and after; `already`: it was cleared before.

    `cleared` False: the execution ended without clearing it.
    """

    device_number: str
    invoice_type: str
    lock_date_before: date | None
    lock_date_after: date | None
    already: bool = False
    cleared: bool = True


@dataclass(frozen=True, slots=True)
class BackupRef:
    """The backup made before the clearing; size in bytes."""

    id: str
    invoices: int
    size: int
    verified_at: datetime


@dataclass(frozen=True, slots=True)
class RequestRef:
    """A link to a clearing request."""

    id: str
    number: str
    state: str


@dataclass(frozen=True, slots=True)
class RecordRow:
    """One clearing record in a list.

    Count and amount (net, yuan) are the device's where it gave
    them and something was executed, else the ledger's; `differs`: the two do not agree.
    """

    id: str
    finished_at: datetime
    operator_name: str
    device_number: str
    period: str
    mode: str
    scope: str
    result: str
    lock_date_before: date | None
    lock_date_after: date | None
    invoices_cleared: int
    amount: Decimal
    executed_by: str
    simulated: bool = False
    outcome: str = ""
    remaining_said: str = ""
    differs: bool = False

    @property
    def shown(self) -> str:
        """The state to show: a success that is none in full says so."""
        return self.outcome if self.outcome in ("partial", "already") else self.result


@dataclass(frozen=True, slots=True)
class RecordsPage:
    """records/list.html. `export_query` is the filters' query string, "" without filters.

    `first` and `last` are days, as a date field writes them.
    """

    q: str
    period: str
    result: str
    limit: int
    rows: tuple[RecordRow, ...]
    pager: Pager
    can_export: bool = False
    export_query: str = ""
    first: str = ""
    last: str = ""
    operator_id: str = ""
    device_id: str = ""
    can_verify: bool = False


@dataclass(frozen=True, slots=True)
class EvidenceStep:
    """One message exchanged with the device or the bureau; `at` is UTC."""

    at: datetime
    name: str
    invoice_type: str
    state: str
    message: str
    device_code: str = ""


@dataclass(frozen=True, slots=True)
class RecordPage:
    """records/detail.html: one immutable record with its evidence. `duration_seconds` is rounded.

    `outcome` of a success (cleared, partial, already; "" unknown), `remaining_said` what it left open.
    """

    id: str
    result: str
    operator_id: str
    operator_name: str
    enterprise: str
    device_number: str
    request: RequestRef
    period: str
    mode: str
    kind: str
    scope: str
    invoice_types: tuple[str, ...]
    simulated_device: bool
    failure: Failure | None
    started_at: datetime
    finished_at: datetime
    duration_seconds: int
    executed_by: str
    approved_by: str
    lock_date_before: date | None
    lock_date_after: date | None
    invoices_cleared: int
    amount: Decimal
    tax: Decimal
    backup: BackupRef | None
    outcomes: tuple[TypeOutcomeRow, ...]
    steps: tuple[EvidenceStep, ...]
    certificate_href: str = ""
    outcome: str = ""
    remaining_said: str = ""
    next_lock_date: date | None = None
    figures: tuple[FigureLine, ...] = ()


@dataclass(frozen=True, slots=True)
class CertificatePage:
    """records/certificate.html. `code` as typed or grouped; `record` only for a genuine one.

    `verdict` is "" before anything was asked, else genuine or refused; `refusal` says why.
    """

    code: str
    verdict: str = ""
    record: "CertifiedRecord | None" = None
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class CertifiedRecord:
    """The record a genuine code stands for, as facts to compare the paper with."""

    id: str
    facts: tuple[tuple[str, str], ...]
    simulated: bool
