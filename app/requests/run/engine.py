"""The workflow engine of this process: started once, fed by `dispatch`, kept honest by a sweep.

State of workflows lives beside the product's data: an SQLite file of its own on one PC, the schema
`dbos` of the same database on PostgreSQL, where several processes share the queue.
"""

import threading
from collections.abc import Sequence
from time import monotonic, sleep
from typing import Protocol
from uuid import UUID

from dbos import DBOS, DBOSConfig, SetWorkflowID

from app.clearing import queries
from app.core.logging import get_logger
from app.requests import dispatch
from app.requests.run import processes, workflow
from app.requests.run.context import Context
from app.requests.run.lost_workflows import LostWorkflows
from app.requests.run.pace import Pace
from app.requests.service.due import start_due

log = get_logger(__name__)

QUEUE = "clearing"
WORKFLOW_VERSION = "1"
"""Changes only when the steps of the workflow change in a way running ones can't follow; a release
does not change it, so work in flight goes on after an upgrade."""

SWEEP_SECONDS = 2.0
"""How long work may lie that nobody announced; announced work is looked at at once."""

FULL_SWEEP_SECONDS = 30.0
"""Between two sweeps of an engine that has nothing to do; one that has sweeps every time it looks."""

LISTENER_SECONDS = 0.1
"""Between two looks of the engine's listener at the messages workflows wait for. Ours wait for none, so a look
asks the database nothing (0.05 % of a core); but a stop waits for the listener to wake up."""

SCHEDULES_SECONDS = 3600.0
"""Between two looks at schedules of workflows, of which we have none: `app.jobs` has the recurring work."""

_ENDED = frozenset({"SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"})


