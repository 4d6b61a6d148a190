"""What runs beside the requests: the sender of notifications and two schedulers of recurring work.

One scheduler is for what is quick and wanted on time, the other for what may take minutes.
"""

from datetime import date, time, timedelta
from functools import partial

from app.audit.actor import SYSTEM
from app.clearing.reminders import remind_of_reviews
from app.core.clock import Clock, local_date
from app.core.db import Database
from app.core.metrics import RequestMetrics
from app.inspections import service as inspections_service
from app.inspections.context import Context
from app.notifications import watch
from app.notifications.reminders import remind_of_locks
from app.notifications.scheduler import JobPlan, Run, Scheduler, daily, every
from app.notifications.sender import Sender
from app.settings import Settings
from app.system import maintenance, updates
from app.system.rules import Rules

REMIND_AT = time(9, 0)
CARE_AT = time(3, 30)
UPDATES_AT = time(8, 30)
"""Asia/Shanghai."""
WATCH_EVERY = timedelta(seconds=10)
INSPECT_EVERY = timedelta(seconds=10)


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
        self.settings = settings
        self.clock = clock
        self.rules = rules
        self.context = Context(database, settings, clock, metrics)
        self.sender = Sender(database, settings, clock)
        follow_rules = partial(rules.refresh, database)
        self.quick = Scheduler(database, clock, self._quick_jobs(), each_tick=follow_rules)
        self.long = Scheduler(database, clock, self._long_jobs())

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

    def _quick_jobs(self) -> list[JobPlan]:
        minute = timedelta(minutes=1)
        return [
            JobPlan("watch", self._watch, every(WATCH_EVERY), lease=minute),
            JobPlan("lock-reminders", self._remind_of_locks, daily(REMIND_AT)),
            JobPlan("review-reminders", self._remind_of_reviews, daily(REMIND_AT)),
        ]

    def _long_jobs(self) -> list[JobPlan]:
        jobs = [
            JobPlan("inspections", self._inspect, every(INSPECT_EVERY), lease=timedelta(minutes=1)),
            JobPlan("maintenance", self._care, daily(CARE_AT), first_at_once=False),
        ]
        if self.settings.update_url:
            jobs.append(JobPlan(updates.JOB, self._look_for_updates, daily(UPDATES_AT)))
        return jobs

    def _watch(self, run: Run) -> str:
        return watch.look(self.database, run)

    def _remind_of_locks(self, run: Run) -> str:
        return f"提醒 {remind_of_locks(self.database, self.settings, run.at)} 台设备"

    def _remind_of_reviews(self, run: Run) -> str:
        return f"提醒 {remind_of_reviews(self.database, run.at)} 件申请"

    def _inspect(self, run: Run) -> str:
        today = local_date(run.at)
        since = run.state.get("since") or today.isoformat()
        with self.database.transaction() as session:
            entered = inspections_service.enter_scheduled(
                session, self.settings, now=run.at, since=date.fromisoformat(since)
            )
            if "since" not in run.state:
                run.keep(session, since=since)
        made = inspections_service.run_waiting(self.context)
        return f"新增 {len(entered)} 项，完成 {made} 项"

    def _look_for_updates(self, run: Run) -> str:
        return updates.look(self.database, self.settings, run)

    def _care(self, run: Run) -> str:
        return "；".join(
            maintenance.run(
                self.database, self.settings, task, actor=SYSTEM, clock=self.clock
            ).sentence
            for task in (maintenance.Task.CLEAN, maintenance.Task.OPTIMIZE)
        )
