"""What runs beside the requests: the sender of notifications and two schedulers of recurring work.

One scheduler is for what is quick and wanted on time, the other for what may take minutes.
"""

from functools import partial

from app import features
from app.core.clock import Clock
from app.core.db import Database
from app.core.metrics import RequestMetrics
from app.core.process import Process
from app.jobs.scheduler import Scheduler
from app.notifications.sender import Sender
from app.settings import Settings
from app.system.rules import Rules


class Background:
    """Starts with the server, or the worker, and stops with it."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        clock: Clock,
        metrics: RequestMetrics,
        rules: Rules,
    ) -> None:
        self.database = database
        self.rules = rules
        self.process = Process(database, settings, clock, metrics)
        self.sender = Sender(database, settings, clock)
        jobs = [job for job in features.jobs() if job.wanted(settings)]
        quick = [job.plan(self.process) for job in jobs if not job.slow]
        slow = [job.plan(self.process) for job in jobs if job.slow]
        follow_rules = partial(rules.refresh, database)
        self.quick = Scheduler(database, clock, quick, each_tick=follow_rules)
        self.long = Scheduler(database, clock, slow)

    def start(self) -> None:
        """Apply the rules that admins have set, then begin."""
        self.rules.refresh(self.database)
        self.sender.start()
        self.quick.start()
        self.long.start()

    def stop(self) -> None:
        """Start nothing new; what is under way is taken up again by its lease."""
        self.long.stop()
        self.quick.stop()
        self.sender.stop()
