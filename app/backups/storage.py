"""The targets, the keys and the local spool that backups are made with, and reading a copy back."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO

from app.audit.checkpoint import Signer
from app.backups import encryption
from app.backups.archive import ArchiveDamaged
from app.backups.encryption import KeyRing
from app.backups.errors import known_errors
from app.backups.local_target import LocalTarget
from app.backups.targets import Target, configured
from app.settings import Settings

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Storage:
    """The first target is required, with `require_all` every one. `spool` is a local directory."""

    targets: tuple[Target, ...]
    spool: Path
    keys: KeyRing = field(default_factory=KeyRing)
    require_all: bool = False
    make_signer: Callable[[], Signer] | None = None
    """For the checkpoints that go with backups. Asked when one is signed: what only reads archives, a restore
    on a new machine say, needs no secret and must not make one."""
    home: Path | None = None
    """The data directory, which keeps checkpoints as well."""

    @property
    def first(self) -> Target:
        """The required target."""
        return self.targets[0]

    @property
    def signer(self) -> Signer | None:
        """Signs and opens checkpoints; None where a storage is a mere directory."""
        return self.make_signer() if self.make_signer else None

    def required(self, target: Target) -> bool:
        """Whether a backup that is not on this target has failed."""
        return self.require_all or target is self.first

    def named(self, name: str) -> Target | None:
        """The target of this name, None when the settings do not name it any more."""
        return next((target for target in self.targets if target.name == name), None)


Where = Storage | Path
"""A storage, or simply a directory."""


def storage_of(settings: Settings) -> Storage:
    """What the settings say. Raises BackupSettingsInvalid."""
    return Storage(
        configured(settings),
        settings.resolved_backup_spool_dir,
        encryption.keys_of(settings),
        settings.backup_require_all,
        lambda: Signer(settings.root_secret),
        settings.data_dir,
    )


def as_storage(where: Where) -> Storage:
    """A directory as a storage with this one target and no encryption."""
    if isinstance(where, Storage):
        return where
    return Storage((LocalTarget("local", where),), where / ".spool")


def free_space(where: Where) -> int:
    """Free bytes for the next backup: of the spool and of the first target, whichever has less.

    Raises BackupFailed when one of them cannot be written to.
    """
    storage = as_storage(where)
    spool = LocalTarget("spool", storage.spool)
    with known_errors():
        free = storage.first.free_space()
        here = spool.free_space()
    return here if free is None else min(here, free)


def tidy(storage: Storage, before: datetime) -> None:
    """Remove what a process that was killed before this moment has left in the spool and on targets."""
    if storage.spool.is_dir():
        for path in storage.spool.iterdir():
            if path.is_file() and path.stat().st_mtime < before.timestamp():
                path.unlink(missing_ok=True)
    for target in storage.targets:
        target.tidy(before)


@contextmanager
def spool_file(storage: Storage, suffix: str = "") -> Iterator[Path]:
    """The path of a new empty file in the spool, gone at the end."""
    storage.spool.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(suffix=suffix, dir=storage.spool)
    os.close(descriptor)
    path = Path(name)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def opened(
    storage: Storage, target: Target, path: str, *, sha256: str | None
) -> Iterator[IO[bytes]]:
    """The archive a target holds, decrypted, readable anywhere.

    Raises FileNotFoundError, ArchiveDamaged when it is not what was registered, BackupKeyUnknown,
    OSError.
    """
    with ExitStack() as stack:
        file = stack.enter_context(target.open(path))
        if target.remote:
            file = stack.enter_context(_fetched(storage, file))
        if sha256 is not None and digest_of(file) != sha256:
            raise ArchiveDamaged("备份文件的 SHA-256 与登记的不一致")
        file.seek(0)
        yield encryption.unsealed(file, storage.keys)


@contextmanager
def _fetched(storage: Storage, remote: IO[bytes]) -> Iterator[IO[bytes]]:
    with spool_file(storage, ".fetched") as path:
        with path.open("wb") as copy:
            while chunk := remote.read(_CHUNK):
                copy.write(chunk)
        with path.open("rb") as file:
            yield file


def digest_of(file: IO[bytes]) -> str:
    """SHA-256 in hex of the whole file."""
    file.seek(0)
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()
