"""Signed checkpoints in the C2SP forms tlog-checkpoint and signed-note.

    qingka/audit
    <number of records>
    <root hash, base64>

    — qingka/audit <base64 of key id (4 bytes) and Ed25519 signature (64 bytes)>

Whoever keeps a checkpoint elsewhere can show later that the log still holds what it held then.
"""

import base64
import binascii
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from app.core.security import derive_key
from app.errors import Invalid

ORIGIN = "qingka/audit"
_ED25519 = b"\x01"
_DASH = "\u2014 "


class CheckpointInvalid(Invalid):
    """The text is no checkpoint of this log, or not signed with its key."""

    code = "audit.checkpoint_invalid"
    title = "检查点无效"
    remedy = "请核对检查点文件与公钥是否属于本系统。"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is signed: the first `size` records have the Merkle root `root`."""

    size: int
    root: bytes
    origin: str = ORIGIN

    def body(self) -> str:
        """The signed text."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


class Signer:
    """The log's Ed25519 key, derived from the root secret of the settings."""

    def __init__(self, root_secret: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(
            derive_key(root_secret, "audit checkpoint ed25519")
        )
        self._public = self._key.public_key().public_bytes_raw()

    @property
    def verifier_key(self) -> str:
        """The public key as `name+key id+base64(type and key)`; what an offline verifier needs."""
        encoded = base64.b64encode(_ED25519 + self._public).decode()
        return f"{ORIGIN}+{key_id(ORIGIN, self._public).hex()}+{encoded}"

    @property
    def key_id(self) -> str:
        """The key's short name, hex."""
        return key_id(ORIGIN, self._public).hex()

    def sign(self, checkpoint: Checkpoint) -> str:
        """The checkpoint with its signature line."""
        signature = self._key.sign(checkpoint.body().encode())
        blob = base64.b64encode(key_id(ORIGIN, self._public) + signature).decode()
        return f"{checkpoint.body()}\n{_DASH}{ORIGIN} {blob}\n"

    def open(self, text: str) -> Checkpoint:
        """What a text of ours says. Raises CheckpointInvalid unless signed with this key."""
        body, _, signatures = text.partition("\n\n")
        body += "\n"
        wanted = key_id(ORIGIN, self._public)
        for line in signatures.splitlines():
            blob = _signature(line)
            if blob[:4] == wanted:
                _verify(self._public, blob[4:], body)
                return _parse(body)
        raise CheckpointInvalid("检查点没有本系统密钥的签名")

    def names(self, text: str) -> bool:
        """Whether a line of the text says that it is signed with this key."""
        wanted = key_id(ORIGIN, self._public)
        return any(_key_of(line) == wanted for line in text.splitlines())


def key_id(name: str, public: bytes) -> bytes:
    """First four bytes of SHA-256(name ‖ newline ‖ 0x01 ‖ key), C2SP signed-note."""
    return sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]


def _signature(line: str) -> bytes:
    """Key id and signature of a line of ours; empty for other signers' lines."""
    prefix = f"{_DASH}{ORIGIN} "
    if not line.startswith(prefix):
        return b""
    try:
        return base64.b64decode(line.removeprefix(prefix), validate=True)
    except (binascii.Error, ValueError) as error:
        raise CheckpointInvalid from error


def _key_of(line: str) -> bytes:
    """The key id of a signature line; empty for what is none."""
    try:
        return _signature(line)[:4]
    except CheckpointInvalid:
        return b""


def _verify(public: bytes, signature: bytes, body: str) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, body.encode())
    except InvalidSignature as error:
        raise CheckpointInvalid("检查点的签名不正确") from error


def _parse(body: str) -> Checkpoint:
    lines = body.split("\n")
    try:
        origin, size, root = lines[0], int(lines[1]), base64.b64decode(lines[2], validate=True)
    except (IndexError, ValueError, binascii.Error) as error:
        raise CheckpointInvalid from error
    if origin != ORIGIN or size < 0 or str(size) != lines[1] or len(root) != 32:
        raise CheckpointInvalid
    return Checkpoint(size, root)
