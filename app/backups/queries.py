"""Every select over backups."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlmodel import col, select

from app.accounts.principal import Principal
from app.backups.models import Backup, BackupCopy, BackupDrill, BackupKind, BackupState
from app.core.db import Session
from app.core.pagination import PageRequest, newest_first
from app.enterprises.models import Enterprise
from app.errors import NotFound


class BackupNotFound(NotFound):
    code = "backup.not_found"
    title = "没有找到备份"


def get(session: Session, backup_id: UUID) -> Backup:
    """The backup, or BackupNotFound."""
    backup = session.get(Backup, backup_id)
    if backup is None:
        raise BackupNotFound
    return backup


def visible(session: Session, backup_id: UUID, principal: Principal) -> Backup:
    """The backup if this person may see it."""
    backup = get(session, backup_id)
    if not sees(principal, backup.enterprise_id):
        raise BackupNotFound
    return backup


def sees(principal: Principal, enterprise_id: UUID | None) -> bool:
    """A backup of no single enterprise (of the whole system) is for those who see all of them."""
    if enterprise_id is None:
        return principal.enterprise_ids is None
    return principal.sees(enterprise_id)


def of_request(session: Session, request_id: UUID, kind: BackupKind) -> Backup | None:
    """The newest verified backup of this kind a clearing request has made."""
    statement = (
        select(Backup)
        .where(
            Backup.request_id == request_id,
            Backup.kind == kind,
            Backup.state == BackupState.VERIFIED,
        )
        .order_by(col(Backup.created_at).desc())
        .limit(1)
    )
    return session.exec(statement).first()


def page(
    session: Session, principal: Principal, request: PageRequest
) -> tuple[list[Backup], str | None]:
    """Newest first."""
    statement = select(Backup)
    if principal.enterprise_ids is not None:
        statement = statement.where(col(Backup.enterprise_id).in_(principal.enterprise_ids))
    return newest_first(session, statement, Backup.id, request)


def copies(session: Session, backup_ids: Iterable[UUID]) -> dict[UUID, list[BackupCopy]]:
    """The copies of each of these backups, the required target's first, in one query."""
    found: dict[UUID, list[BackupCopy]] = {backup_id: [] for backup_id in backup_ids}
    statement = (
        select(BackupCopy)
        .where(col(BackupCopy.backup_id).in_(found))
        .order_by(col(BackupCopy.position), col(BackupCopy.target))
    )
    for copy in session.exec(statement):
        found[copy.backup_id].append(copy)
    return found


def drills(session: Session, backup_id: UUID, *, limit: int = 20) -> list[BackupDrill]:
    """The drills of a backup, the newest first."""
    statement = (
        select(BackupDrill)
        .where(BackupDrill.backup_id == backup_id)
        .order_by(col(BackupDrill.id).desc())
        .limit(limit)
    )
    return list(session.exec(statement))


def encrypted_otherwise(session: Session, key_id: str) -> list[UUID]:
    """Backups that are there and not encrypted with this key, the oldest first."""
    statement = (
        select(Backup.id)
        .where(Backup.state != BackupState.DELETED, Backup.key_id != key_id)
        .order_by(col(Backup.created_at), col(Backup.id))
    )
    return list(session.exec(statement))


def kept_before(session: Session, kind: BackupKind, before: datetime) -> list[UUID]:
    """Backups of this kind that were made before a moment and are still there, the oldest first."""
    statement = (
        select(Backup.id)
        .where(Backup.kind == kind, Backup.state != BackupState.DELETED, Backup.created_at < before)
        .order_by(col(Backup.created_at), col(Backup.id))
    )
    return list(session.exec(statement))


def newest_ids(session: Session, kind: BackupKind, count: int) -> set[UUID]:
    """The newest good backups of this kind."""
    statement = (
        select(Backup.id)
        .where(Backup.kind == kind, Backup.state == BackupState.VERIFIED)
        .order_by(col(Backup.created_at).desc(), col(Backup.id).desc())
        .limit(count)
    )
    return set(session.exec(statement))


def newest_id(session: Session) -> UUID | None:
    """The newest good backup of any kind."""
    statement = (
        select(Backup.id)
        .where(Backup.state == BackupState.VERIFIED)
        .order_by(col(Backup.created_at).desc(), col(Backup.id).desc())
        .limit(1)
    )
    return session.exec(statement).first()


def enterprise_id(session: Session, tax_no: str) -> UUID | None:
    """The enterprise with this tax number."""
    return session.exec(select(Enterprise.id).where(Enterprise.tax_no == tax_no)).first()
