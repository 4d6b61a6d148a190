"""A directory of this machine or of a mounted share as a place for archives."""

import errno
import os
import re
import shutil
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import IO

from app.backups.archive import sync_directory
from app.core.ids import new_id

_CHUNK = 1 << 20
_PARTIAL = re.compile(r"\.[0-9a-f]{12}\.part$")


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
