"""Keeps the pre-checks with the request they were made for: what was looked at, and what was accepted."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from app.clearing import queries
from app.clearing.models import ClearingCheck, ClearingRequest
from app.core.db import Session
from app.prechecks import Check, Severity, acceptance


def keep(
    session: Session, request: ClearingRequest, checks: Sequence[Check], *, at: datetime
) -> None:
    """Keep these as the checks of the request's attempt; what the same attempt kept before is replaced.

    Attempt 0 is what the person saw who submitted the request.
    """
    queries.checks.forget(session, request.id, request.attempt)
    open_ones = acceptance.unaccepted(request, checks)
    for position, check in enumerate(checks):
        session.add(
            ClearingCheck(
                request_id=request.id,
                attempt=request.attempt,
                position=position,
                code=check.code,
                severity=check.severity,
                message=check.message[:500],
                remedy=check.remedy[:500],
                device_number=check.device_number,
                evidence=[asdict(one) for one in check.evidence],
                accepted=check.severity is Severity.WARNING and check not in open_ones,
                at=at,
            )
        )
