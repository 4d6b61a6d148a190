"""Verifies the whole trail: every record, the links, the end, and every signed checkpoint.

Found and named by the first bad number: an edit, a deletion, an insertion, another order, a cut end, a
checkpoint that the trail says was signed and that is gone. A whole database put back to an older state, or
rewritten from the beginning, is only found with a checkpoint kept elsewhere: give those as `anchors`.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from app.audit import chain, restores
from app.audit.actions import AuditAction
from app.audit.canonical import GENESIS
from app.audit.chain import ChainBroken, walk
from app.audit.checkpoint import Checkpoint, CheckpointInvalid, Signer
from app.audit.merkle import Frontier, leaf_hash
from app.audit.models import AuditCheckpoint, AuditHead, AuditRecord
from app.audit.restores import AcceptedRestore
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
    CHECKPOINT_GONE = "checkpoint_gone"
    ANCHOR = "anchor"
    CUT = "cut"
    ANCHOR_INVALID = "anchor_invalid"

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
    Problem.CHECKPOINT_GONE: "链上记载的检查点在数据库中缺失或被改动",
    Problem.ANCHOR: "与库外保存的检查点不符，此前的记录被改写",
    Problem.CUT: "库外保存的检查点所含的记录已不在：链尾被截去，或数据库恢复自较早的备份",
    Problem.ANCHOR_INVALID: "库外保存的检查点不是本系统的密钥签发",
}


@dataclass(frozen=True, slots=True)
class Anchor:
    """A signed checkpoint kept outside the database; `name` says where, for people."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Verification:
    """`checked` records fit; `first_bad_seq` is the first that does not. `head`: the registered end.

    `anchors` checkpoints kept outside the database were compared, the longest over `anchored` records;
    `witness` names the one that contradicts. `restores` were accepted: what they gave up was not compared.
    """

    ok: bool
    checked: int
    first_bad_seq: int | None
    head: str
    problem: Problem | None = None
    checkpoint_size: int | None = None
    anchors: int = 0
    anchored: int = 0
    witness: str = ""
    restores: tuple[AcceptedRestore, ...] = ()

    @property
    def sentence(self) -> str:
        """What is true of the chain itself; how far that proves anything app.proof says."""
        if self.problem is None:
            return f"审计记录 {self.checked} 条，首尾相接"
        witness = f"，{self.witness}" if self.witness else ""
        return f"第 {self.first_bad_seq} 条记录与链不符（{self.problem.label}{witness}）"


class _Failed(Exception):
    def __init__(self, problem: Problem, seq: int, witness: str = "") -> None:
        super().__init__(problem.label)
        self.problem = problem
        self.seq = seq
        self.witness = witness


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
    name: str = ""


def verify(
    session: Session, *, signer: Signer, kept: str | None = None, anchors: Sequence[Anchor] = ()
) -> Verification:
    """Check everything in one pass. Changes nothing.

    `kept` is a checkpoint somebody hands in; raises CheckpointInvalid when it is not one of this log.
    `anchors` were found outside the database: one that is not of this log is a finding. They have to be
    collected before the session's transaction began.
    """
    outside = [] if kept is None else [_Witness(signer.open(kept), name="提交核对的检查点")]
    result = Verification(True, 0, None, "")
    try:
        opened = [_opened(anchor, signer) for anchor in anchors]
        bounds = _bounds(session)
        given_up = restores.accepted(_all(session, restores.ACCEPTED, Problem.RECORD))
        result = replace(result, restores=given_up)
        # What somebody hands in is compared in any case.
        outside += [one for one in opened if not any(r.covers(one.checkpoint) for r in given_up)]
        result = replace(result, head=bounds.hash, checked=bounds.seq)
        stored = _stored(session, signer)
        size = stored[-1].checkpoint.size if stored else None
        result = replace(result, checkpoint_size=size)
        _pass(session, bounds, stored + outside)
        _compare_registered(session, stored, bounds)
    except ChainBroken as error:
        return _failed(result, Problem.RECORD, error.seq)
    except _Failed as error:
        return _failed(result, error.problem, error.seq, error.witness)
    sizes = [witness.checkpoint.size for witness in outside]
    return replace(result, anchors=len(outside), anchored=max(sizes, default=0))


def _failed(result: Verification, problem: Problem, seq: int, witness: str = "") -> Verification:
    return replace(
        result,
        ok=False,
        checked=max(seq - 1, 0),
        first_bad_seq=seq,
        problem=problem,
        witness=witness,
    )


