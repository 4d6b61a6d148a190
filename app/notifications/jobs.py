"""The recurring work of notifications."""

from datetime import time, timedelta

from app.core.process import Process
from app.jobs.scheduler import RecurringJob, Run, daily, every
from app.notifications import watch
from app.notifications.reminders import remind_of_locks

REMIND_AT = time(9, 0)
"""Asia/Shanghai."""
WATCH_EVERY = timedelta(seconds=10)


def watch_for_failures(process: Process, run: Run) -> str:
    """Publish what failed since the last look."""
    return watch.look(process.database, run)


def remind(process: Process, run: Run) -> str:
    """Remind of devices that will lock soon."""
    return f"提醒 {remind_of_locks(process.database, process.settings, run.at)} 台设备"


JOBS = (
    RecurringJob("watch", watch_for_failures, every(WATCH_EVERY), lease=timedelta(minutes=1)),
    RecurringJob("lock-reminders", remind, daily(REMIND_AT)),
)
