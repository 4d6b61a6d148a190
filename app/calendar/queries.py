"""Every select of the calendar."""

from collections.abc import Sequence
from uuid import UUID

from sqlmodel import col, select

from app.calendar.models import CalendarOverride
from app.contracts.periods import Period
from app.core.db import Session


def overrides_between(session: Session, first: Period, last: Period) -> Sequence[CalendarOverride]:
    """All overrides of the months `first` to `last`, both included."""
    return session.exec(
        select(CalendarOverride)
        .where(col(CalendarOverride.month) >= str(first), col(CalendarOverride.month) <= str(last))
        .order_by(col(CalendarOverride.month), col(CalendarOverride.region))
    ).all()


def override_of(session: Session, month: Period, region: str) -> CalendarOverride | None:
    """The override of exactly this month and region."""
    return session.exec(
        select(CalendarOverride).where(
            col(CalendarOverride.month) == str(month), col(CalendarOverride.region) == region
        )
    ).one_or_none()


def override_by_id(session: Session, override_id: UUID) -> CalendarOverride | None:
    """One override."""
    return session.get(CalendarOverride, override_id)
