"""What the pages of the ledger show; the rules are those of app/clearing/contexts."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from app.core.page_parts import Pager


@dataclass(frozen=True, slots=True)
class InvoiceRow:
    """One invoice. Amount without tax, yuan; `status` is that of docs/api.md (`normal`, `red`, `void`, …)."""

    id: str
    invoice_type: str
    code: str
    number: str
    issued_at: datetime
    buyer_name: str
    amount: Decimal
    tax: Decimal
    status: str
    uploaded: bool
    draft: bool
    clearing_status: str


@dataclass(frozen=True, slots=True)
class InvoicesPage:
    """invoices/list.html. `device_id` and `operator_id` come with links and are kept."""

    q: str
    period: str
    invoice_type: str
    clearing_status: str
    device_id: str
    operator_id: str
    draft: str
    limit: int
    rows: tuple[InvoiceRow, ...]
    pager: Pager
    can_import: bool = False


@dataclass(frozen=True, slots=True)
class IssueInput:
    """What was issued from a draft, as it stands in the fields."""

    code: str = ""
    number: str = ""
    issued_at: str = ""
    amount: str = ""
    tax: str = ""


@dataclass(frozen=True, slots=True)
class InvoicePage:
    """invoices/detail.html. `revision` is the row's when the page was made.

    `draft_dialog` names the dialog of a draft that is shown at once: issue, delete or "".
    """

    invoice: InvoiceRow
    period: str
    buyer_tax_no: str
    device_id: str
    device_number: str
    operator_id: str
    cleared_by_record_id: str
    revision: int
    can_change: bool = False
    can_finish: bool = False
    form: IssueInput = IssueInput()
    draft_dialog: str = ""
    dialog_open: bool = False
    reason: str = ""
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImportStartPage:
    """invoices/import_start.html: the form that takes a file."""

    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ColumnChoice:
    """A field of the ledger and the header of its column, "" for none."""

    name: str
    label: str
    header: str
    required: bool


@dataclass(frozen=True, slots=True)
class ImportRow:
    """A row of the file with what is wrong with it; `cells` are empty in a report."""

    line: int
    cells: tuple[str, ...]
    message: str


@dataclass(frozen=True, slots=True)
class ImportPage:
    """invoices/import.html: the columns as they are understood; once `done`, the report instead."""

    id: str
    name: str
    header_line: int = 0
    headers: tuple[str, ...] = ()
    columns: tuple[ColumnChoice, ...] = ()
    preview: tuple[ImportRow, ...] = ()
    device_number: str = ""
    invoice_type: str = ""
    assume_uploaded: bool = False
    done: bool = False
    accepted: int = 0
    refused: int = 0
    unchanged: int = 0
    refused_rows: tuple[ImportRow, ...] = ()
    errors: dict[str, str] = field(default_factory=dict)