class Companion(Protocol):
    """Work of a feature above this one that begins and ends with the engine, e.g. the portions of batches."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """End with what is at hand."""

    def look(self) -> None:
        """Look whether there is something to do."""


class Engine:
    """Runs clearings durably. `start` takes up what an earlier process left."""

    def __init__(
        self,
        context: Context,
        *,
        executor_id: str = "local",
        companions: Sequence[Companion] = (),
    ) -> None:
        self.context = context
        self.executor_id = executor_id
        self._lost = LostWorkflows(workflow.executing)
        self._said_alive = float("-inf")
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._pace = Pace()
        self._next_full = float("-inf")
        self._companions = companions
        self._sweeper = threading.Thread(
            target=self._sweep_for_ever, name="clearing-sweep", daemon=True
        )

    def start(self) -> None:
        """Launch the engine, recover what this executor had running, begin to sweep."""
        workflow.bind(self.context, self.executor_id)
        self._say_alive()
        DBOS(config=self._config())
        DBOS.launch()
        queue = DBOS.register_queue(
            QUEUE,
            worker_concurrency=self.context.settings.clearing_concurrency,
            polling_interval_sec=self._pace.seconds,
            on_conflict="always_update",
        )
        self._pace.set_by(queue.set_polling_interval_sec)
        dispatch.install(dispatch.Hooks(start=self._start_workflow, look=self._look))
        self._sweeper.start()
        for one in self._companions:
            one.start()

    @property
    def silence(self) -> float:
        """Seconds since this engine last wrote that it is alive; infinite while it can't, or isn't running."""
        return monotonic() - self._said_alive

    def stop(self, *, patience: float = 0.0) -> None:
        """Stop taking work; what runs after `patience` seconds is taken up again at the next start."""
        dispatch.uninstall()
        for one in self._companions:
            one.stop()
        self._let_finish(patience)
        self._stopping.set()
        self._wake.set()
        self._sweeper.join(timeout=5)
        self._said_alive = float("-inf")
        DBOS.destroy(workflow_completion_timeout_sec=0)
        processes.say_goodbye(self.context, self.executor_id)

    def _look(self) -> None:
        """Something may be due, or ordered."""
        self._wake.set()
        for one in self._companions:
            one.look()

    def _let_finish(self, seconds: float) -> None:
        """A workflow that has written its outcome has a moment of its own bookkeeping left."""
        deadline = monotonic() + seconds
        while monotonic() < deadline and self._is_busy():
            sleep(0.05)

    def _is_busy(self) -> bool:
        pending = DBOS.list_workflows(
            status="PENDING", executor_id=self.executor_id, load_input=False, load_output=False
        )
        return bool(pending)

    def _config(self) -> DBOSConfig:
        database = self.context.database
        url = (
            f"sqlite:///{self.context.settings.data_dir / 'workflows.db'}"
            if database.is_sqlite
            else database.url.render_as_string(hide_password=False)
        )
        return {
            "name": "qingka",
            "system_database_url": url,
            "application_version": WORKFLOW_VERSION,
            "executor_id": self.executor_id,
            "log_level": "WARNING",
            "max_executor_threads": 64,
            "sys_db_pool_size": self.context.settings.engine_connections,
            "notification_listener_polling_interval_sec": LISTENER_SECONDS,
            "scheduler_polling_interval_sec": SCHEDULES_SECONDS,
        }

    def _sweep_for_ever(self) -> None:
        next_sweep = monotonic() + SWEEP_SECONDS
        while not self._stopping.is_set():
            self._wake.wait(max(0.0, next_sweep - monotonic()))
            self._wake.clear()
            try:
                if monotonic() < next_sweep:
                    self._start_due()
                else:
                    next_sweep = monotonic() + SWEEP_SECONDS
                    self._look_around()
            except Exception as error:
                log.warning("sweep failed", exc_info=error)

    def _look_around(self) -> None:
        """Sweep, unless there is nothing to do for anybody: then one question is enough."""
        self._say_alive()
        with self.context.database.reading() as session:
            busy = queries.has_work(session, self.context.clock())
        self._pace.keep(busy=busy)
        if busy or monotonic() >= self._next_full:
            self._next_full = monotonic() + FULL_SWEEP_SECONDS
            self.sweep()

    def _start_workflow(self, request_id: UUID, attempt: int) -> None:
        """Enqueue the attempt, and see that it does not lie there."""
        start_workflow(request_id, attempt)
        self._pace.keep(busy=True)

    def _start_due(self) -> None:
        """All there is to do when a place has become free: with hundreds at once a sweep for each is too much."""
        if not self._stopping.is_set():
            start_due(self.context.database, self.context.settings, self.context.clock)

    def sweep(self) -> None:
        """Start what is due; start what is running without a workflow; end what a workflow left open."""
        if self._stopping.is_set():
            return
        self._say_alive()
        self._take_over()
        self._take_up_lost()
        self._start_due()
        self._match_requests()

    def _say_alive(self) -> None:
        """Not at every sweep: there is one whenever a clearing is started, and this is a commit."""
        if self.silence < processes.ALIVE_EVERY.total_seconds():
            return
        self._said_alive = float("-inf")  # until it is written: nothing else can be written either
        processes.say_alive(self.context, self.executor_id)
        self._said_alive = monotonic()

    def _take_over(self) -> None:
        for silent in processes.silent(self.context, self.executor_id):
            with processes.taking_over(self.context, silent) as is_ours:
                if not is_ours:
                    continue
                log.warning("taking over the work of a process that is gone", executor=silent)
                for identity in _pending_of(silent):
                    DBOS.resume_workflow(identity, queue_name=QUEUE)

    def _take_up_lost(self) -> None:
        """Put workflows back into the queue that ended in this process without a record of it."""
        for identity in self._lost.among(_pending_of(self.executor_id)):
            log.warning("taking up a workflow nobody executes", workflow=identity)
            DBOS.resume_workflow(identity, queue_name=QUEUE)

    def _match_requests(self) -> None:
        with self.context.database.reading() as session:
            wanted = {workflow_id(*key): key for key in queries.running(session)}
        if not wanted:
            return
        known = {
            status.workflow_id: status.status
            for status in DBOS.list_workflows(
                workflow_ids=list(wanted), load_input=False, load_output=False
            )
        }
        for identity, (request_id, attempt) in wanted.items():
            if identity not in known:
                self._start_workflow(request_id, attempt)
            elif known[identity] in _ENDED:
                workflow.end_broken(self.context, request_id, attempt)


def _pending_of(executor_id: str) -> list[str]:
    """The workflows this process is executing by the engine's books."""
    found = DBOS.list_workflows(
        status="PENDING",
        executor_id=executor_id,
        name=workflow.WORKFLOW,
        load_input=False,
        load_output=False,
    )
    return [status.workflow_id for status in found]


def workflow_id(request_id: UUID, attempt: int) -> str:
    """One workflow for one attempt: starting it twice starts it once."""
    return f"clearing-{request_id}-{attempt}"


def start_workflow(request_id: UUID, attempt: int) -> None:
    """Enqueue the attempt. An engine that can't take it now gets it in the next sweep."""
    try:
        with SetWorkflowID(workflow_id(request_id, attempt)):
            DBOS.enqueue_workflow(QUEUE, workflow.run_request, str(request_id), attempt)
    except Exception as error:
        log.warning("could not enqueue; the sweep will", request=str(request_id), exc_info=error)
