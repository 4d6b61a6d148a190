"""Reminders of requests that nobody has reviewed: once a day each, to reviewers and admins."""

from datetime import datetime, timedelta

from app.clearing import queries
from app.clearing.service.announce import announce_waiting
from app.core.clock import local_date
from app.core.db import Database

WAITS = timedelta(hours=12)
"""So long a request may wait before anybody is reminded."""


def remind_of_reviews(database: Database, now: datetime) -> int:
    """Publish a reminder for every request that waits too long; gives how many."""
    with database.transaction() as session:
        return sum(
            announce_waiting(
                session,
                request,
                at=now,
                dedupe_key=f"review:{request.id.hex}:{local_date(now)}",
            )
            for request in queries.unreviewed(session, before=now - WAITS)
        )
