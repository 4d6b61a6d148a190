"""What runs on a Windows PC imports nothing of Unix, and does there what Windows has for it.

The modules of Unix are taken away and `sys.platform` says win32 before the agent is imported, in a
process of its own. What Windows itself does (its locks, its DLLs) is not shown here.
"""

import subprocess
import sys

import pytest

_PRELUDE = """
import os, sys, types
# Everything that is not ours comes first: it was chosen for the real platform.
import app.agent.cli, app.simulator.cli, app.agent.drivers.tax_server.driver
import app.agent.drivers.serial_converter.driver, app.agent.drivers.operate_disk.driver
for name in [name for name in sys.modules if name.startswith("app.agent")]:
    del sys.modules[name]
for name in ("fcntl", "termios", "tty", "pty", "pwd", "grp", "resource"):
    sys.modules[name] = None
locked = []
msvcrt = types.ModuleType("msvcrt")
msvcrt.LK_LOCK, msvcrt.LK_UNLCK = 1, 0
msvcrt.locking = lambda descriptor, mode, count: locked.append((mode, count))
msvcrt.setmode = lambda descriptor, mode: locked.append(("binary", mode))
sys.modules["msvcrt"] = msvcrt
os.O_BINARY = 0
sys.platform = "win32"
"""


def run_as_windows(code: str) -> str:
    """What the code prints."""
    done = subprocess.run(
        [sys.executable, "-c", _PRELUDE + code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "module",
    [
        "app.agent.cli",
        "app.simulator.cli",
        "app.agent.drivers.tax_server.driver",
        "app.agent.drivers.serial_converter.driver",
        "app.agent.drivers.operate_disk.driver",
        "app.agent.drivers.operate_disk.host",
    ],
)
def test_imports_nothing_of_unix(module: str) -> None:
    assert run_as_windows(f"import {module}; print('imported')") == "imported\n"


def test_all_three_families_can_be_configured() -> None:
    code = """
from pathlib import Path
import tempfile
from app.agent.assembly import build_runtime
from app.agent.config import parse_config
devices = [
    {"driver": "tax_server", "url": "http://127.0.0.1:1", "bureau_url": "http://127.0.0.1:1/b",
     "number": "661814461322", "password": "12345678"},
    {"driver": "serial_converter", "port": "COM3", "password": "12345678"},
    {"driver": "operate_disk", "library": "NISEC_SKPC.dll", "calling_convention": "stdcall",
     "bureau_url": "http://127.0.0.1:1/b", "password": "12345678"},
]
with tempfile.TemporaryDirectory() as folder:
    runtime = build_runtime(parse_config({"device": devices}), Path(folder))
    print(",".join(one.driver for one in runtime.devices()))
    runtime.stop()
"""
    assert run_as_windows(code) == "tax_server,serial_converter,operate_disk\n"


def test_the_library_is_called_under_a_windows_lock() -> None:
    code = """
import io
from app.agent.drivers.operate_disk import host
with open(os.devnull, "rb") as file:
    host.lock_file(file); host.unlock_file(file); host._binary(0)
print(locked)
"""
    assert run_as_windows(code) == "[(1, 1), (0, 1), ('binary', 0)]\n"


def test_a_console_break_ends_the_agent_in_order() -> None:
    code = """
import asyncio, signal, tempfile, threading
import uvicorn.server
asyncio.ProactorEventLoop = asyncio.SelectorEventLoop  # what uvicorn takes on Windows
signal.SIGBREAK = signal.SIGUSR1  # the number Windows has does not exist here
uvicorn.server.HANDLED_SIGNALS += (signal.SIGBREAK,)  # as uvicorn has it on Windows
from typer.testing import CliRunner
import app.agent.cli as cli
from app.agent.runtime import Runtime
ends = []
started, stopped = Runtime.start, Runtime.stop
def start(self):
    started(self)
    threading.Timer(1.0, lambda: os.kill(os.getpid(), signal.SIGBREAK)).start()
def stop(self):
    stopped(self)
    ends.append("devices let go")
Runtime.start, Runtime.stop = start, stop
with tempfile.TemporaryDirectory() as folder:
    os.environ["QINGKA_AGENT_TOKEN"] = "t"
    result = CliRunner().invoke(cli.agent, ["serve", "--port", "0", "--data-dir", folder])
print(result.exit_code, "agent ready" in result.output, ends)
"""
    assert run_as_windows(code) == "0 True ['devices let go']\n"
