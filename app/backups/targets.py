"""Where backups are kept: a directory (disk, second disk, network share) or S3-compatible storage.

A target receives finished files only and shows a file under its name only when it is whole.
"""

import errno
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol, cast
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from app.backups.archive import sync_directory
from app.backups.errors import BackupSettingsInvalid
from app.core.ids import new_id
from app.settings import Settings

_CHUNK = 1 << 20
_S3_PART = 8 << 20
_S3_AT_ONCE = 2
"""With the size of a part, what an upload may take of memory."""

_PARTIAL = re.compile(r"\.[0-9a-f]{12}\.part$")
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


class LocalTarget:
    """A directory of this machine or of a mounted share."""

    remote = False

    def __init__(self, name: str, root: Path) -> None:
        self.name = name
        self.root = root

    def put(self, source: Path, path: str) -> None:
        destination = self._place(path)
        destination.parent.mkdir(parents=True, exist_ok=True)
        partial = destination.with_name(f"{destination.name}.{new_id().hex[-12:]}.part")
        try:
            with source.open("rb") as plain, partial.open("wb") as copy:
                shutil.copyfileobj(plain, copy, _CHUNK)
                copy.flush()
                os.fsync(copy.fileno())
            _name_new(partial, destination)
            sync_directory(destination.parent)
        finally:
            partial.unlink(missing_ok=True)

    def open(self, path: str) -> IO[bytes]:
        return self._place(path).open("rb")

    def exists(self, path: str) -> bool:
        return self._place(path).is_file()

    def names(self, folder: str) -> list[str]:
        place = self._place(folder)
        return [path.name for path in place.iterdir() if path.is_file()] if place.is_dir() else []

    def folders(self) -> list[str]:
        place = self.root
        return [path.name for path in place.iterdir() if path.is_dir()] if place.is_dir() else []

    def delete(self, path: str) -> None:
        self._place(path).unlink(missing_ok=True)

    def free_space(self) -> int:
        self.root.mkdir(parents=True, exist_ok=True)
        # A name of its own: many clearings look at once.
        probe = self.root / f".writable-{new_id().hex[-12:]}"
        probe.write_bytes(b"")
        probe.unlink()
        return shutil.disk_usage(self.root).free

    def tidy(self, before: datetime) -> None:
        for path in self.root.rglob("*.part"):
            if _PARTIAL.search(path.name) and path.stat().st_mtime < before.timestamp():
                path.unlink(missing_ok=True)

    def _place(self, path: str) -> Path:
        """Within the root, whatever a row of the database says."""
        parts = PurePosixPath(path).parts
        if not parts or ".." in parts or path.startswith("/"):
            raise OSError(errno.EINVAL, f"备份路径无效：{path}")
        return self.root.joinpath(*parts)


def _name_new(partial: Path, destination: Path) -> None:
    """Give a finished file its name, which nothing has yet. Raises FileExistsError."""
    try:
        os.link(partial, destination)
    except FileExistsError:
        raise
    except OSError:
        # A share without hard links: the name is taken first, and only by who could make it new.
        os.close(os.open(destination, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        os.replace(partial, destination)


class S3Target:
    """A bucket, or a prefix in it, of S3-compatible storage."""

    remote = True

    def __init__(self, name: str, bucket: str, prefix: str, options: "S3Options") -> None:
        self.name = name
        self._root = "/".join(part for part in (bucket, prefix.strip("/")) if part)
        self._options = options

    def put(self, source: Path, path: str) -> None:
        # Storage that does not know the condition "only if it is new" is asked before.
        if self.exists(path):
            raise FileExistsError(errno.EEXIST, "对象已存在", path)
        with _storage_errors():
            self._fs.put_file(
                str(source),
                self._key(path),
                chunksize=_S3_PART,
                max_concurrency=_S3_AT_ONCE,
                mode="create",
            )

    def open(self, path: str) -> IO[bytes]:
        with _storage_errors():
            return cast(IO[bytes], self._fs.open(self._key(path), "rb", block_size=_S3_PART))

    def exists(self, path: str) -> bool:
        with _storage_errors():
            self._fs.invalidate_cache()
            return bool(self._fs.exists(self._key(path)))

    def names(self, folder: str) -> list[str]:
        with _storage_errors(), suppress(FileNotFoundError):
            found = self._fs.ls(self._key(folder), detail=True, refresh=True)
            return [one["name"].rpartition("/")[2] for one in found if one["type"] == "file"]
        return []

    def folders(self) -> list[str]:
        with _storage_errors(), suppress(FileNotFoundError):
            found = self._fs.ls(self._root, detail=True, refresh=True)
            return [one["name"].rpartition("/")[2] for one in found if one["type"] == "directory"]
        return []

    def delete(self, path: str) -> None:
        with _storage_errors(), suppress(FileNotFoundError):
            self._fs.rm_file(self._key(path))

    def free_space(self) -> None:
        probe = self._key(f".writable-{new_id().hex[-12:]}")
        with _storage_errors():
            self._fs.pipe_file(probe, b"")
            self._fs.rm_file(probe)

    def tidy(self, before: datetime) -> None:
        """An upload that was broken off has left no object; its parts go by the bucket's lifecycle."""

    @property
    def _fs(self) -> Any:
        return _filesystem(self._options)

    def _key(self, path: str) -> str:
        return f"{self._root}/{path}"


S3Options = tuple[tuple[str, str], ...]
"""endpoint, region, key and secret, those that are given."""


@lru_cache(maxsize=16)
def _filesystem(options: S3Options) -> Any:
    """One connection pool for every thread of the process."""
    try:
        from s3fs import S3FileSystem
    except ImportError as error:
        raise BackupSettingsInvalid("备份到 S3 需要安装 qingka[s3]") from error
    given = dict(options)
    config: dict[str, Any] = {
        "connect_timeout": 10,
        "read_timeout": 60,
        "retries": {"max_attempts": 3, "mode": "standard"},
        # Storage that is not Amazon's knows neither virtual hosts nor the newer checksums.
        "s3": {"addressing_style": "path" if "endpoint" in given else "auto"},
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
    }
    return S3FileSystem(
        key=given.get("key"),
        secret=given.get("secret"),
        endpoint_url=given.get("endpoint"),
        client_kwargs={"region_name": given["region"]} if "region" in given else {},
        config_kwargs=config,
        use_listings_cache=False,
        skip_instance_cache=True,
    )


@contextmanager
def _storage_errors() -> Iterator[None]:
    """botocore's own errors (no connection, no credentials) are no OSErrors."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise OSError(errno.EIO, f"对象存储不可用：{error}") from error


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


def s3_options(settings: Settings) -> S3Options:
    """What to connect with; what is not set comes from the environment as Amazon's tools name it."""
    values = {
        "endpoint": settings.backup_s3_endpoint
        or os.environ.get("AWS_ENDPOINT_URL_S3", "")
        or os.environ.get("AWS_ENDPOINT_URL", ""),
        "region": settings.backup_s3_region or os.environ.get("AWS_DEFAULT_REGION", ""),
        "key": settings.backup_s3_access_key.get_secret_value() or _secret("AWS_ACCESS_KEY_ID"),
        "secret": settings.backup_s3_secret_key.get_secret_value()
        or _secret("AWS_SECRET_ACCESS_KEY"),
    }
    return tuple((name, value) for name, value in values.items() if value)


def _secret(name: str) -> str:
    path = os.environ.get(f"{name}_FILE")
    return Path(path).read_text(encoding="utf-8").strip() if path else os.environ.get(name, "")
