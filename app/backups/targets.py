"""Where backups are kept: a directory (disk, second disk, network share) or S3-compatible storage.

A target receives finished files only and shows a file under its name only when it is whole.
"""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import IO, Protocol
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from app.backups.errors import BackupSettingsInvalid
from app.backups.local_target import LocalTarget
from app.backups.s3_target import S3Target, s3_options
from app.settings import Settings

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")


class Target(Protocol):
    """A place for archives. `path` is relative, with `/`. Everything raises OSError on failure."""

    name: str
    remote: bool
    """Whether reading costs a download."""

    def put(self, source: Path, path: str) -> None:
        """Copy a finished local file to `path`, all or nothing. Raises FileExistsError: nothing is replaced."""
        ...

    def open(self, path: str) -> IO[bytes]:
        """The file, from its beginning. Raises FileNotFoundError."""
        ...

    def exists(self, path: str) -> bool:
        """Whether there is a whole file."""
        ...

    def names(self, folder: str) -> list[str]:
        """The names of the files in a folder; none where there is no such folder."""
        ...

    def folders(self) -> list[str]:
        """The names of the folders at the top."""
        ...

    def delete(self, path: str) -> None:
        """Remove the file; one that is gone already is as well."""
        ...

    def free_space(self) -> int | None:
        """Free bytes, None where there is no such limit. Raises when nothing can be written."""
        ...

    def tidy(self, before: datetime) -> None:
        """Remove what writes that were broken off before this moment have left."""
        ...


def configured(settings: Settings) -> tuple[Target, ...]:
    """The targets of the settings, the required one first. Raises BackupSettingsInvalid."""
    pairs = _pairs(settings.backup_targets) or [("local", "")]
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise BackupSettingsInvalid("QINGKA_BACKUP_TARGETS 中有重复的名称")
    return tuple(_target(name, url, settings) for name, url in pairs)


def _pairs(text: str) -> list[tuple[str, str]]:
    text = text.strip()
    try:
        if text.startswith("{"):
            pairs = [(name, str(url)) for name, url in json.loads(text).items()]
        elif text.startswith("["):
            pairs = [(str(one["name"]), str(one["url"])) for one in json.loads(text)]
        else:
            pairs = [_pair(item) for item in text.split(";") if item.strip()]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupSettingsInvalid("QINGKA_BACKUP_TARGETS 格式应为 名称=地址;名称=地址") from error
    for name, _ in pairs:
        if not _NAME.fullmatch(name):
            raise BackupSettingsInvalid(f"备份目标名称无效：{name}")
    return pairs


def _pair(item: str) -> tuple[str, str]:
    name, equals, url = item.partition("=")
    if not equals or not url.strip():
        raise ValueError(item)
    return name.strip(), url.strip()


def _target(name: str, url: str, settings: Settings) -> Target:
    if not url:
        return LocalTarget(name, settings.resolved_backup_dir)
    parts = urlsplit(url)
    if parts.scheme == "s3" and parts.netloc:
        return S3Target(name, parts.netloc, unquote(parts.path), s3_options(settings))
    if parts.scheme == "file":
        path = url2pathname(parts.path)
        return LocalTarget(name, Path(f"//{parts.netloc}{path}" if parts.netloc else path))
    if "://" not in url:
        return LocalTarget(name, Path(url))
    raise BackupSettingsInvalid(f"备份目标地址应以 file:// 或 s3:// 开头：{name}")
