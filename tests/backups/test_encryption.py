"""Sealed archives: any change is found, only the key opens them, memory stays constant."""

import base64
import io
import tracemalloc
from pathlib import Path
from typing import IO, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.accounts.principal import SYSTEM
from app.backups import archive, encryption, service
from app.backups.archive import ArchiveDamaged
from app.backups.encryption import CHUNK, HEADER_SIZE, KeyRing
from app.backups.errors import BackupKeyUnknown, BackupSettingsInvalid
from app.backups.models import BackupState
from app.backups.storage import Storage
from app.core.db import Database
from app.settings import Settings

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
TAG = 16


def _sealed(folder: Path, data: bytes, key: bytes = KEY) -> bytes:
    source, destination = folder / "plain", folder / "sealed"
    source.write_bytes(data)
    encryption.seal(source, destination, key)
    return destination.read_bytes()


def _read(data: bytes, *keys: bytes) -> bytes:
    return encryption.unsealed(io.BytesIO(data), KeyRing.of(None, keys or (KEY,))).read()


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 7])
def test_opens_to_the_same_bytes(tmp_path: Path, size: int) -> None:
    data = bytes(index % 251 for index in range(size))
    sealed = _sealed(tmp_path, data)
    assert _read(sealed) == data


def test_nothing_of_the_content_can_be_read_in_the_file(tmp_path: Path) -> None:
    # Long enough that ciphertext does not hold it by chance, as it does a single byte.
    secret = b"Golden tax, 2024-02"
    assert secret not in _sealed(tmp_path, secret * 3)


def test_each_file_differs_although_the_content_is_the_same(tmp_path: Path) -> None:
    assert _sealed(tmp_path, b"a" * 100) != _sealed(tmp_path, b"a" * 100)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_flipped_bit_is_found(tmp_path_factory: Any, data: Any) -> None:
    sealed = bytearray(_sealed(tmp_path_factory.mktemp("flip"), b"invoice" * 9000))
    place = data.draw(st.integers(0, len(sealed) - 1))
    sealed[place] ^= 1 << data.draw(st.integers(0, 7))
    if place < len(encryption.MAGIC):
        assert not encryption.is_sealed(io.BytesIO(bytes(sealed)))
        return
    with pytest.raises((ArchiveDamaged, BackupKeyUnknown)):
        _read(bytes(sealed))


@pytest.mark.parametrize(
    "length",
    [
        len(encryption.MAGIC),
        HEADER_SIZE - 1,
        HEADER_SIZE,
        HEADER_SIZE + TAG - 1,
        HEADER_SIZE + TAG,
        HEADER_SIZE + CHUNK + TAG,
        HEADER_SIZE + 2 * (CHUNK + TAG),
        HEADER_SIZE + 2 * (CHUNK + TAG) + TAG,
        HEADER_SIZE + 2 * (CHUNK + TAG) + 500,
    ],
)
def test_a_file_that_ends_early_is_found(tmp_path: Path, length: int) -> None:
    """Also where it ends between two chunks: the last one is marked."""
    sealed = _sealed(tmp_path, b"x" * (2 * CHUNK + 1000))
    with pytest.raises(ArchiveDamaged):
        _read(sealed[:length])


def test_chunks_cannot_be_swapped_repeated_or_appended(tmp_path: Path) -> None:
    sealed = _sealed(tmp_path, b"a" * CHUNK + b"b" * CHUNK + b"c")
    head, step = sealed[:HEADER_SIZE], CHUNK + TAG
    first, second = sealed[HEADER_SIZE:][:step], sealed[HEADER_SIZE + step :][:step]
    last = sealed[HEADER_SIZE + 2 * step :]
    for body in (second + first + last, first + first + last, first + second + last + last):
        with pytest.raises(ArchiveDamaged):
            _read(head + body)


def test_chunks_of_another_file_do_not_fit(tmp_path: Path) -> None:
    one, two = (_sealed(tmp_path, letter * (CHUNK + 9)) for letter in (b"a", b"b"))
    step = HEADER_SIZE + CHUNK + TAG
    with pytest.raises(ArchiveDamaged):
        _read(one[:step] + two[step:])


def test_an_unknown_key_is_named(tmp_path: Path) -> None:
    sealed = _sealed(tmp_path, b"secret")
    with pytest.raises(BackupKeyUnknown, match=encryption.key_id(KEY)):
        _read(sealed, OTHER)


def test_a_wrong_key_under_the_right_name_opens_nothing(tmp_path: Path) -> None:
    sealed = _sealed(tmp_path, b"secret")
    ring = KeyRing(None, {encryption.key_id(KEY): OTHER})
    with pytest.raises(ArchiveDamaged):
        encryption.unsealed(io.BytesIO(sealed), ring)


