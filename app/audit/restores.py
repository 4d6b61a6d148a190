"""Accepted restores: which checkpoints outside belong to records that a restore gave up, by the trail itself.

Each is an audit record that names the checkpoints one by one. Whoever forges can have a rewriting accepted
like a restore; that, by whom and when, is then in the chain, and verification says it from then on.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from app.audit.actions import AuditAction
from app.audit.canonical import GENESIS
from app.audit.chain import ChainBroken, walk
from app.audit.checkpoint import Checkpoint
from app.audit.merkle import Frontier, leaf_hash
from app.audit.models import AuditHead, AuditRecord
from app.core.db import Session


@dataclass(frozen=True, slots=True)
class AcceptedRestore:
    """Who accepted that the checkpoints `given_up` speak of records that are not here any more.

    The longest checkpoint that fitted then was over `fits` records.
    """

    seq: int
    at: datetime
    by: str
    reason: str
    fits: int
    given_up: frozenset[str]

    @property
    def sizes(self) -> list[int]:
        """How many records the checkpoints given up are over, ascending."""
        return sorted(int(text.partition(":")[0]) for text in self.given_up)

    def covers(self, checkpoint: Checkpoint) -> bool:
        """Whether this very checkpoint was given up."""
        return name_of(checkpoint) in self.given_up


ACCEPTED = (
    sa.select(col(AuditRecord.seq), col(AuditRecord.actor_name), col(AuditRecord.details))
    .where(col(AuditRecord.action) == AuditAction.AUDIT_RESTORE_ACCEPTED)
    .order_by(col(AuditRecord.seq))
)


def name_of(checkpoint: Checkpoint) -> str:
    """What an accepted restore calls a checkpoint: its size and its root."""
    return f"{checkpoint.size}:{checkpoint.root.hex()}"


def accepted(rows: Iterable[tuple[Any, ...]]) -> tuple[AcceptedRestore, ...]:
    """From the rows of ACCEPTED. Raises ChainBroken at one that is not what is written there."""
    return tuple(_accepted(seq, by, text) for seq, by, text in rows)


def _accepted(seq: int, by: str, text: str) -> AcceptedRestore:
    try:
        details = json.loads(text)
        return AcceptedRestore(
            seq,
            datetime.fromisoformat(details["accepted_at"]),
            by,
            details["reason"],
            details["fits"],
            frozenset(details["given_up"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ChainBroken(seq) from error


def sort_out(session: Session, kept: Sequence[Checkpoint]) -> tuple[list[Checkpoint], int]:
    """Those the records contradict, and how many records the longest of the others is over.

    Raises ChainBroken where the records do not even fit each other.
    """
    end = session.scalar(sa.select(col(AuditHead.seq))) or 0
    frontier, done, last = Frontier(), 0, GENESIS
    contradicted: list[Checkpoint] = []
    fits = 0
    for one in sorted(kept, key=lambda one: one.size):
        if one.size > end:
            contradicted.append(one)
            continue
        for digests in walk(session, after=done, previous=last, until=one.size):
            frontier.extend([leaf_hash(digest) for digest in digests])
            done, last = done + len(digests), digests[-1].hex()
        if frontier.root() == one.root:
            fits = one.size
        else:
            contradicted.append(one)
    return contradicted, fits


def reach(sizes: Sequence[int]) -> str:
    """Over how many records checkpoints of these sizes are, shortest first: 前 93 条, or 前 90 至 93 条."""
    first, last = sizes[0], sizes[-1]
    return f"前 {last} 条" if first == last else f"前 {first} 至 {last} 条"
