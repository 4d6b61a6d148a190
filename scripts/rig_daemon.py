"""Our programs as processes that can be watched, measured and killed, each ended by its own pid."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from app.settings import ROOT

READY_SECONDS = 90.0
STOP_SECONDS = 20.0


class NotReady(Exception):
    """The program ended, or did not say that it is ready in time; the message holds its last lines."""


class Daemon:
    """`python -m …` with its output in a file; ready once a line of it holds `ready`.

    `ready_seconds` is how long that took from the start of the process on.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        output: Path,
        ready: str = "ready on ",
    ) -> None:
        self._mark = ready
        self._output = output
        self._seen = output.stat().st_size if output.exists() else 0
        started = time.monotonic()
        with output.open("ab") as file:
            self._process = subprocess.Popen(  # noqa: S603 - our own program, no shell
                [sys.executable, "-m", *arguments],
                cwd=ROOT,
                env={**environment, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        self.pid = self._process.pid
        self._line = self._await_ready(started + READY_SECONDS)
        self.ready_seconds = time.monotonic() - started

    @property
    def address(self) -> str:
        """What the ready line names."""
        return self._line.split(self._mark, 1)[1].strip()

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process.poll() is None

    def said(self, prefix: str) -> str:
        """The rest of the first line that begins with `prefix`. Raises KeyError when there is none."""
        for line in self._lines():
            if line.startswith(prefix):
                return line.removeprefix(prefix).strip()
        raise KeyError(prefix)

    def pause(self) -> None:
        """Stop it where it stands, as a suspended machine would; it notices nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on after `pause`."""
        self._process.send_signal(signal.SIGCONT)

    def logged(self, text: str) -> int:
        """How many lines of its output hold this text."""
        return sum(text in line for line in self._lines())

    def kill(self) -> None:
        """kill -9: nothing is tidied up."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order; one that does not come to its end is killed."""
        self._end(signal.SIGTERM)

    def _lines(self) -> list[str]:
        with self._output.open("rb") as file:
            file.seek(self._seen)
            return file.read().decode("utf-8", "replace").splitlines()

    def _await_ready(self, deadline: float) -> str:
        while time.monotonic() < deadline:
            ready = next((line for line in self._lines() if self._mark in line), None)
            if ready is not None:
                return ready
            if self._process.poll() is not None:
                break
            time.sleep(0.005)
        self.kill()
        raise NotReady("\n".join(self._lines()[-30:]))

    def _end(self, how: signal.Signals) -> None:
        if self._process.poll() is None:
            self._process.send_signal(how)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(STOP_SECONDS)


def plain_environment(**settings: str) -> dict[str, str]:
    """The environment of this process without its own settings of the product, plus these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("QINGKA_")}
    return kept | settings
