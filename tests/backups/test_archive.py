"""The archive: what was written is read back, and anything else than what was written is refused."""

import json
import resource
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.backups import archive
from app.backups.archive import ArchiveDamaged

ROWS: list[dict[str, Any]] = [
    {"number": f"{place:08d}", "buyer": "苏州恒信有限公司", "amount": "12.50"}
    for place in range(50)
]


@pytest.fixture
def written(tmp_path: Path) -> archive.WrittenArchive:
    """An archive with a document, rows and a file."""
    extra = tmp_path / "extra.bin"
    extra.write_bytes(bytes(range(256)) * 20)
    with archive.writing(tmp_path / "a" / "one.zip", {"kind": "on_demand"}) as (writer, finished):
        writer.add_json("request.json", {"number": "QK202611-000001"})
        assert writer.add_lines("661814461322/invoices.jsonl", iter(ROWS)) == len(ROWS)
        writer.add_file("661814461322/extra.bin", extra)
    return finished[0]


def test_what_was_written_is_read_back(written: archive.WrittenArchive) -> None:
    manifest = archive.verify(written.path, sha256=written.sha256)
    assert manifest == written.manifest
    assert manifest["kind"] == "on_demand"
    assert (written.size, written.sha256) == archive.file_digest(written.path)
    assert list(archive.read_lines(written.path, "661814461322/invoices.jsonl")) == ROWS
    part = next(p for p in manifest["parts"] if p["name"].endswith("invoices.jsonl"))
    assert (part["lines"], part["sha256"]) == archive.digest_lines(iter(ROWS))


def test_nothing_but_the_archive_is_left(written: archive.WrittenArchive) -> None:
    assert [path.name for path in written.path.parent.iterdir()] == ["one.zip"]


def test_every_flipped_byte_is_found_by_the_digest(written: archive.WrittenArchive) -> None:
    good = written.path.read_bytes()
    for position in range(0, len(good), 7):
        bad = bytearray(good)
        bad[position] ^= 0x40
        written.path.write_bytes(bad)
        with pytest.raises(ArchiveDamaged):
            archive.verify(written.path, sha256=written.sha256)


def test_a_flipped_byte_of_a_part_is_found_without_the_digest(
    written: archive.WrittenArchive,
) -> None:
    with zipfile.ZipFile(written.path) as file:
        start = file.getinfo("661814461322/invoices.jsonl").header_offset
    good = written.path.read_bytes()
    bad = bytearray(good)
    bad[start + 30 + len("661814461322/invoices.jsonl") + 40] ^= 1
    written.path.write_bytes(bad)
    with pytest.raises(ArchiveDamaged):
        archive.verify(written.path)


def _rewritten(written: archive.WrittenArchive, change: Callable[[dict[str, bytes]], None]) -> Path:
    """The archive again with other parts, but whole as a zip file."""
    with zipfile.ZipFile(written.path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    change(parts)
    other = written.path.with_name("other.zip")
    with zipfile.ZipFile(other, "w") as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return other


def _drop_part(parts: dict[str, bytes]) -> None:
    del parts["661814461322/invoices.jsonl"]


def _add_part(parts: dict[str, bytes]) -> None:
    parts["661814461322/more.jsonl"] = b"{}\n"


def _drop_manifest(parts: dict[str, bytes]) -> None:
    del parts[archive.MANIFEST]


def _drop_row(parts: dict[str, bytes]) -> None:
    lines = parts["661814461322/invoices.jsonl"].splitlines(keepends=True)
    parts["661814461322/invoices.jsonl"] = b"".join(lines[:-1])


def _other_format(parts: dict[str, bytes]) -> None:
    manifest = json.loads(parts[archive.MANIFEST])
    parts[archive.MANIFEST] = json.dumps(manifest | {"format": "other/9"}).encode()


def _no_json(parts: dict[str, bytes]) -> None:
    parts[archive.MANIFEST] = b"\xff{"


@pytest.mark.parametrize(
    "change", [_drop_part, _add_part, _drop_manifest, _drop_row, _other_format, _no_json]
)
def test_another_content_is_refused(
    written: archive.WrittenArchive, change: Callable[[dict[str, bytes]], None]
) -> None:
    archive.verify(_rewritten(written, lambda parts: None))
    with pytest.raises(ArchiveDamaged):
        archive.verify(_rewritten(written, change))


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.99])
def test_a_half_written_archive_is_refused(written: archive.WrittenArchive, kept: float) -> None:
    good = written.path.read_bytes()
    written.path.write_bytes(good[: int(len(good) * kept)])
    with pytest.raises(ArchiveDamaged):
        archive.verify(written.path)


def test_an_archive_that_is_gone_is_no_damage(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        archive.verify(tmp_path / "none.zip", sha256="0" * 64)


def test_a_failure_half_way_leaves_nothing_and_keeps_what_was_there(
    written: archive.WrittenArchive,
) -> None:
    before = written.path.read_bytes()

    def rows() -> Any:
        yield {"number": "1"}
        raise LookupError("the database went away")

    with (
        pytest.raises(LookupError),
        archive.writing(written.path, {}) as (writer, finished),
    ):
        writer.add_lines("rows.jsonl", rows())
    assert finished == []
    assert written.path.read_bytes() == before
    assert [path.name for path in written.path.parent.iterdir()] == ["one.zip"]


_FULL = """
import errno, os, resource, sys
from pathlib import Path
from app.backups import archive

resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
path = Path(sys.argv[1]) / "full.zip"
rows = ({"random": os.urandom(64).hex()} for _ in range(1000))
try:
    with archive.writing(path, {}) as (writer, finished):
        writer.add_lines("rows.jsonl", rows)
except OSError as error:
    sys.exit(f"{errno.errorcode[error.errno]} {sorted(p.name for p in path.parent.iterdir())}")
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="no limit of file sizes here")
def test_a_disk_that_is_full_leaves_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FULL, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() == "EFBIG []"


def test_a_place_that_is_no_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with (
        pytest.raises(NotADirectoryError),
        archive.writing(tmp_path / "file" / "sub" / "one.zip", {}),
    ):
        pass


def test_a_copy_elsewhere_is_the_same_archive(
    written: archive.WrittenArchive, tmp_path: Path
) -> None:
    copied = shutil.copy(written.path, tmp_path / "copy.zip")
    assert archive.verify(Path(copied), sha256=written.sha256) == written.manifest
