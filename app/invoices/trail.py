"""Writes into the audit trail what was done to an invoice."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from app.accounts.principal import Principal
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.audit.canonical import JSON
from app.core.db import Session


def record(
    session: Session,
    invoice_id: UUID,
    action: AuditAction,
    principal: Principal,
    at: datetime,
    details: Mapping[str, JSON],
) -> None:
    """One entry about one invoice, in the transaction of the change."""
    audit.record(
        session,
        actor=principal.actor,
        action=action,
        object_type="invoice",
        object_id=invoice_id,
        at=at,
        details=details,
    )
