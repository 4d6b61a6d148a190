"""Every kind of evidence there is, and how rows of before there were digests come into the chain."""

from datetime import datetime
from uuid import UUID

from app.audit import evidence
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.audit.actor import SYSTEM
from app.clearing.evidence import RECORD, REQUEST
from app.core.db import Session
from app.reconciliation.evidence import DECISION

KINDS = (RECORD, REQUEST, DECISION)

ADOPTED = 200
"""Rows of before there were digests that one audit record vouches for."""


def adopt(session: Session, *, at: datetime) -> int:
    """Take the rows of before there were digests into the chain, as they are now; gives how many.

    Once, with the upgrade that brought digests: from here on a row without one was slipped in.
    """
    count = 0
    for kind in KINDS:
        for ids in list(evidence.unsealed(session, kind)):
            for start in range(0, len(ids), ADOPTED):
                some = [UUID(row_id) for row_id in ids[start : start + ADOPTED]]
                audit.record(
                    session,
                    actor=SYSTEM,
                    action=AuditAction.AUDIT_EVIDENCE_ADOPTED,
                    object_type=evidence.ADOPTED_AS[0],
                    object_id=evidence.ADOPTED_AS[1],
                    at=at,
                    details={
                        "of": kind.label,
                        "rows": len(some),
                        **evidence.seals(session, kind, some),
                    },
                )
                count += len(some)
    return count
