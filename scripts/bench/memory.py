"""Memory and processor time of processes, from /proc: resident in all, and what is a process's own."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from app.settings import ROOT

SAMPLE_SECONDS = 0.02
QUIET_SECONDS = 2.0


class CommandFailed(Exception):
    """A measured command did not exit with 0; the message holds the last line it printed."""


@dataclass(frozen=True, slots=True)
class Memory:
    """MB. `own` leaves out pages of mapped files (the database), which the system may drop any time."""

    resident: float
    own: float


def memory_of(pid: int) -> Memory:
    """What a process has now; zero for one that is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return Memory(0.0, 0.0)
    values = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    return Memory(_megabytes(values.get("VmRSS")), _megabytes(values.get("RssAnon")))


def _megabytes(text: str | None) -> float:
    return 0.0 if text is None else int(text.split()[0]) / 1024


def processor_seconds(pid: int) -> float:
    """What a process has used so far, in user and system mode."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    user, system = fields.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def await_quiet(pid: int, *, share: float = 0.1, limit: float = 600.0) -> None:
    """Wait until a process has used less than that share of a processor for two seconds.

    A server that has just met a full register tells people of every device near its lock date first; that is
    work of a day, not of a page.
    """
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        before = processor_seconds(pid)
        time.sleep(QUIET_SECONDS)
        if processor_seconds(pid) - before < share * QUIET_SECONDS:
            return
    raise TimeoutError(f"{pid} was still busy after {limit:g} s")


class PeakMemory:
    """The most a process has had while the block ran, looked at every few milliseconds."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.before = memory_of(pid)
        self.resident, self.own = self.before.resident, self.before.own

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(SAMPLE_SECONDS):
            now = memory_of(self._pid)
            self.resident = max(self.resident, now.resident)
            self.own = max(self.own, now.own)


@dataclass(frozen=True, slots=True)
class Run:
    """One finished command: how long it took, its peak memory in MB, what it printed."""

    seconds: float
    resident: float
    own: float
    output: str


def measured(arguments: Sequence[str], environment: Mapping[str, str], *, limit: float) -> Run:
    """Run `python -m …` to its end. Raises CommandFailed, also when it takes longer than `limit`."""
    started = time.monotonic()
    process = subprocess.Popen(  # noqa: S603 - our own program, no shell
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with PeakMemory(process.pid) as peak:
        try:
            output, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired as error:
            process.kill()
            process.communicate()
            raise CommandFailed(f"{arguments[0]} took longer than {limit:g} s") from error
    if process.returncode != 0:
        last = (output.strip() or "no output").splitlines()[-1]
        raise CommandFailed(f"{arguments[0]} exited {process.returncode}: {last}")
    return Run(time.monotonic() - started, peak.resident, peak.own, output)
