"""The archive format: a zip of parts and a manifest with the SHA-256 of every part.

Writing is streamed, so memory does not grow with the content. The archive appears under its name only
when it is complete and on disk; whoever finds the name finds a whole archive.
"""

import hashlib
import json
import os
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

FORMAT = "qingka-backup/1"
MANIFEST = "manifest.json"
_CHUNK = 1 << 20

_json = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode

Source = Path | IO[bytes]
"""An archive: a file's path, or an open file that can be read anywhere."""

_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    RuntimeError,
)
"""What reading an altered archive may raise: headers that say nonsense reach far into zipfile."""


class ArchiveDamaged(Exception):
    """The archive is not what its manifest says. The text names the part."""


@dataclass(frozen=True, slots=True)
class PartInfo:
    """One part as the manifest lists it; `lines` counts the rows of a JSON Lines part."""

    name: str
    size: int
    sha256: str
    lines: int | None = None


@dataclass(frozen=True, slots=True)
class WrittenArchive:
    """A finished archive."""

    path: Path
    size: int
    sha256: str
    manifest: dict[str, Any]


class _Hashing:
    """Counts and hashes what passes through to another file, many short lines at a time."""

    def __init__(self, sink: IO[bytes]) -> None:
        self.sink = sink
        self.digest = hashlib.sha256()
        self.size = 0
        self._held = bytearray()

    def write(self, data: bytes) -> None:
        self._held += data
        if len(self._held) >= _CHUNK:
            self.flush()

    def flush(self) -> None:
        """Pass on what is held; nothing may be missing at the end."""
        self.sink.write(self._held)
        self.digest.update(self._held)
        self.size += len(self._held)
        self._held = bytearray()