def _opened(anchor: Anchor, signer: Signer) -> _Witness:
    try:
        return _Witness(signer.open(anchor.text), name=anchor.name)
    except CheckpointInvalid as error:
        raise _Failed(Problem.ANCHOR_INVALID, 1, anchor.name) from error


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
        cut = Problem.CUT if witness.name else Problem.CHECKPOINT
        raise _Failed(cut, bounds.end + 1, witness.name)
    same_frontier = witness.frontier in (None, frontier.text())
    if frontier.root() != checkpoint.root or not same_frontier:
        altered = Problem.ANCHOR if witness.name else Problem.CHECKPOINT
        raise _Failed(altered, checkpoint.size, witness.name)


def _compare_registered(session: Session, stored: list[_Witness], bounds: _Bounds) -> None:
    """Every checkpoint the trail says was signed is stored, and no other."""
    left = {(one.checkpoint.size, one.checkpoint.root.hex()) for one in stored}
    for seq, size, root in _registered(session, bounds):
        if (size, root) not in left:
            raise _Failed(Problem.CHECKPOINT_GONE, seq)
        left.discard((size, root))
    if left:
        raise _Failed(Problem.CHECKPOINT_GONE, max(min(left)[0], 1))


def _registered(session: Session, bounds: _Bounds) -> Iterator[tuple[int, object, object]]:
    rows = session.execute(
        sa.select(col(AuditRecord.seq), col(AuditRecord.details))
        .where(
            col(AuditRecord.action) == AuditAction.AUDIT_CHECKPOINTED,
            col(AuditRecord.seq) <= bounds.seq,
        )
        .order_by(col(AuditRecord.seq))
    )
    for seq, text in rows:
        details = json.loads(text)
        yield seq, details.get("size"), details.get("root")


def _compare_end(bounds: _Bounds, last: str) -> None:
    if bounds.highest < bounds.seq:
        raise _Failed(Problem.MISSING, bounds.highest + 1)
    if bounds.highest > bounds.seq:
        raise _Failed(Problem.EXTRA, bounds.seq + 1)
    if last != bounds.hash:
        raise _Failed(Problem.HEAD, max(bounds.seq, 1))


def _bounds(session: Session) -> _Bounds:
    """One statement, so that all of it is of one moment while others append."""
    seq, hash_, lowest, highest = _all(session, _BOUNDS, Problem.HEAD)[0]
    if not isinstance(seq, int) or not isinstance(hash_, str):
        raise _Failed(Problem.HEAD, 1)
    return _Bounds(seq, hash_, 1 if lowest is None else lowest, highest or 0)


def _stored(session: Session, signer: Signer) -> list[_Witness]:
    """The stored checkpoints, shortest first; the newest has to be signed with the present key.

    Of those signed with another key before it changed the signature can't be checked any more, but that
    the chain holds them and that the records give their roots can.
    """
    rows = _all(session, _STORED, Problem.SIGNATURE)
    found: list[_Witness] = []
    for size, root, frontier, text, number in rows:
        try:
            checkpoint = signer.open(text)
        except (CheckpointInvalid, AttributeError, TypeError) as error:
            if number == rows[-1][-1] or not _is_of_another_key(signer, text):
                raise _Failed(Problem.SIGNATURE, size if isinstance(size, int) else 1) from error
            checkpoint = Checkpoint(size, bytes.fromhex(root))
        if (checkpoint.size, checkpoint.root.hex()) != (size, root):
            raise _Failed(Problem.CHECKPOINT, checkpoint.size)
        found.append(_Witness(checkpoint, frontier))
    return found


def _is_of_another_key(signer: Signer, text: object) -> bool:
    return isinstance(text, str) and not signer.names(text)


def _all(session: Session, statement: sa.Executable, problem: Problem) -> list[tuple[Any, ...]]:
    """The rows. Of what SQLite finds wrong, only damage is a finding; a lock is an error."""
    try:
        return [tuple(row) for row in session.execute(statement)]
    except sa.exc.DatabaseError as error:
        if "decode" in str(error.orig):  # bytes that are no text
            raise _Failed(problem, 1) from error
        if "malformed" in str(error.orig):
            raise _Failed(Problem.STORAGE, chain.first_unreadable(session)) from error
        raise


_BOUNDS = sa.select(
    sa.select(col(AuditHead.seq)).scalar_subquery(),
    sa.select(col(AuditHead.hash)).scalar_subquery(),
    sa.select(sa.func.min(col(AuditRecord.seq))).scalar_subquery(),
    sa.select(sa.func.max(col(AuditRecord.seq))).scalar_subquery(),
)
_STORED = sa.select(
    col(AuditCheckpoint.size),
    col(AuditCheckpoint.root),
    col(AuditCheckpoint.frontier),
    col(AuditCheckpoint.text),
    col(AuditCheckpoint.id),
).order_by(col(AuditCheckpoint.id))
