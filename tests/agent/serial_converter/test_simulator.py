"""The simulated converter keeps to the protocol, also with hosts that do not; and its command line."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
import serial

from app.agent.config import DeviceConfig
from app.agent.drivers.base import Conversation, DeviceUnavailable
from app.agent.drivers.serial_converter.driver import build
from app.agent.drivers.serial_converter.link import Timing
from app.contracts.devices import DeviceKind
from app.contracts.periods import Period

if TYPE_CHECKING:
    from tests.agent.serial_converter.conftest import Bench, MemorySteps

ROOT = str(Path(__file__).parents[3])
ONLINE = "1b 10 01 00 05 c4c7"
OK = "4f4b 00 04 c99a"
CRC_ERROR = "4552 00 05 1f 69c2"
UNKNOWN_COMMAND = "4552 00 05 20 6940"
BAD_LENGTH = "4552 00 05 22 e94f"
TIMED_OUT = "4552 00 05 30 e923"
READY = re.compile(r"virtual serial ready on (\S+) device (\d{12}) control (http://\S+)\n")


@pytest.fixture
def line(bench: Bench) -> Iterator[serial.Serial]:
    """The bare port, for hosts that break the protocol."""
    with serial.Serial(bench.port.path, 9600, timeout=3) as port:
        yield port


def say(line: serial.Serial, text: str, answer: str) -> None:
    line.write(bytes.fromhex(text))
    wanted = bytes.fromhex(answer)
    assert line.read(len(wanted)).hex(" ") == wanted.hex(" ")


def test_error_answers(line: serial.Serial) -> None:
    say(line, ONLINE, OK)
    say(line, "1b 10 01 00 05 c4c8", CRC_ERROR)
    say(line, "1b 10 0c 00 05 4420", UNKNOWN_COMMAND)
    say(line, "1b 10 02 00 06 41 721d", BAD_LENGTH)
    say(line, "1b 10 01 00", TIMED_OUT)
    say(line, "1b 10 02 01 06 41 f20a", "4e50 00 05 01 42ce")
    say(line, "", TIMED_OUT)
    say(line, "ff" + ONLINE, OK)


def test_a_host_that_does_not_acknowledge_the_end_loses_its_next_command(
    bench: Bench, line: serial.Serial
) -> None:
    """Seen on the real implementation: what comes within 3 s is taken for the acknowledgement."""
    password = b"66666666".hex() + "00" * 12
    body = bytes.fromhex("1b10040019" + password)
    rest = int.from_bytes(body, "big") << 16
    while rest.bit_length() > 16:
        rest ^= 0x18005 << (rest.bit_length() - 17)
    line.write(body + rest.to_bytes(2, "big"))
    assert len(line.read(255)) == 255
    line.write(bytes.fromhex("4e50 00 05 01 42ce"))
    assert len(line.read(375 - 249 + 6)) == 132
    line.timeout = 0.1
    line.write(bytes.fromhex(ONLINE))
    assert line.read(6) == b""
    line.timeout = 3
    say(line, ONLINE, OK)
    assert bench.port.converter.received == [0x04, 0x01]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], tuple[subprocess.Popen[str], str, str, str]]]:
    """Starts `virtual serial` as a process: the process, its port, device and control address."""
    running: list[subprocess.Popen[str]] = []

    def run() -> tuple[subprocess.Popen[str], str, str, str]:
        module = "app.simulator.serial_cli"
        options = ["--link", str(tmp_path / "ttyConverter"), "--data-dir", str(tmp_path)]
        process = subprocess.Popen(
            [sys.executable, "-m", module, *options, "--clock", "2026-11-10T10:00:00"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": ROOT},
        )
        running.append(process)
        assert process.stdout is not None
        found = READY.fullmatch(process.stdout.readline())
        assert found is not None
        return process, found[1], found[2], found[3]

    yield run
    for process in running:
        process.terminate()
        process.wait(10)
        assert process.stdout is not None
        process.stdout.close()


def test_the_command_line_keeps_what_the_device_did_when_it_is_killed(
    start: Callable[[], tuple[subprocess.Popen[str], str, str, str]],
    steps: MemorySteps,
    tmp_path: Path,
) -> None:
    process, path, number, control = start()
    device = httpx.get(f"{control}/control/devices/{number}").json()
    config = DeviceConfig(
        driver="serial_converter",
        kind=DeviceKind(device["kind"]),
        port=path,
        timeout_seconds=5,
    )
    driver = build(config, device["password"], timing=Timing(half_frame=0.5))
    assert driver.probe() == number
    httpx.post(f"{control}/control/serial/unplug")
    with pytest.raises(DeviceUnavailable):
        driver.probe()
    httpx.post(f"{control}/control/serial/plug")
    info = driver.read_info()
    conversation = Conversation(info, Period("2026-10"), info.invoice_types)
    driver.report(conversation, steps)
    driver.clear(conversation, steps)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    with pytest.raises(DeviceUnavailable):
        driver.probe()
    start()
    assert {
        driver.read_monitor(info, kind).lock_date.isoformat() for kind in info.invoice_types
    } == {"2026-12-15"}
    driver.close()
