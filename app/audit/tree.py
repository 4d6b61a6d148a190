"""The Merkle tree over the stored records: checkpoints and proofs, read in blocks.

Memory is one hash per 1,024 records (32 KB for a million) and one block.
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import col, select

from app.audit import service
from app.audit.actions import AuditAction
from app.audit.actor import Actor
from app.audit.canonical import GENESIS
from app.audit.chain import walk
from app.audit.checkpoint import Checkpoint, Signer
from app.audit.merkle import (
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_of,
)
from app.audit.models import AuditCheckpoint, AuditHead, AuditRecord
from app.core.db import Session
from app.errors import Conflict, Invalid

BLOCK = 1024


class CheckpointContradicted(Conflict):
    """The records are not those the newest checkpoint was signed for: nothing is signed on top."""

    code = "audit.checkpoint_contradicted"
    title = "审计记录与已签名的检查点不符"
    remedy = "请运行“验证审计链”，保留现场并联系技术支持。"


class NoSuchSize(Invalid):
    """A consistency proof goes from a size of the past."""

    code = "audit.size"
    title = "检查点的记录数超出范围"
    remedy = "请给出 1 到当前记录数之间的数。"


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint of this moment: its text, and what it stands for."""

    checkpoint: Checkpoint
    text: str
    frontier: Frontier


def current(session: Session, signer: Signer) -> SignedCheckpoint:
    """Sign the trail as it is now, from the newest stored checkpoint on; stores nothing.

    Raises CheckpointContradicted, or ChainBroken when a record since then does not fit the chain.
    """
    size = session.scalar(sa.select(col(AuditHead.seq))) or 0
    frontier, previous = _start(session, size)
    for digests in walk(session, after=frontier.size, previous=previous, until=size):
        frontier.extend([leaf_hash(digest) for digest in digests])
    checkpoint = Checkpoint(size, frontier.root())
    return SignedCheckpoint(checkpoint, signer.sign(checkpoint), frontier)


def issue(session: Session, signer: Signer, *, actor: Actor, at: datetime) -> AuditCheckpoint:
    """Sign the trail and store the checkpoint, which `verification` compares with from then on."""
    service.lock_head(session)
    signed = current(session, signer)
    newest = _newest(session)
    row = AuditCheckpoint(
        id=1 if newest is None else newest.id + 1,
        at=at,
        size=signed.checkpoint.size,
        root=signed.checkpoint.root.hex(),
        frontier=signed.frontier.text(),
        text=signed.text,
    )
    session.add(row)
    session.flush()
    service.record(
        session,
        actor=actor,
        action=AuditAction.AUDIT_CHECKPOINTED,
        object_type="audit_checkpoint",
        object_id=row.id,
        at=at,
        details={"size": row.size, "root": row.root},
    )
    return row


def _newest(session: Session) -> AuditCheckpoint | None:
    return session.exec(
        select(AuditCheckpoint).order_by(col(AuditCheckpoint.id).desc()).limit(1)
    ).first()


def _start(session: Session, size: int) -> tuple[Frontier, str]:
    """Where the newest checkpoint left off: its frontier, and the hash of its last record."""
    newest = _newest(session)
    if newest is None or newest.size == 0:
        return Frontier(), GENESIS
    last = session.scalar(
        sa.select(col(AuditRecord.hash)).where(col(AuditRecord.seq) == newest.size)
    )
    if newest.size > size or last is None:
        raise CheckpointContradicted
    try:
        frontier = Frontier.from_text(newest.size, newest.frontier)
    except ValueError as error:
        raise CheckpointContradicted from error
    if frontier.root().hex() != newest.root:
        raise CheckpointContradicted
    return frontier, last


class RecordTree:
    """The tree over the first `size` records."""

    def __init__(self, session: Session, size: int) -> None:
        self._session = session
        self.size = size
        self._block_roots: list[bytes] = []
        self._block_index = -1
        self._block: list[bytes] = []

    def inclusion(self, seq: int) -> list[bytes]:
        """The proof that record `seq` is in the tree."""
        return inclusion_proof(seq - 1, self.size, self._range_root)

    def consistency(self, old: int) -> list[bytes]:
        """The proof that the tree grew from the first `old` records. Raises NoSuchSize."""
        if not 0 < old <= self.size:
            raise NoSuchSize
        return consistency_proof(old, self.size, self._range_root)

    def _range_root(self, start: int, stop: int) -> bytes:
        """Ranges the proofs ask for lie within a block, or begin and end with blocks."""
        index = start // BLOCK
        if stop <= (index + 1) * BLOCK:
            leaves = self._leaves(index)
            return root_of(leaves[start - index * BLOCK : stop - index * BLOCK])
        self._load_blocks()
        # Blocks are nodes; the tree above them has the shape of one that had them as leaves.
        return root_of(self._block_roots[index : -(-stop // BLOCK)])

    def _leaves(self, index: int) -> list[bytes]:
        if index != self._block_index:
            self._block_index, self._block = index, self._read(index)
        return self._block

    def _load_blocks(self) -> None:
        if not self._block_roots:
            count = -(-self.size // BLOCK)
            self._block_roots = [root_of(self._read(index)) for index in range(count)]

    def _read(self, index: int) -> list[bytes]:
        last = min((index + 1) * BLOCK, self.size)
        hashes = self._session.scalars(
            sa.select(col(AuditRecord.hash))
            .where(col(AuditRecord.seq) > index * BLOCK, col(AuditRecord.seq) <= last)
            .order_by(col(AuditRecord.seq))
        )
        return [leaf_hash(bytes.fromhex(text)) for text in hashes]
