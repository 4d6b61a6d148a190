"""A run of the tests that is killed leaves no process and no directory behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

_OPTIONS = ("-q", "-p", "tests.conftest", "-n", "1", f"--rootdir={ROOT}")
_TEST = """
import os, subprocess, sys, time
from pathlib import Path

def test_takes_long(postgres_server):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    found = [next(Path({base!r}).rglob("postmaster.pid")).read_text().split()[0], child.pid, os.getpid()]
    Path({told!r}).with_suffix(".new").write_text(" ".join(map(str, found)))
    Path({told!r}).with_suffix(".new").rename({told!r})
    time.sleep(300)
"""


def _until(true: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


def _runs(process_id: int) -> bool:
    """A process that ended and is not yet taken note of has no memory any more."""
    try:
        return bool(Path(f"/proc/{process_id}/cmdline").read_bytes())
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
def test_a_killed_run_leaves_nothing(tmp_path: Path) -> None:
    base, told = tmp_path / "base", tmp_path / "told"
    (tmp_path / "test_long.py").write_text(_TEST.format(base=str(base), told=str(told)))
    run = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "pytest",
            *_OPTIONS,
            "--basetemp",
            str(base),
            str(tmp_path / "test_long.py"),
        ],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    try:
        _until(told.exists, 90)
        started = [int(one) for one in told.read_text().split()]
        assert all(_runs(one) for one in started)
    finally:
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
    _until(lambda: not any(_runs(one) for one in started), 30)
    _until(lambda: not base.exists(), 30)