def test_can_be_read_anywhere(tmp_path: Path) -> None:
    data = bytes(index % 253 for index in range(2 * CHUNK + 99))
    file = encryption.unsealed(io.BytesIO(_sealed(tmp_path, data)), KeyRing.of(KEY))
    for start, length in ((CHUNK - 3, 9), (0, 5), (2 * CHUNK + 90, 50), (7, CHUNK)):
        file.seek(start)
        assert file.read(length) == data[start : start + length]
    assert file.seek(0, io.SEEK_END) == len(data)
    assert file.read() == b""


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    source, sealed = tmp_path / "plain", tmp_path / "sealed"
    with source.open("wb") as file:
        for index in range(64):
            file.write(bytes((index,)) * CHUNK)
    tracemalloc.start()
    encryption.seal(source, sealed, KEY)
    with sealed.open("rb") as file:
        plain: IO[bytes] = encryption.unsealed(file, KeyRing.of(KEY))
        total = sum(len(part) for part in iter(lambda: plain.read(1 << 16), b""))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 64 * CHUNK
    assert peak < 8 * CHUNK


def _text(key: bytes) -> str:
    return base64.b64encode(key).decode()


def test_keys_come_from_the_settings(tmp_path: Path) -> None:
    ring = encryption.keys_of(
        Settings(data_dir=tmp_path, backup_key=_text(KEY), backup_old_keys=f"{_text(OTHER)}; ")
    )
    assert ring.current == KEY
    assert set(ring.known) == {encryption.key_id(KEY), encryption.key_id(OTHER)}
    assert encryption.keys_of(Settings(data_dir=tmp_path)).current is None


@pytest.mark.parametrize("text", ["短", "not base64!", _text(b"short"), _text(KEY + b"x")])
def test_a_key_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BackupSettingsInvalid, match="QINGKA_BACKUP_KEY"):
        encryption.keys_of(Settings(data_dir=tmp_path, backup_key=text))


def test_the_key_shows_nowhere() -> None:
    assert repr(KEY) not in repr(KeyRing.of(KEY, [OTHER]))
    assert "known" not in repr(KeyRing.of(KEY))


def _with(storage: Storage, ring: KeyRing) -> Storage:
    return Storage(storage.targets, storage.spool, ring, storage.require_all)


def test_an_encrypted_backup_needs_its_key(
    database: Database, local: Storage, populate: Any, back_up: Any, clock: Any
) -> None:
    sealed = _with(local, KeyRing.of(KEY))
    backup = back_up(database, sealed, populate(database))
    assert (backup.encryption, backup.key_id) == ("AES-256-GCM", encryption.key_id(KEY))
    file = local.first.root / backup.path  # type: ignore[attr-defined]
    assert file.read_bytes().startswith(encryption.MAGIC)
    assert "德茂".encode() not in file.read_bytes()
    for ring in (KeyRing(), KeyRing.of(OTHER)):
        with pytest.raises(BackupKeyUnknown):
            service.preview(database, _with(local, ring), backup.id)
        with pytest.raises(BackupKeyUnknown):
            service.verify(database, _with(local, ring), backup.id, actor=SYSTEM.actor, clock=clock)
    assert service.preview(database, sealed, backup.id).total == 8


def test_rotation_makes_old_keys_unnecessary(
    database: Database, local: Storage, populate: Any, back_up: Any, clock: Any, actions: Any
) -> None:
    plain = back_up(database, local, populate(database))
    old = back_up(database, _with(local, KeyRing.of(OTHER)), populate(database))
    rotating = _with(local, KeyRing.of(KEY, [OTHER]))
    done = service.rotate(database, rotating, actor=SYSTEM.actor, clock=clock)
    assert [(one.backup_id, one.problem) for one in done] == [(plain.id, ""), (old.id, "")]
    new = _with(local, KeyRing.of(KEY))
    for backup in (plain, old):
        assert not local.first.exists(backup.path)
        checked = service.verify(database, new, backup.id, actor=SYSTEM.actor, clock=clock)
        assert checked.state is BackupState.VERIFIED
        assert checked.key_id == encryption.key_id(KEY)
        assert service.preview(database, new, backup.id).total == 8
    assert service.rotate(database, rotating, actor=SYSTEM.actor, clock=clock) == []
    assert actions(database).count("backup.reencrypted") == 2


def test_rotation_leaves_what_it_cannot_read(
    database: Database, local: Storage, populate: Any, back_up: Any, clock: Any
) -> None:
    backup = back_up(database, _with(local, KeyRing.of(OTHER)), populate(database))
    done = service.rotate(database, _with(local, KeyRing.of(KEY)), actor=SYSTEM.actor, clock=clock)
    assert encryption.key_id(OTHER) in done[0].problem
    assert local.first.exists(backup.path)
    with pytest.raises(BackupSettingsInvalid):
        service.rotate(database, local, actor=SYSTEM.actor, clock=clock)


def test_manifest_tells_no_secret(
    database: Database, local: Storage, populate: Any, back_up: Any
) -> None:
    backup = back_up(database, _with(local, KeyRing.of(KEY)), populate(database))
    text = str(backup.summary)
    for secret in (_text(KEY), KEY.hex(), "test-secret"):
        assert secret not in text
    assert backup.summary["format"] == archive.FORMAT
