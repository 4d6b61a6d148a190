"""The sender of this process: spreads what is in the outbox and delivers it, durably.

A leader looks for work, when it is woken and every few seconds; a few workers do the sending, each
delivery under a lease, so that several processes share the work without doing it twice.
"""

import queue
import threading
import time
from typing import Final

from app.core.clock import Clock
from app.core.db import Database
from app.core.logging import get_logger
from app.errors import QingkaError
from app.notifications import outgoing, wake
from app.notifications.sending.result import Result, failed
from app.notifications.service import deliveries
from app.notifications.service.deliveries import Claim
from app.notifications.service.spread import spread_waiting
from app.settings import Settings

log = get_logger(__name__)

POLL_SECONDS = 5.0
"""Between two looks for what nobody announced to this process: a repeated try, or a hand-over that got lost."""
GATHER_SECONDS = 0.5
"""So long what is published gathers: the events of one moment are spread in one transaction."""
WORKERS = 4
MOST_IN_A_ROW = 50
"""Mails through one connection; servers limit them, often to a hundred."""
LONGEST_RUN = 10.0
"""Seconds a worker stays with one channel."""
_STOP: Final = None


class Sender:
    """Starts with the server and stops with it."""

    def __init__(self, database: Database, settings: Settings, clock: Clock) -> None:
        self.database = database
        self.settings = settings
        self.clock = clock
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._published = threading.Event()
        self._work: queue.Queue[Claim | None] = queue.Queue()
        self._free = threading.Semaphore(WORKERS)
        self._leader = threading.Thread(target=self._lead, name="notify", daemon=True)
        self._workers = [
            threading.Thread(target=self._serve, name=f"notify-{number}", daemon=True)
            for number in range(WORKERS)
        ]

    def start(self) -> None:
        """Begin to look for work."""
        wake.listen(self._told)
        for thread in (self._leader, *self._workers):
            thread.start()

    def stop(self) -> None:
        """Take nothing new; a try under way that does not end soon is taken up again by its lease."""
        wake.unlisten(self._told)
        self._stopping.set()
        self._wake.set()
        for _ in self._workers:
            self._work.put(_STOP)
        for thread in (self._leader, *self._workers):
            thread.join(timeout=3)

    def run_once(self) -> int:
        """Spread and deliver what is due now, on this thread; gives how many tries were made."""
        spread_waiting(self.database, self.clock)
        claims = deliveries.claim_due(self.database, self.clock, WORKERS)
        return sum(self._deliver(claim) for claim in claims)

    def run_all(self) -> int:
        """`run_once` until nothing is due."""
        made = 0
        while more := self.run_once():
            made += more
        return made

    def _lead(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(POLL_SECONDS)
            if self._published.is_set():
                self._stopping.wait(GATHER_SECONDS)
                self._published.clear()
            self._wake.clear()
            try:
                self._look()
            except Exception as error:
                log.warning("could not look for notifications", exc_info=error)

    def _told(self) -> None:
        """Something was published."""
        self._published.set()
        self._wake.set()

    def _look(self) -> None:
        if self._stopping.is_set():
            return
        spread_waiting(self.database, self.clock)
        free = self._take_free()
        claims: list[Claim] = []
        try:
            if free:
                claims = deliveries.claim_due(self.database, self.clock, free)
        finally:
            if free > len(claims):
                self._free.release(free - len(claims))
        for claim in claims:
            self._work.put(claim)

    def _take_free(self) -> int:
        """As many workers as are idle, for this round."""
        taken = 0
        while taken < WORKERS and self._free.acquire(blocking=False):
            taken += 1
        return taken

    def _serve(self) -> None:
        while (claim := self._work.get()) is not _STOP:
            try:
                self._deliver(claim)
            except Exception as error:
                log.warning("a delivery broke; its lease ends by itself", exc_info=error)
            finally:
                self._free.release()
                self._wake.set()  # the receiver's next one may go

    def _deliver(self, claim: Claim) -> int:
        """Deliver it, then the mails that follow it to the same channel; gives how many tries were made.

        A connection for every mail would be most of the work (TCP, TLS, signing in); a receiver with
        much to get does not keep its worker for long.
        """
        line = outgoing.Line(self.database, self.settings)
        until = time.monotonic() + LONGEST_RUN
        following: Claim | None = claim
        tries = 0
        try:
            while following is not None:
                tries += 1
                more = tries < MOST_IN_A_ROW and time.monotonic() < until
                following = self._deliver_one(line, following, more=more)
        finally:
            line.close()
        return tries

    def _deliver_one(self, line: outgoing.Line, claim: Claim, *, more: bool) -> Claim | None:
        started = time.monotonic()
        result = self._try(line, claim)
        spent = int((time.monotonic() - started) * 1000)
        with self.database.transaction() as session:
            deliveries.finish(session, claim, result, milliseconds=spent, at=self.clock())
            if more and line.is_open and not self._stopping.is_set():
                return deliveries.claim_next(session, claim, self.clock)
        return None

    def _try(self, line: outgoing.Line, claim: Claim) -> Result:
        """A try that breaks is a failed one: it waits its time, and is given up in the end."""
        try:
            return line.send(claim.delivery_id, at=self.clock())
        except Exception as error:
            log.error("a delivery broke", delivery=str(claim.delivery_id), exc_info=error)
            return failed(QingkaError, f"系统内部错误：{type(error).__name__}")
