"""Use cases of backups, one file each; this is what other features call."""

from app.backups.content import Content, Row, Table
from app.backups.errors import (
    BackupDamaged,
    BackupDeleted,
    BackupDiskFull,
    BackupFailed,
    BackupKeyUnknown,
    BackupMissing,
    BackupSettingsInvalid,
    BackupTargetUnwritable,
    RestoreBlocked,
    RestoreUnsupported,
)
from app.backups.service.create import create, record_failure
from app.backups.service.drill import drill
from app.backups.service.on_demand import back_up_enterprise, back_up_operator
from app.backups.service.reading import any_good_copy, plain_size
from app.backups.service.restore import Preview, preview, restore
from app.backups.service.retention import (
    Pruned,
    Retention,
    parse_keep_days,
    prune,
    retention_of,
)
from app.backups.service.rotation import Rotated, rotate
from app.backups.service.system import back_up_system
from app.backups.service.system_restore import SystemRestored, restore_system
from app.backups.service.verify import check_archive, verify
from app.backups.storage import Storage, as_storage, free_space, storage_of

__all__ = [
    "BackupDamaged",
    "BackupDeleted",
    "BackupDiskFull",
    "BackupFailed",
    "BackupKeyUnknown",
    "BackupMissing",
    "BackupSettingsInvalid",
    "BackupTargetUnwritable",
    "Content",
    "Preview",
    "Pruned",
    "RestoreBlocked",
    "RestoreUnsupported",
    "Retention",
    "Rotated",
    "Row",
    "Storage",
    "SystemRestored",
    "Table",
    "any_good_copy",
    "as_storage",
    "back_up_enterprise",
    "back_up_operator",
    "back_up_system",
    "check_archive",
    "create",
    "drill",
    "free_space",
    "parse_keep_days",
    "plain_size",
    "preview",
    "prune",
    "record_failure",
    "restore",
    "restore_system",
    "retention_of",
    "rotate",
    "storage_of",
    "verify",
]
