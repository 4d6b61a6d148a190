"""Reminders of requests that nobody has reviewed: once a day each, to reviewers and admins."""

from datetime import datetime, time, timedelta

from app.clearing import queries
from app.core.clock import local_date
from app.core.db import Database
from app.core.process import Process
from app.jobs.scheduler import RecurringJob, Run, daily
from app.requests.service.announcements import announce_waiting

REMIND_AT = time(9, 0)
"""Asia/Shanghai."""

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


def remind(process: Process, run: Run) -> str:
    """Remind of what waits, as a job."""
    return f"提醒 {remind_of_reviews(process.database, run.at)} 件申请"


JOBS = (RecurringJob("review-reminders", remind, daily(REMIND_AT)),)
