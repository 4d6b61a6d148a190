"""Prove: verify the chain, compare it with the rows it vouches for, and look at what guards both."""

import json
from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from app.audit import service as audit
from app.audit import tree
from app.audit.actions import AuditAction
from app.audit.actor import Actor
from app.audit.checkpoint import Signer
from app.audit.evidence import Compared, compare
from app.audit.models import AuditRecord
from app.audit.service import AuditHeadMissing
from app.audit.verification import verify
from app.backups import anchors
from app.backups.anchors import Collected
from app.backups.errors import BackupSettingsInvalid
from app.backups.storage import storage_of
from app.clearing.evidence import GUARDS
from app.core import guards
from app.core.clock import Clock
from app.core.db import Database, Session
from app.core.logging import get_logger
from app.proof import checkpoints
from app.proof.evidence import KINDS
from app.proof.result import Adopted, Proof
from app.settings import Settings

log = get_logger(__name__)


def prove(database: Database, settings: Settings, *, kept: str | None = None) -> Proof:
    """Look at everything as it is at one moment; changes nothing.

    `kept` is a checkpoint somebody hands in; raises CheckpointInvalid when it is not one of this log.
    """
    signer = Signer(settings.root_secret)
    outside = _outside(settings)  # before the snapshot, which none of them may be ahead of
    with database.snapshot() as session:
        chain = verify(session, signer=signer, kept=kept, anchors=outside.anchors)
        # Of records that are not what was hashed nothing can be read.
        compared = tuple(compare(session, kind) for kind in KINDS) if chain.ok else ()
        return Proof(
            chain=chain,
            compared=compared,
            faults=tuple(guards.faults(session, GUARDS)),
            named=_numbers(session, compared),
            adopted=_adopted(session) if chain.ok else None,
            unreachable=outside.unreachable,
        )


def prove_now(database: Database, settings: Settings, *, actor: Actor, clock: Clock) -> Proof:
    """Prove, put the result on record, and sign a checkpoint of a trail that is whole."""
    proof = prove(database, settings)
    if proof.ok:
        text = _record_success(database, Signer(settings.root_secret), proof, actor, clock())
        checkpoints.keep(settings, text, clock())
    else:
        _record_failure(database, proof, actor, clock())
    return proof


def _outside(settings: Settings) -> Collected:
    """Where the targets are not set properly nothing of them can be read, and the proof says so."""
    try:
        return anchors.collect(storage_of(settings))
    except BackupSettingsInvalid as error:
        return Collected((), (error.detail,))


def _record_success(
    database: Database, signer: Signer, proof: Proof, actor: Actor, at: datetime
) -> str:
    with database.transaction() as session:
        audit.record(
            session,
            actor=actor,
            action=AuditAction.AUDIT_VERIFIED,
            object_type="audit",
            object_id="",
            at=at,
            details={
                "checked": proof.chain.checked,
                "head": proof.chain.head,
                "rows": {part.kind.name: part.rows for part in proof.compared},
                "anchored": proof.chain.anchored,
            },
        )
        return tree.issue(session, signer, actor=actor, at=at).text


def _record_failure(database: Database, proof: Proof, actor: Actor, at: datetime) -> None:
    """The log hears of it in any case: a trail whose end is broken takes no further record."""
    found = [finding.message for finding in proof.findings]
    log.error("the audit trail and what it proves do not fit", findings=found)
    try:
        with database.transaction() as session:
            audit.record(
                session,
                actor=actor,
                action=AuditAction.AUDIT_VERIFICATION_FAILED,
                object_type="audit",
                object_id="",
                at=at,
                details={
                    "first_bad_seq": proof.chain.first_bad_seq,
                    "problem": proof.findings[0].code,
                    "findings": found,
                },
            )
    except (IntegrityError, AuditHeadMissing, ValueError) as error:
        log.error("the audit trail takes no record", error=str(error))


def _numbers(session: Session, compared: Iterable[Compared]) -> dict[int, str]:
    """The numbers of the requests that discrepancies are about, by the record that vouches for the row."""
    seqs = {one.seq for part in compared for one in part.discrepancies if one.seq}
    rows = session.execute(
        sa.select(col(AuditRecord.seq), col(AuditRecord.details)).where(
            col(AuditRecord.seq).in_(sorted(seqs)[:500])
        )
    )
    return {seq: json.loads(details).get("number", "") for seq, details in rows}


def _adopted(session: Session) -> Adopted | None:
    rows = session.execute(
        sa.select(col(AuditRecord.at), col(AuditRecord.details)).where(
            col(AuditRecord.action) == AuditAction.AUDIT_EVIDENCE_ADOPTED
        )
    ).all()
    if not rows:
        return None
    return Adopted(sum(json.loads(text)["rows"] for _, text in rows), rows[0][0])
