"""立即备份, as the page and the REST API ask for it."""

from app.accounts.principal import PERMISSION_NAMES, Permission, Principal
from app.backups import service
from app.backups.content import Beside, nothing_beside
from app.backups.models import Backup, BackupKind
from app.backups.schemas import BackupCreate
from app.core.clock import Clock
from app.core.db import Database
from app.errors import Forbidden
from app.settings import Settings


def back_up_requested(
    database: Database,
    settings: Settings,
    data: BackupCreate,
    *,
    principal: Principal,
    clock: Clock,
    beside: Beside = nothing_beside,
) -> Backup:
    """The backup that was asked for. Raises Forbidden, NotFound, Invalid, BackupFailed (audited)."""
    try:
        return _make(database, settings, data, principal=principal, clock=clock, beside=beside)
    except service.BackupFailed as error:
        subject = data.operator_id or data.enterprise_id or data.kind.value
        with database.transaction() as session:
            service.record_failure(session, str(subject), error, actor=principal.actor, at=clock())
        raise


def _make(
    database: Database,
    settings: Settings,
    data: BackupCreate,
    *,
    principal: Principal,
    clock: Clock,
    beside: Beside,
) -> Backup:
    storage = service.storage_of(settings)
    if data.kind is BackupKind.SYSTEM:
        if not principal.can(Permission.ADMIN):
            raise Forbidden(f"需要权限：{PERMISSION_NAMES[Permission.ADMIN]}")
        return service.back_up_system(
            database, storage, settings, actor=principal.actor, clock=clock, beside=beside
        )
    if data.operator_id is not None and data.period is not None:
        return service.back_up_operator(
            database,
            storage,
            operator_id=data.operator_id,
            period=data.period,
            principal=principal,
            clock=clock,
            beside=beside,
        )
    assert data.enterprise_id is not None  # noqa: S101  (the schema has seen to it)
    return service.back_up_enterprise(
        database,
        storage,
        enterprise_id=data.enterprise_id,
        period=data.period,
        principal=principal,
        clock=clock,
        beside=beside,
    )
