"""What of the ledger a clearing takes out of the working set: the same rows for backup and clearing."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from app.backups import archive, ledger
from app.backups.models import Backup
from app.clearing.states import Scope
from app.contracts.devices import InvoiceType
from app.contracts.periods import Period
from app.core.db import Session
from app.invoices.queries import InvoiceFilter


def part_name(device_number: str) -> str:
    """The part of a backup that holds the device's rows."""
    return f"{device_number}/invoices"


def rows(
    session: Session,
    device_id: UUID,
    period: Period,
    types: tuple[InvoiceType, ...],
    scope: Scope,
) -> Iterator[Mapping[str, Any]]:
    """The invoices of the types (none given: of all) and period; with `full` the drafts as well."""
    for kind in types or (None,):
        wanted = InvoiceFilter(device_id=device_id, period=period, invoice_type=kind, draft=False)
        yield from ledger.rows(session, wanted)
    if scope is Scope.FULL:
        yield from ledger.rows(session, InvoiceFilter(device_id=device_id, draft=True))


def is_backed_up(
    session: Session,
    backup: Backup | None,
    device_id: UUID,
    device_number: str,
    period: Period,
    types: tuple[InvoiceType, ...],
    scope: Scope,
) -> bool:
    """Whether the ledger still is, row for row, what the backup holds of this device."""
    if backup is None:
        return False
    name = f"{part_name(device_number)}.jsonl"
    part = next((one for one in backup.summary["parts"] if one["name"] == name), None)
    if part is None:
        return False
    found = archive.digest_lines(rows(session, device_id, period, types, scope))
    return found == (part["lines"], part["sha256"])