class ArchiveWriter:
    """Adds parts one after the other; used through `writing`."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.parts: list[PartInfo] = []

    def add_json(self, name: str, value: Mapping[str, Any]) -> None:
        """A part with one JSON object."""
        self._add(name, lambda sink: sink.write(_json_line(value)), None)

    def add_lines(self, name: str, rows: Iterable[Mapping[str, Any]]) -> int:
        """A JSON Lines part; gives the number of rows."""
        count = 0

        def write(sink: _Hashing) -> None:
            nonlocal count
            for row in rows:
                sink.write(_json_line(row))
                count += 1

        self._add(name, write, lambda: count)
        return count

    def add_file(self, name: str, path: Path, *, packed: bool = False) -> None:
        """A part copied from a file; one that is `packed` already (an .xlsx) is not compressed again."""

        def write(sink: _Hashing) -> None:
            with path.open("rb") as source:
                while chunk := source.read(_CHUNK):
                    sink.write(chunk)

        self._add(zipfile.ZipInfo(name) if packed else name, write, None)  # an info means: stored

    def _add(
        self,
        entry: str | zipfile.ZipInfo,
        write: Callable[[_Hashing], None],
        lines: Callable[[], int] | None,
    ) -> None:
        with self._archive.open(entry, "w", force_zip64=True) as file:
            sink = _Hashing(file)
            write(sink)
            sink.flush()
        name = entry if isinstance(entry, str) else entry.filename
        self.parts.append(
            PartInfo(name, sink.size, sink.digest.hexdigest(), lines() if lines else None)
        )


@contextmanager
def writing(
    path: Path, about: Mapping[str, Any], *, durable: bool = True
) -> Iterator[tuple[ArchiveWriter, list[WrittenArchive]]]:
    """Write an archive to `path`. When the block ends well the list holds the finished archive.

    Without `durable` it need not survive a loss of power: it is copied on before it counts.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    finished: list[WrittenArchive] = []
    try:
        with partial.open("wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as archive:
                writer = ArchiveWriter(archive)
                yield writer, finished
                manifest = _manifest(about, writer.parts)
                archive.writestr(MANIFEST, _json_line(manifest))
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(partial, path)
        if durable:
            sync_directory(path.parent)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    size, sha256 = file_digest(path)
    finished.append(WrittenArchive(path, size, sha256, manifest))


def verify(source: Source, *, sha256: str | None = None) -> dict[str, Any]:
    """Read the whole archive back and compare it with its manifest; gives the manifest.

    Raises ArchiveDamaged when a byte, a part or the whole differs, FileNotFoundError when it is gone.
    """
    if isinstance(source, Path):
        if sha256 is not None and file_digest(source)[1] != sha256:
            raise ArchiveDamaged("备份文件的 SHA-256 与登记的不一致")
        with source.open("rb") as file:
            return verify(file)
    try:
        with zipfile.ZipFile(source) as archive:
            return _verify_parts(archive)
    except _DAMAGE as error:
        raise ArchiveDamaged(f"备份文件损坏：{error}") from error


def _verify_parts(archive: zipfile.ZipFile) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads(archive.read(MANIFEST))
    if manifest.get("format") != FORMAT:
        raise ArchiveDamaged("备份格式无法识别")
    listed = {part["name"]: part for part in manifest["parts"]}
    names = archive.namelist()
    present = set(names) - {MANIFEST}
    if len(names) != len(set(names)):
        raise ArchiveDamaged("备份内容有重名")
    if present != set(listed):
        raise ArchiveDamaged(f"备份内容缺失或多余：{'、'.join(sorted(present ^ set(listed)))}")
    for name, part in listed.items():
        _verify_part(archive, name, part)
    return manifest


def _verify_part(archive: zipfile.ZipFile, name: str, part: Mapping[str, Any]) -> None:
    digest, size, lines = hashlib.sha256(), 0, 0
    with archive.open(name) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            lines += chunk.count(b"\n")
    if digest.hexdigest() != part["sha256"] or size != part["size"]:
        raise ArchiveDamaged(f"备份内容与清单不一致：{name}")
    if part["lines"] is not None and lines != part["lines"]:
        raise ArchiveDamaged(f"备份行数与清单不一致：{name}")


def read_manifest(source: Source) -> dict[str, Any]:
    """The manifest alone; the parts are not compared. Raises ArchiveDamaged."""
    try:
        with zipfile.ZipFile(source) as archive:
            manifest: dict[str, Any] = json.loads(archive.read(MANIFEST))
            return manifest
    except _DAMAGE as error:
        raise ArchiveDamaged(f"备份文件损坏：{error}") from error


def read_json(source: Source, name: str) -> dict[str, Any]:
    """A part with one JSON object."""
    with zipfile.ZipFile(source) as archive:
        value: dict[str, Any] = json.loads(archive.read(name))
        return value


def read_lines(source: Source, name: str) -> Iterator[dict[str, Any]]:
    """The rows of a JSON Lines part."""
    with zipfile.ZipFile(source) as archive, archive.open(name) as file:
        for line in file:
            yield json.loads(line)


def extract(source: Source, name: str, destination: Path) -> None:
    """Copy a part to a file."""
    with (
        zipfile.ZipFile(source) as archive,
        archive.open(name) as part,
        destination.open("wb") as file,
    ):
        shutil.copyfileobj(part, file, _CHUNK)


def line(row: Mapping[str, Any]) -> bytes:
    """The bytes of a row in a JSON Lines part."""
    return _json_line(row)


def digest_lines(rows: Iterable[Mapping[str, Any]]) -> tuple[int, str]:
    """Count and SHA-256 that a JSON Lines part of these rows has."""
    digest, count = hashlib.sha256(), 0
    for row in rows:
        digest.update(_json_line(row))
        count += 1
    return count, digest.hexdigest()


def file_digest(path: Path) -> tuple[int, str]:
    """Size and SHA-256 of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return file.tell(), digest.hexdigest()


def _manifest(about: Mapping[str, Any], parts: Iterable[PartInfo]) -> dict[str, Any]:
    listed = [
        {"name": part.name, "size": part.size, "sha256": part.sha256, "lines": part.lines}
        for part in parts
    ]
    return {"format": FORMAT, "algorithm": "SHA-256", **about, "parts": listed}


def _json_line(value: Mapping[str, Any]) -> bytes:
    return _json(value).encode() + b"\n"


def sync_directory(path: Path) -> None:
    """Make the new name durable, where directories can be synced (not on Windows)."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
