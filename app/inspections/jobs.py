"""The recurring work of inspections: enter those that are due, make those that wait."""

from datetime import date, timedelta

from app.core.clock import local_date
from app.core.process import Process
from app.inspections import service
from app.jobs.scheduler import RecurringJob, Run, every

INSPECT_EVERY = timedelta(seconds=10)


def inspect(process: Process, run: Run) -> str:
    """Enter what the schedule asks for since the installation began, then make what waits."""
    today = local_date(run.at)
    since = run.state.get("since") or today.isoformat()
    with process.database.transaction() as session:
        entered = service.enter_scheduled(
            session, process.settings, now=run.at, since=date.fromisoformat(since)
        )
        if "since" not in run.state:
            run.keep(session, since=since)
    made = service.run_waiting(process)
    return f"新增 {len(entered)} 项，完成 {made} 项"


JOBS = (
    RecurringJob(
        "inspections", inspect, every(INSPECT_EVERY), lease=timedelta(minutes=1), slow=True
    ),
)
