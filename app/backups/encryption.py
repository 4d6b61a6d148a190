"""Encryption of archives: AES-256-GCM in chunks, with constant memory at any size.

A sealed file is a header and chunks of 256 KiB of the archive, each encrypted and authenticated by itself:

    magic "QKSEALED" (8) | version (1) | algorithm (1) | key id (8) | salt (16) | nonce base (7)
    chunk 0 + tag (16) | chunk 1 + tag | … | last chunk + tag

Every file has a key of its own (HKDF-SHA256 of the key and the salt). The nonce of a chunk is the nonce
base, the chunk's index (4 bytes) and a byte that is 1 for the last chunk only; the header is authenticated
with every chunk. So chunks cannot be changed, reordered or left out, and a file that ends early is found
(the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár, 2015).
"""

import base64
import binascii
import hashlib
import io
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.backups.archive import ArchiveDamaged
from app.backups.errors import BackupKeyUnknown, BackupSettingsInvalid
from app.settings import Settings

ALGORITHM = "AES-256-GCM"
"""As rows and manifests name it."""

MAGIC = b"QKSEALED"
VERSION = 1
CHUNK = 1 << 18
_AES_256_GCM = 1
_TAG = 16
_KEY_BYTES, _ID_BYTES, _SALT_BYTES, _BASE_BYTES = 32, 8, 16, 7
_PREFIX = MAGIC + bytes((VERSION, _AES_256_GCM))
HEADER_SIZE = len(_PREFIX) + _ID_BYTES + _SALT_BYTES + _BASE_BYTES


def key_id(key: bytes) -> str:
    """The beginning of the key's SHA-256, in hex: names the key without giving it away."""
    return hashlib.sha256(key).hexdigest()[: 2 * _ID_BYTES]


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The key new archives are encrypted with (None: they are not), and all that can be read."""

    current: bytes | None = field(default=None, repr=False)
    known: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, current: bytes | None, old: Iterable[bytes] = ()) -> "KeyRing":
        """A ring of these keys, 32 bytes each."""
        keys = [*([current] if current else []), *old]
        return cls(current, {key_id(key): key for key in keys})

    @property
    def current_id(self) -> str:
        """The id of the key new archives are encrypted with; empty: none."""
        return key_id(self.current) if self.current else ""

    def find(self, identity: str) -> bytes:
        """The key of this id. Raises BackupKeyUnknown."""
        try:
            return self.known[identity]
        except KeyError as error:
            raise BackupKeyUnknown(f"没有编号为 {identity} 的备份密钥") from error


def keys_of(settings: Settings) -> KeyRing:
    """The keys of the settings. Raises BackupSettingsInvalid."""
    current = settings.backup_key.get_secret_value().strip()
    old = settings.backup_old_keys.get_secret_value().replace(";", " ").split()
    return KeyRing.of(
        _key(current, "QINGKA_BACKUP_KEY") if current else None,
        [_key(text, "QINGKA_BACKUP_OLD_KEYS") for text in old],
    )


def _key(text: str, name: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BackupSettingsInvalid(f"{name} 不是 base64") from error
    if len(key) != _KEY_BYTES:
        raise BackupSettingsInvalid(f"{name} 应为 {_KEY_BYTES} 字节的 base64，实际 {len(key)} 字节")
    return key


def seal(source: Path, destination: Path, key: bytes) -> None:
    """Write the encrypted form of `source` to `destination`."""
    salt, base = os.urandom(_SALT_BYTES), os.urandom(_BASE_BYTES)
    header = _PREFIX + bytes.fromhex(key_id(key)) + salt + base
    cipher = _cipher(key, salt)
    with source.open("rb") as plain, destination.open("wb") as sealed:
        sealed.write(header)
        chunk = plain.read(CHUNK)
        index, last = 0, False
        while not last:
            following = plain.read(CHUNK)
            last = not following
            sealed.write(cipher.encrypt(_nonce(base, index, last), chunk, header))
            chunk = following
            index += 1
        sealed.flush()


def is_sealed(file: IO[bytes]) -> bool:
    """Whether the file is one of ours; leaves it at its beginning."""
    file.seek(0)
    found = file.read(len(MAGIC)) == MAGIC
    file.seek(0)
    return found


def unsealed(file: IO[bytes], keys: KeyRing) -> IO[bytes]:
    """The archive in the file, which may be encrypted or not; both can be read anywhere.

    Raises BackupKeyUnknown, ArchiveDamaged (also later, when a chunk is read that was altered).
    """
    if not is_sealed(file):
        return file
    return io.BufferedReader(_Reader(file, keys), CHUNK)


class _Reader(io.RawIOBase):
    """Decrypts chunk by chunk as they are asked for."""

    def __init__(self, file: IO[bytes], keys: KeyRing) -> None:
        super().__init__()
        header = file.read(HEADER_SIZE)
        if len(header) != HEADER_SIZE:
            raise ArchiveDamaged("加密的备份文件不完整")
        if not header.startswith(_PREFIX):
            raise ArchiveDamaged("备份的加密格式无法识别")
        identity, salt, self._base = _header_fields(header)
        self._file, self._header = file, header
        self._cipher = _cipher(keys.find(identity), salt)
        self._chunks, self._size = self._measure()
        self._position = 0
        self._held: tuple[int, bytes] = (-1, b"")
        # Only a file that was written to its end has a last chunk.
        self._chunk(self._chunks - 1)

    def _measure(self) -> tuple[int, int]:
        """How many chunks and how many bytes of archive the file holds."""
        body = self._file.seek(0, os.SEEK_END) - HEADER_SIZE
        chunks = -(-body // (CHUNK + _TAG))
        size = body - chunks * _TAG
        if chunks == 0 or size < 0 or (chunks > 1 and size <= (chunks - 1) * CHUNK):
            raise ArchiveDamaged("加密的备份文件不完整")
        return chunks, size

    def _chunk(self, index: int) -> bytes:
        if self._held[0] == index:
            return self._held[1]
        self._file.seek(HEADER_SIZE + index * (CHUNK + _TAG))
        sealed = self._file.read(CHUNK + _TAG)
        nonce = _nonce(self._base, index, index == self._chunks - 1)
        try:
            plain = self._cipher.decrypt(nonce, sealed, self._header)
        except InvalidTag as error:
            raise ArchiveDamaged(f"加密的备份文件被改动或不完整：第 {index + 1} 块") from error
        self._held = (index, plain)
        return plain

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        if self._position >= self._size:
            return 0
        index, offset = divmod(self._position, CHUNK)
        part = self._chunk(index)[offset : offset + len(view)]
        view[: len(part)] = part
        self._position += len(part)
        return len(part)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError("negative position")
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        return self._position


def _header_fields(header: bytes) -> tuple[str, bytes, bytes]:
    rest = header[len(_PREFIX) :]
    identity, rest = rest[:_ID_BYTES].hex(), rest[_ID_BYTES:]
    return identity, rest[:_SALT_BYTES], rest[_SALT_BYTES:]


def _cipher(key: bytes, salt: bytes) -> AESGCM:
    derived = HKDF(hashes.SHA256(), _KEY_BYTES, salt=salt, info=b"qingka backup file").derive(key)
    return AESGCM(derived)


def _nonce(base: bytes, index: int, last: bool) -> bytes:
    return base + index.to_bytes(4, "big") + bytes((last,))
