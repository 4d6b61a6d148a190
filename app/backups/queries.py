"""Every select over backups."""

from uuid import UUID

from sqlmodel import col, select

from app.accounts.principal import Principal
from app.backups.models import Backup, BackupKind, BackupState
from app.core.db import Session
from app.core.pagination import PageRequest, newest_first
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
    if backup.enterprise_id is not None and not principal.sees(backup.enterprise_id):
        raise BackupNotFound
    return backup


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
