"""What the pages of a record and of its request show alike."""

from collections.abc import Iterator, Sequence
from uuid import UUID

from app.backups.models import Backup
from app.clearing.models import ClearingRecord
from app.contracts.operations import TypeOutcome
from app.core.db import Session
from app.records import certificate
from app.records.contexts import BackupRef, TypeOutcomeRow


def backup_ref(session: Session, backup_id: UUID | None) -> BackupRef | None:
    """A link to the backup, if there is one."""
    backup = session.get(Backup, backup_id) if backup_id else None
    if backup is None:
        return None
    return BackupRef(str(backup.id), backup.invoices, backup.size, backup.verified_at)


def outcome_rows(
    device_number: str, types: Sequence[dict[str, object]]
) -> Iterator[TypeOutcomeRow]:
    """Lock dates before and after, from what the operation left."""
    for one in map(TypeOutcome.model_validate, types):
        yield TypeOutcomeRow(
            device_number,
            one.invoice_type,
            one.lock_date_before,
            one.lock_date_after,
            one.already,
            one.cleared,
        )


def certificate_href(record: ClearingRecord) -> str:
    """Where its 清卡凭证 is; "" for one that gets none."""
    if not certificate.is_certifiable(record):
        return ""
    return f"/api/v1/clearing-records/{record.id}/certificate"
