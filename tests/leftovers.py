"""What a test run leaves behind, however it ends: no process, and when it was killed no directory either.

As a plugin of pytest this starts a child that waits for the end of its input, which is the end of the run. What
the run started is known by a variable of the environment: children inherit it, also of children that are gone.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest

MARK = "PYTEST_RUN_MARK"
_ENDED = b"ended"
_GRACE = 10.0
"""Seconds the workers and servers of a run that ended by itself have to go."""
_PATIENCE = 5.0
"""Seconds from asking a process to end to ending it."""

_watching = pytest.StashKey[subprocess.Popen[bytes]]()


def pytest_configure(config: pytest.Config) -> None:
    """Start the child; the workers of a run are watched with it."""
    if hasattr(config, "workerinput"):
        return
    mark = os.environ[MARK] = uuid4().hex
    # A directory pytest chose itself it also tidies away itself, after some runs.
    directory = config.getoption("basetemp")
    config.stash[_watching] = subprocess.Popen(
        [sys.executable, __file__, mark, *([str(directory)] if directory else [])],
        stdin=subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if name != MARK},
        start_new_session=True,  # what kills the group of the run leaves it
    )


def pytest_unconfigure(config: pytest.Config) -> None:
    """Tell the child that the run ended by itself; it is not waited for."""
    if (child := config.stash.get(_watching, None)) is not None:
        assert child.stdin is not None
        child.stdin.write(_ENDED)
        child.stdin.close()
        child.returncode = 0  # else Python warns of a child still running


def main(mark: str, *directories: str) -> None:
    """Wait for the end of the run, then end what is left of it."""
    killed = sys.stdin.buffer.read() != _ENDED
    _wait_for_none(mark, 0.0 if killed else _GRACE)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process_id in _left(mark):
            with suppress(ProcessLookupError):  # it went by itself
                os.kill(process_id, number)
        _wait_for_none(mark, _PATIENCE)
    for directory in directories if killed else ():
        shutil.rmtree(directory, ignore_errors=True)


def _wait_for_none(mark: str, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and _left(mark):
        time.sleep(0.1)


def _left(mark: str) -> list[int]:
    """Processes that carry the mark. Where there is no /proc nothing is found."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for place in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # gone meanwhile, or somebody else's
            if wanted in place.read_bytes().split(b"\0"):
                found.append(int(place.parent.name))
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
