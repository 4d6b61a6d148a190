"""Every select over the pre-checks kept with a request."""

from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col, select

from app.clearing.models import ClearingCheck
from app.core.db import Session


def newest_of_request(session: Session, request_id: UUID) -> list[ClearingCheck]:
    """The checks of the newest attempt that came so far, in their order; none before the first."""
    newest = (
        sa.select(sa.func.max(col(ClearingCheck.attempt)))
        .where(col(ClearingCheck.request_id) == request_id)
        .scalar_subquery()
    )
    query = (
        select(ClearingCheck)
        .where(ClearingCheck.request_id == request_id, col(ClearingCheck.attempt) == newest)
        .order_by(col(ClearingCheck.position))
    )
    return list(session.exec(query))


def forget(session: Session, request_id: UUID, attempt: int) -> None:
    """Remove what an attempt kept, for it to be kept anew."""
    session.execute(
        sa.delete(ClearingCheck).where(
            col(ClearingCheck.request_id) == request_id, col(ClearingCheck.attempt) == attempt
        )
    )
