"""Verifies the whole trail: every record, the links, the end, and the newest signed checkpoint.

Found and named by the first bad number: an edit, a deletion, an insertion, another order, a cut end.
A whole database put back to an older state is only found with a checkpoint kept elsewhere: give its
text as `kept`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from app.audit import chain
from app.audit.canonical import GENESIS
from app.audit.chain import ChainBroken, walk
from app.audit.checkpoint import Checkpoint, CheckpointInvalid, Signer
from app.audit.merkle import Frontier, leaf_hash
from app.audit.models import AuditCheckpoint, AuditHead, AuditRecord
from app.core.db import Session


class Problem(StrEnum):
    """What is wrong."""

    RECORD = "record"
    MISSING = "missing"
    EXTRA = "extra"
    HEAD = "head"
    CHECKPOINT = "checkpoint"
    SIGNATURE = "signature"
    STORAGE = "storage"

    @property
    def label(self) -> str:
        """The sentence for people."""
        return _LABELS[self]


_LABELS = {
    Problem.RECORD: "记录缺失、被修改或顺序不对",
    Problem.MISSING: "链尾的记录缺失",
    Problem.EXTRA: "有未登记在链上的记录",
    Problem.HEAD: "链尾与登记的哈希不符",
    Problem.CHECKPOINT: "与已签名的检查点不符",
    Problem.SIGNATURE: "检查点的签名不正确",
    Problem.STORAGE: "数据库文件损坏",
}


@dataclass(frozen=True, slots=True)
class Verification:
    """`checked` records fit; `first_bad_seq` is the first that does not. `head`: the registered end."""

    ok: bool
    checked: int
    first_bad_seq: int | None
    head: str
    problem: Problem | None = None
    checkpoint_size: int | None = None

    @property
    def sentence(self) -> str:
        """The result as pages and the command line tell it."""
        if self.problem is None:
            return f"审计链完整，共 {self.checked} 条"
        return f"第 {self.first_bad_seq} 条记录与链不符（{self.problem.label}）"


class _Failed(Exception):
    def __init__(self, problem: Problem, seq: int) -> None:
        super().__init__(problem.label)
        self.problem = problem
        self.seq = seq


@dataclass(frozen=True, slots=True)
class _Bounds:
    """Where the trail ends by its head row, and the numbers that are really there."""

    seq: int
    hash: str
    lowest: int
    highest: int

    @property
    def end(self) -> int:
        """The last record that is both registered and there."""
        return min(self.seq, self.highest)


@dataclass(frozen=True, slots=True)
class _Witness:
    """A checkpoint to compare with; the database's own also says what its frontier was."""

    checkpoint: Checkpoint
    frontier: str | None = None


def verify(session: Session, *, signer: Signer, kept: str | None = None) -> Verification:
    """Check everything in one pass with constant memory. Changes nothing.

    `kept` is a checkpoint kept elsewhere; raises CheckpointInvalid when it is not one of this log.
    """
    outside = [] if kept is None else [_Witness(signer.open(kept))]
    head = ""
    size: int | None = None
    try:
        bounds = _bounds(session)
        head = bounds.hash
        stored = _newest(session, signer)
        size = stored[0].checkpoint.size if stored else None
        _pass(session, bounds, stored + outside)
    except ChainBroken as error:
        return Verification(False, error.seq - 1, error.seq, head, Problem.RECORD, size)
    except _Failed as error:
        return Verification(False, max(error.seq - 1, 0), error.seq, head, error.problem, size)
    return Verification(True, bounds.seq, None, head, None, size)


def _pass(session: Session, bounds: _Bounds, witnesses: list[_Witness]) -> None:
    """Walk the records once, stopping at every checkpoint, then look at the end."""
    if bounds.lowest < 1:
        raise _Failed(Problem.EXTRA, bounds.lowest)
    frontier, done, last = Frontier(), 0, GENESIS
    for witness in sorted(witnesses, key=lambda witness: witness.checkpoint.size):
        stop = min(witness.checkpoint.size, bounds.end)
        for digests in walk(session, after=done, previous=last, until=stop):
            frontier.extend([leaf_hash(digest) for digest in digests])
            done, last = done + len(digests), digests[-1].hex()
        _compare(witness, frontier, bounds)
    for digests in walk(session, after=done, previous=last, until=bounds.end):
        last = digests[-1].hex()
    _compare_end(bounds, last)


def _compare(witness: _Witness, frontier: Frontier, bounds: _Bounds) -> None:
    checkpoint = witness.checkpoint
    if checkpoint.size > bounds.end:
        raise _Failed(Problem.CHECKPOINT, bounds.end + 1)
    same_frontier = witness.frontier in (None, frontier.text())
    if frontier.root() != checkpoint.root or not same_frontier:
        raise _Failed(Problem.CHECKPOINT, checkpoint.size)


def _compare_end(bounds: _Bounds, last: str) -> None:
    if bounds.highest < bounds.seq:
        raise _Failed(Problem.MISSING, bounds.highest + 1)
    if bounds.highest > bounds.seq:
        raise _Failed(Problem.EXTRA, bounds.seq + 1)
    if last != bounds.hash:
        raise _Failed(Problem.HEAD, max(bounds.seq, 1))


def _bounds(session: Session) -> _Bounds:
    """One statement, so that all of it is of one moment while others append."""
    seq, hash_, lowest, highest = _first(session, _BOUNDS, Problem.HEAD) or (0, GENESIS, 1, 0)
    if not isinstance(seq, int) or not isinstance(hash_, str):
        raise _Failed(Problem.HEAD, 1)
    return _Bounds(seq, hash_, 1 if lowest is None else lowest, highest or 0)


def _newest(session: Session, signer: Signer) -> list[_Witness]:
    """The newest stored checkpoint, if there is one; it has to be signed with the present key."""
    row = _first(session, _NEWEST, Problem.SIGNATURE)
    if row is None:
        return []
    size, root, frontier, text = row
    try:
        checkpoint = signer.open(text)
    except (CheckpointInvalid, AttributeError, TypeError) as error:
        raise _Failed(Problem.SIGNATURE, size if isinstance(size, int) else 1) from error
    if (checkpoint.size, checkpoint.root.hex()) != (size, root):
        raise _Failed(Problem.CHECKPOINT, checkpoint.size)
    return [_Witness(checkpoint, frontier)]


def _first(session: Session, statement: sa.Executable, problem: Problem) -> tuple[Any, ...] | None:
    """The first row. Of what SQLite finds wrong, only damage is a finding; a lock is an error."""
    try:
        row = session.execute(statement).first()
    except sa.exc.DatabaseError as error:
        if "decode" in str(error.orig):  # bytes that are no text
            raise _Failed(problem, 1) from error
        if "malformed" in str(error.orig):
            raise _Failed(Problem.STORAGE, chain.first_unreadable(session)) from error
        raise
    return None if row is None else tuple(row)


_BOUNDS = sa.select(
    sa.select(col(AuditHead.seq)).scalar_subquery(),
    sa.select(col(AuditHead.hash)).scalar_subquery(),
    sa.select(sa.func.min(col(AuditRecord.seq))).scalar_subquery(),
    sa.select(sa.func.max(col(AuditRecord.seq))).scalar_subquery(),
)
_NEWEST = (
    sa.select(
        col(AuditCheckpoint.size),
        col(AuditCheckpoint.root),
        col(AuditCheckpoint.frontier),
        col(AuditCheckpoint.text),
    )
    .order_by(col(AuditCheckpoint.id).desc())
    .limit(1)
)
