"""Checkpoints and proofs over stored records, beyond one block."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlmodel import col, select

from app.audit import tree
from app.audit.actor import SYSTEM
from app.audit.chain import ChainBroken
from app.audit.checkpoint import Signer
from app.audit.merkle import leaf_hash, root_of, verify_consistency, verify_inclusion
from app.audit.models import AuditCheckpoint, AuditRecord
from app.core.db import Database, Session

START = datetime(2026, 11, 2, 1, 30, tzinfo=UTC)
Append = Callable[[Session, int], None]
Tamper = Callable[[Database, str], None]


def _leaves(session: Session) -> list[bytes]:
    hashes = session.exec(select(col(AuditRecord.hash)).order_by(col(AuditRecord.seq)))
    return [leaf_hash(bytes.fromhex(text)) for text in hashes]


def test_checkpoints_grow_from_each_other(
    any_database: Database, append: Append, signer: Signer
) -> None:
    for count in (5, 0, 3):
        with any_database.transaction() as session:
            append(session, count)
            tree.issue(session, signer, actor=SYSTEM, at=START)
    with any_database.reading() as session:
        rows = session.exec(select(AuditCheckpoint).order_by(col(AuditCheckpoint.id))).all()
        leaves = _leaves(session)
        assert tree.current(session, signer).checkpoint.root == root_of(leaves)
    assert [row.size for row in rows] == [5, 6, 10]
    for row in rows:
        assert signer.open(row.text).root == root_of(leaves[: row.size])


def test_an_empty_trail_has_a_checkpoint(database: Database, signer: Signer) -> None:
    with database.transaction() as session:
        assert tree.issue(session, signer, actor=SYSTEM, at=START).size == 0
        assert tree.issue(session, signer, actor=SYSTEM, at=START).size == 1


def test_proofs_over_several_blocks(
    database: Database, append: Append, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "BLOCK", 4)
    with database.transaction() as session:
        append(session, 19)
    with database.reading() as session:
        leaves = _leaves(session)
        for size in range(1, 20):
            records, root = tree.RecordTree(session, size), root_of(leaves[:size])
            for seq in range(1, size + 1):
                proof = records.inclusion(seq)
                assert verify_inclusion(leaves[seq - 1], seq - 1, size, proof, root)
                proof = records.consistency(seq)
                assert verify_consistency(seq, size, proof, root_of(leaves[:seq]), root)


@pytest.mark.parametrize("old", [0, 13])
def test_no_consistency_with_sizes_that_never_were(
    trail: Database, signer: Signer, old: int
) -> None:
    with trail.reading() as session, pytest.raises(tree.NoSuchSize):
        tree.RecordTree(session, 12).consistency(old)


def test_nothing_is_signed_over_a_broken_link(
    trail: Database, signer: Signer, tamper: Tamper
) -> None:
    tamper(trail, "UPDATE audit_records SET ip = '' WHERE seq = 7")
    with trail.reading() as session, pytest.raises(ChainBroken) as caught:
        tree.current(session, signer)
    assert caught.value.seq == 7


@pytest.mark.parametrize(
    "script",
    [
        "DELETE FROM audit_records WHERE seq > 9; UPDATE audit_head SET seq = 9",
        "UPDATE audit_checkpoints SET frontier = replace(frontier, '0', '1')",
        "UPDATE audit_checkpoints SET frontier = 'zz'",
    ],
)
def test_nothing_is_signed_against_the_newest_checkpoint(
    trail: Database, signer: Signer, tamper: Tamper, script: str
) -> None:
    with trail.transaction() as session:
        tree.issue(session, signer, actor=SYSTEM, at=START)
    tamper(trail, script)
    with trail.reading() as session, pytest.raises(tree.CheckpointContradicted):
        tree.current(session, signer)
