"""What can go wrong with backups, as facts with a code and what to do."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from app.backups.archive import ArchiveDamaged
from app.errors import Conflict, QingkaError


class BackupFailed(QingkaError):
    """The archive could not be written or did not match when read back."""

    status = 507
    code = "backup.failed"
    title = "备份失败"
    remedy = "检查备份目录是否可写、磁盘是否正常，然后重试；设备与数据没有任何改动。"


class BackupDiskFull(BackupFailed):
    code = "backup.disk_full"
    title = "备份空间不足"
    remedy = "清理磁盘或把备份目录改到空间充足的位置，然后重试；设备与数据没有任何改动。"


class BackupTargetUnwritable(BackupFailed):
    code = "backup.target_unwritable"
    title = "备份目录不可写"
    remedy = "检查备份目录的权限与挂载状态，然后重试；设备与数据没有任何改动。"


class BackupMissing(BackupFailed):
    status = 404
    code = "backup.missing"
    title = "备份文件不存在"
    remedy = "检查备份目录是否被移动或删除，从其他备份目标取回文件。"


class BackupSettingsInvalid(BackupFailed):
    """Targets, keys or retention rules in the settings cannot be used."""

    status = 500
    code = "backup.settings_invalid"
    title = "备份设置有误"
    remedy = "按 docs/settings.md 修改 QINGKA_BACKUP_… 设置后重新启动。"


class BackupKeyUnknown(BackupFailed):
    """The archive was encrypted with a key that the settings do not hold."""

    status = 409
    code = "backup.key_unknown"
    title = "没有解密该备份的密钥"
    remedy = "把加密时的密钥加入 QINGKA_BACKUP_OLD_KEYS 后重试。"


class BackupDamaged(Conflict):
    code = "backup.damaged"
    title = "备份已损坏"
    remedy = "从其他备份目标取回文件，或选择另一份备份。"


class BackupDeleted(Conflict):
    code = "backup.deleted"
    title = "备份已按保留规则清理"
    remedy = "请选择另一份备份。"


class RestoreUnsupported(Conflict):
    code = "backup.restore_unsupported"
    title = "全系统备份不能恢复到运行中的系统"
    remedy = "停止服务后运行 qingka backup restore 编号 --to 新数据库地址，再用新数据库启动。"


class RestoreBlocked(Conflict):
    """Something stands against the whole restore; `detail` says what."""

    code = "backup.restore_blocked"
    title = "现在不能恢复"
    remedy = "按提示处理后重试；数据没有任何改动。"


@contextmanager
def known_errors() -> Iterator[None]:
    """Turn damage and errors of the operating system into BackupFailed."""
    try:
        yield
    except ArchiveDamaged as error:
        raise BackupFailed(str(error)) from error
    except OSError as error:
        raise os_error(error) from error


def os_error(error: OSError) -> BackupFailed:
    """The fact an error of the operating system tells."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return BackupDiskFull(f"{error.strerror}")
    if error.errno in (
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOTDIR,
        errno.EEXIST,
        errno.ENOENT,
    ):
        return BackupTargetUnwritable(f"{error.strerror}")
    return BackupFailed(f"{error}")
