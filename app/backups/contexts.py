"""What the pages of backups show; the rules are those of app/clearing/contexts."""

from dataclasses import dataclass
from datetime import datetime

from app.core.page_parts import Pager


@dataclass(frozen=True, slots=True)
class BackupRow:
    """One archive. `kind` is pre_clearing, post_clearing or on_demand; size in bytes."""

    id: str
    kind: str
    state: str
    operator_name: str
    period: str
    target: str
    invoices: int
    size: int
    sha256: str
    created_at: datetime
    verified_at: datetime | None
    check_message: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class BackupsPage:
    """backups/list.html."""

    rows: tuple[BackupRow, ...]
    pager: Pager
    can_verify: bool = False
    can_create: bool = False
