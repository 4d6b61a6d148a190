"""Carries out what is ordered of batches, a portion at a time, on a thread of its own.

All there is to know is in the database: after a crash any process goes on with the next portion.
"""

import threading

from app.batches.portions import next_portion
from app.core.logging import get_logger
from app.requests.run.context import Context

log = get_logger(__name__)

LOOK_SECONDS = 2.0
"""How long an order may lie that nobody announced to this process, or whose portion failed."""

ALONE_SECONDS = 30.0
"""The same on SQLite, where no other process takes orders."""

PAUSE_SECONDS = 0.12
"""Between two portions. Another process that waits for SQLite's lock looks every tenth of a second: a shorter
pause it could miss again and again."""


class Portions:
    """The thread. `look` tells it that there may be something to do."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(
            target=self._for_ever, name="clearing-portions", daemon=True
        )

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End with the portion at hand; the next start goes on."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(timeout=10)

    def look(self) -> None:
        """Look at once."""
        self._wake.set()

    def _for_ever(self) -> None:
        usual = ALONE_SECONDS if self._context.database.is_sqlite else LOOK_SECONDS
        pause = LOOK_SECONDS  # the first look is for what an earlier process left
        while not self._stopping.is_set():
            self._wake.wait(pause)
            self._wake.clear()
            try:
                self._work_off()
                pause = usual
            except Exception as error:
                log.warning("a portion of a batch failed; it is tried again", exc_info=error)
                pause = LOOK_SECONDS

    def _work_off(self) -> None:
        context = self._context
        while not self._stopping.is_set():
            if not next_portion(context.database, context.settings, context.clock):
                return
            self._stopping.wait(PAUSE_SECONDS)
