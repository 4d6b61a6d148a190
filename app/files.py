"""Files of ours: for their owner only, and never half-written."""

import os
import secrets
from collections.abc import Callable
from itertools import chain
from pathlib import Path

PRIVATE_UMASK = 0o077

ADDRESS = "server.address"
"""Where the server of a data directory listens, for the commands beside it."""

_OUR_FILES = ("*.db", "*.db-*", "secret.key", "*.id", "*.lock", ADDRESS)
_OUR_FOLDERS = ("backups", "backup-spool", "demo")


def keep_private() -> None:
    """Whatever this process makes from now on is its user's alone: 0600 and 0700."""
    os.umask(PRIVATE_UMASK)


def tighten(directory: Path) -> None:
    """Take from others what earlier versions left open: the data directory and what we have put into it.

    By name, as somebody may have pointed us at a directory that holds other things as well; and only what
    belongs to this process's user.
    """
    if os.name == "nt" or not directory.is_dir():
        return
    files = (path for pattern in _OUR_FILES for path in directory.glob(pattern))
    folders = [directory / name for name in _OUR_FOLDERS]
    for path in chain([directory], files, folders, *(folder.rglob("*") for folder in folders)):
        if path.is_symlink() or not path.exists():
            continue
        found = path.stat()
        if found.st_uid == os.geteuid() and found.st_mode & PRIVATE_UMASK:
            path.chmod(found.st_mode & 0o7777 & ~PRIVATE_UMASK)


def kept_once(path: Path, make: Callable[[], bytes]) -> bytes:
    """Read the file, making it first where there is none; processes that start at once agree on one.

    Written beside its place and linked to it when it is on the disk: a full disk, a kill or a power cut
    leaves the whole file or none.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            _write(beside, make())
            os.link(beside, path)
            _sync_directory(path.parent)
        except FileExistsError:
            pass  # another process was first; its file is read below
        finally:
            beside.unlink(missing_ok=True)
    return path.read_bytes()


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_directory(path: Path) -> None:
    if os.name == "nt":
        return  # directories can't be opened there
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
