"""S3-compatible storage as a place for archives, and what to connect with."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, cast

from app.backups.errors import BackupSettingsInvalid
from app.core.ids import new_id
from app.settings import Settings

_PART = 8 << 20
_AT_ONCE = 2
"""With the size of a part, what an upload may take of memory."""


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
                chunksize=_PART,
                max_concurrency=_AT_ONCE,
                mode="create",
            )

    def open(self, path: str) -> IO[bytes]:
        with _storage_errors():
            return cast(IO[bytes], self._fs.open(self._key(path), "rb", block_size=_PART))

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
