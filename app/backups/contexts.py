"""What the pages of backups show; the rules are those of app/clearing/contexts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from app.core.page_parts import Option, Pager


@dataclass(frozen=True, slots=True)
class BackupRow:
    """One archive. `kind` is pre_clearing, post_clearing, on_demand or system; size in bytes.

    `targets` are the names of the targets that hold a good copy, `warning` says what is wrong with others.
    """

    id: str
    kind: str
    state: str
    operator_name: str
    period: str
    targets: tuple[str, ...]
    invoices: int
    size: int
    sha256: str
    encrypted: bool
    created_at: datetime
    verified_at: datetime | None
    check_message: str = ""
    warning: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class CreateForm:
    """立即备份 as it was filled in. `what` is operator, enterprise or system."""

    what: str = "operator"
    operator_code: str = ""
    period: str = ""
    enterprise_id: str = ""


@dataclass(frozen=True, slots=True)
class BackupsPage:
    """backups/list.html."""

    rows: tuple[BackupRow, ...]
    pager: Pager
    can_verify: bool = False
    can_create: bool = False
    can_back_up_system: bool = False
    enterprises: tuple[Option, ...] = ()
    form: CreateForm = field(default_factory=CreateForm)
    dialog_open: bool = False
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CopyRow:
    """The backup on one target."""

    target: str
    required: bool
    state: str
    path: str
    verified_at: datetime | None
    message: str


@dataclass(frozen=True, slots=True)
class DrillRow:
    """One drill."""

    ok: bool
    finished_at: datetime
    engine: str
    target: str
    rows: int
    message: str
    started_by: str


@dataclass(frozen=True, slots=True)
class DeviceLine:
    """What a restore does to the rows of one device."""

    number: str
    returning: int
    changing: int
    unchanged: int
    drafts_returning: int
    conflicts: int


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """One row that is not as the backup holds it. `verdict` is returns, changes or conflict."""

    device_number: str
    invoice_type: str
    code: str
    number: str
    draft: bool
    verdict: str
    fields: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class RestoreView:
    """The preview of a restore. `truncated`: more rows differ than are listed."""

    devices: tuple[DeviceLine, ...]
    invoices: tuple[InvoiceLine, ...]
    writes: int
    conflicts: int
    truncated: bool
    blockers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BackupPage:
    """backups/detail.html. `restore` None: not looked at yet; `restore_problem`: it can't be looked at."""

    backup: BackupRow
    file_path: str
    encryption: str
    key_id: str
    algorithm: str
    copies: tuple[CopyRow, ...]
    drills: tuple[DrillRow, ...]
    restore: RestoreView | None
    restore_problem: str
    restorable: bool
    can_verify: bool
    can_restore: bool
    can_download: bool
    dialog_open: bool = False
    errors: Mapping[str, str] = field(default_factory=dict)
