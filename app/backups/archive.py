"""The archive format: a zip of parts and a manifest with the SHA-256 of every part.

Writing is streamed, so memory does not grow with the content. The archive appears under its name only
when it is complete and on disk; whoever finds the name finds a whole archive.
"""

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

FORMAT = "qingka-backup/1"
MANIFEST = "manifest.json"
_CHUNK = 1 << 20


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
    """Counts and hashes what passes through to another file."""

    def __init__(self, sink: IO[bytes]) -> None:
        self.sink = sink
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> None:
        self.sink.write(data)
        self.digest.update(data)
        self.size += len(data)


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

    def add_file(self, name: str, path: Path) -> None:
        """A part copied from a file."""

        def write(sink: _Hashing) -> None:
            with path.open("rb") as source:
                while chunk := source.read(_CHUNK):
                    sink.write(chunk)

        self._add(name, write, None)

    def _add(
        self, name: str, write: Callable[[_Hashing], None], lines: Callable[[], int] | None
    ) -> None:
        with self._archive.open(name, "w", force_zip64=True) as file:
            sink = _Hashing(file)
            write(sink)
        self.parts.append(
            PartInfo(name, sink.size, sink.digest.hexdigest(), lines() if lines else None)
        )


@contextmanager
def writing(
    path: Path, about: Mapping[str, Any]
) -> Iterator[tuple[ArchiveWriter, list[WrittenArchive]]]:
    """Write an archive to `path`. When the block ends well the list holds the finished archive."""
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
            os.fsync(file.fileno())
        os.replace(partial, path)
        _sync_directory(path.parent)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    size, sha256 = file_digest(path)
    finished.append(WrittenArchive(path, size, sha256, manifest))


def verify(path: Path, *, sha256: str | None = None) -> dict[str, Any]:
    """Read the whole archive back and compare it with its manifest; gives the manifest.

    Raises ArchiveDamaged when a byte, a part or the whole differs, FileNotFoundError when it is gone.
    """
    if sha256 is not None and file_digest(path)[1] != sha256:
        raise ArchiveDamaged("备份文件的 SHA-256 与登记的不一致")
    try:
        with zipfile.ZipFile(path) as archive:
            return _verify_parts(archive)
    except (zipfile.BadZipFile, EOFError, OSError, KeyError, ValueError) as error:
        raise ArchiveDamaged(f"备份文件损坏：{error}") from error


def _verify_parts(archive: zipfile.ZipFile) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads(archive.read(MANIFEST))
    if manifest.get("format") != FORMAT:
        raise ArchiveDamaged("备份格式无法识别")
    listed = {part["name"]: part for part in manifest["parts"]}
    present = set(archive.namelist()) - {MANIFEST}
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


def read_lines(path: Path, name: str) -> Iterator[dict[str, Any]]:
    """The rows of a JSON Lines part."""
    with zipfile.ZipFile(path) as archive, archive.open(name) as file:
        for line in file:
            yield json.loads(line)


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
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode() + b"\n"


def _sync_directory(path: Path) -> None:
    """Make the new name durable, where directories can be synced (not on Windows)."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
