"""A real shared library in a process of its own: it hangs, crashes and scribbles; the agent does not."""

from __future__ import annotations

import _ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.agent.drivers.operate_disk.host import OUT_BYTES
from app.agent.drivers.operate_disk.process import LibraryCall
from app.agent.drivers.operate_disk.transport import LibraryTransport
from app.agent.drivers.transports import AnswerLost, NotSent, TransportError
from app.agent.drivers.xml.messages import Request, decode, encode

if TYPE_CHECKING:
    from tests.agent.operate_disk.conftest import Bench

    Make = Callable[..., LibraryTransport]

ROOT = Path(__file__).parents[3]


@pytest.fixture
def message(bench: Bench) -> bytes:
    """编号查询 of the bench's device."""
    return encode(Request("SKSBBH", "", {"jqbh": "", "sksbbh": bench.number}))


def failure(
    transport: LibraryTransport, message: bytes, kind: type[TransportError], timeout: float = 5.0
) -> TransportError:
    with pytest.raises(TransportError) as caught:
        transport.exchange(message, timeout)
    assert type(caught.value) is kind
    return caught.value


def process_of(transport: LibraryTransport) -> int:
    assert transport.process_id is not None
    return transport.process_id


def until(question: Callable[[], bool]) -> bool:
    """Whether the answer becomes yes within a few seconds."""
    deadline = time.monotonic() + 10
    while not question():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def ended(pid: int) -> bool:
    """Whether the process is no more, or has ended and nobody has asked how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def gone(pid: int) -> bool:
    """Whether the process ends within a few seconds."""
    return until(lambda: ended(pid))


def test_messages_go_through_one_process(
    bench: Bench, make_transport: Make, message: bytes
) -> None:
    transport = make_transport()
    assert decode(transport.exchange(message)).fields["sksbbh"] == bench.number
    first = process_of(transport)
    assert decode(transport.exchange(message)).succeeded
    assert process_of(transport) == first
    transport.close()
    assert gone(first)
    assert decode(transport.exchange(message)).succeeded


def test_a_library_that_prints_disturbs_nothing(
    bench: Bench, make_transport: Make, message: bytes
) -> None:
    bench.fail("print", "SKSBBH")
    assert decode(make_transport().exchange(message)).succeeded
    assert not bench.control_file.exists()


def test_libraries_that_cannot_be_used(
    make_transport: Make, message: bytes, tmp_path: Path
) -> None:
    text = tmp_path / "text.so"
    text.write_text("this is no library")
    for path, convention, why in (
        (tmp_path / "missing.so", "cdecl", "missing.so"),
        (text, "cdecl", "text.so"),
        (Path(_ctypes.__file__), "cdecl", "OperateDisk"),
        (None, "stdcall", "stdcall"),
    ):
        error = failure(make_transport(path, convention), message, NotSent)
        assert why in str(error)


@pytest.mark.parametrize("fault", ["hang", "hang-after"])
def test_a_library_that_hangs_is_killed_in_time(
    bench: Bench, make_transport: Make, message: bytes, fault: str
) -> None:
    transport = make_transport()
    transport.exchange(message)
    stuck = process_of(transport)
    bench.fail(fault, "SKSBBH")
    started = time.monotonic()
    assert failure(transport, message, AnswerLost, timeout=0.5).timed_out
    assert time.monotonic() - started < 3
    assert gone(stuck)
    assert decode(transport.exchange(message)).succeeded


@pytest.mark.parametrize("fault", ["crash", "crash-after"])
def test_a_library_that_crashes_is_started_again(
    bench: Bench, make_transport: Make, message: bytes, fault: str
) -> None:
    transport = make_transport()
    bench.fail(fault, "SKSBBH")
    error = failure(transport, message, AnswerLost)
    assert not error.timed_out
    assert "-11" in str(error)
    assert decode(transport.exchange(message)).succeeded


def test_a_crash_between_two_messages_loses_nothing(make_transport: Make, message: bytes) -> None:
    transport = make_transport()
    transport.exchange(message)
    first = process_of(transport)
    os.kill(first, signal.SIGKILL)
    assert gone(first)
    assert decode(transport.exchange(message)).succeeded


def test_a_scribbled_answer_is_given_as_it_is(
    bench: Bench, make_transport: Make, message: bytes
) -> None:
    transport = make_transport()
    bench.fail("scribble", "SKSBBH")
    assert transport.exchange(message) == b"\xa5" * OUT_BYTES
    assert decode(transport.exchange(message)).succeeded


def test_a_library_that_writes_beyond_its_buffer_is_not_used_on(
    bench: Bench, make_transport: Make, message: bytes
) -> None:
    transport = make_transport()
    transport.exchange(message)
    first = process_of(transport)
    bench.fail("overrun", "SKSBBH")
    failure(transport, message, AnswerLost)
    assert gone(first)
    assert decode(transport.exchange(message)).succeeded


def test_a_library_that_answers_nothing(bench: Bench, make_transport: Make, message: bytes) -> None:
    fault = bench.server.control(
        "POST", "/faults", {"fault": "lost_before", "device": bench.number, "times": 1}
    )
    error = failure(make_transport(), message, AnswerLost)
    assert "OperateDisk 返回 -2" in str(error)
    assert fault["fault"] == "lost_before"


def test_one_call_at_a_time_on_the_whole_computer(
    bench: Bench, make_transport: Make, message: bytes
) -> None:
    """The process of a killed agent is still in the library: the next agent's waits its turn."""
    first, second = make_transport(), make_transport()
    second.exchange(message)
    bench.fail("hang", "SKSBBH")
    with ThreadPoolExecutor(1) as pool:
        stuck = pool.submit(failure, first, message, AnswerLost, 2.0)
        assert until(lambda: not bench.control_file.exists())
        assert failure(second, message, NotSent, timeout=0.3).timed_out
        assert stuck.result().timed_out
    assert decode(second.exchange(message)).succeeded


def test_the_library_does_not_get_the_agents_secrets(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QINGKA_SECRET_KEY", "secret")
    monkeypatch.setenv("LANG", "zh_CN.GBK")
    environment = LibraryCall(bench.library, "cdecl", bench.environment).process_environment()
    assert "QINGKA_SECRET_KEY" not in environment
    assert environment["LANG"] == "zh_CN.GBK"
    assert environment.items() >= bench.environment.items()


def test_the_library_process_ends_with_the_agent(bench: Bench, tmp_path: Path) -> None:
    agent = tmp_path / "agent.py"
    agent.write_text(
        "import sys, time\n"
        "from pathlib import Path\n"
        "from app.agent.drivers.operate_disk.process import HostProcess, LibraryCall\n"
        "print(HostProcess(LibraryCall(Path(sys.argv[1]))).pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, str(agent), str(bench.library)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout is not None
        host = int(process.stdout.readline())
        process.kill()
    assert gone(host)
