"""The simulated library in front of a simulated tax server, each in a process of its own."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.agent.config import DeviceConfig
from app.agent.drivers.operate_disk.driver import build
from app.agent.drivers.operate_disk.process import LibraryCall
from app.agent.drivers.operate_disk.transport import LibraryTransport
from app.agent.drivers.xml.driver import XmlDriver
from app.contracts.devices import InvoiceType
from app.contracts.operations import StepState
from app.simulator.operate_disk import ADDRESS_VARIABLE, CONTROL_VARIABLE, build_library

PASSWORD = "88888888"
ROOT = str(Path(__file__).parents[3])
READY = re.compile(r"virtual ready on (http://(\S+))\n")


class MemorySteps:
    """A `StepRecorder` in memory. A second run of the same conversation sees what the first recorded."""

    def __init__(self) -> None:
        self.states: dict[tuple[str, InvoiceType | None], StepState] = {}
        self.payloads: dict[tuple[str, InvoiceType | None], dict[str, str]] = {}

    def begin(self, name: str, invoice_type: InvoiceType | None = None) -> None:
        self.states[name, invoice_type] = StepState.RUNNING

    def end(
        self,
        name: str,
        invoice_type: InvoiceType | None = None,
        *,
        state: StepState = StepState.SUCCEEDED,
        message: str = "",
        device_code: str = "",
        device_message: str = "",
        payload: dict[str, str] | None = None,
    ) -> None:
        self.states[name, invoice_type] = state
        self.payloads[name, invoice_type] = payload or {}

    def done(self, name: str, invoice_type: InvoiceType | None = None) -> dict[str, str] | None:
        key = name, invoice_type
        return self.payloads[key] if self.states.get(key) is StepState.SUCCEEDED else None

    def interrupted(self, name: str, invoice_type: InvoiceType | None = None) -> bool:
        return self.states.get((name, invoice_type)) in (StepState.RUNNING, StepState.UNKNOWN)

    def recall(self, name: str, invoice_type: InvoiceType | None = None) -> dict[str, str] | None:
        return None


@pytest.fixture(autouse=True)
def lock_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock files of this test's libraries go where the test's other files are."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))


@pytest.fixture
def steps() -> MemorySteps:
    """The record of one operation."""
    return MemorySteps()


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The simulated library, compiled."""
    return build_library(tmp_path_factory.mktemp("library"))


@dataclass
class VirtualServer:
    """A running simulated tax server and bureau."""

    url: str
    address: str

    def control(self, method: str, path: str, body: object = None) -> Any:
        answer = httpx.request(method, f"{self.url}/control{path}", json=body, timeout=10)
        answer.raise_for_status()
        return answer.json()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualServer]:
    """Forty devices on 10 November 2026; each test takes a device of its own."""
    folder = tmp_path_factory.mktemp("virtual")
    command = [sys.executable, "-m", "app.simulator", "serve", "--port", "0"]
    options = ["--devices", "40", "--clock", "2026-11-10T10:00:00", "--data-dir", str(folder)]
    with subprocess.Popen(
        [*command, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": ROOT},
    ) as process:
        assert process.stdout is not None
        found = READY.fullmatch(process.stdout.readline())
        assert found is not None
        yield VirtualServer(found[1], found[2])
        process.terminate()
        process.wait(10)


@dataclass
class Bench:
    """One device of the server behind the library."""

    server: VirtualServer
    library: Path
    device: dict[str, Any]
    control_file: Path
    drivers: list[XmlDriver]

    @property
    def number(self) -> str:
        return str(self.device["number"])

    @property
    def environment(self) -> dict[str, str]:
        return {
            ADDRESS_VARIABLE: self.server.address,
            CONTROL_VARIABLE: str(self.control_file),
        }

    def fail(self, fault: str, message: str) -> None:
        """The next call with this message goes wrong."""
        self.control_file.write_text(f"{fault} {message}\n")

    def driver(self, timeout: float = 5.0, dialect: str = "component", **more: object) -> XmlDriver:
        """The driver of this device; `more` are further keys of its configuration."""
        config = DeviceConfig.model_validate(
            {
                "driver": "operate_disk",
                "kind": self.device["kind"],
                "number": self.number,
                "library": self.library,
                "bureau_url": f"{self.server.url}/bureau",
                "environment": self.environment,
                "timeout_seconds": timeout,
                "dialect": dialect,
                **more,
            }
        )
        made = build(config, PASSWORD)
        self.drivers.append(made)
        return made

    def acted(self, message: str) -> list[str]:
        """The types, in order, for which this message was acted upon by this device."""
        log = self.server.control("GET", f"/log?device={self.number}")
        return [
            entry["invoice_type"] for entry in log if entry["message"] == message and entry["acted"]
        ]

    def lock_dates(self) -> dict[str, str]:
        """The lock date of each type, as the device has it."""
        found: dict[str, str] = self.server.control("GET", f"/devices/{self.number}")["lock_dates"]
        return found


@pytest.fixture(scope="session")
def due_devices(server: VirtualServer) -> Iterator[dict[str, Any]]:
    """Devices still to be cleared, each given once."""
    return iter(
        [
            device
            for device in server.control("GET", "/devices")
            if all("2026-11-10" <= day <= "2026-11-30" for day in device["lock_dates"].values())
        ]
    )


@pytest.fixture
def bench(
    server: VirtualServer, library: Path, due_devices: Iterator[dict[str, Any]], tmp_path: Path
) -> Iterator[Bench]:
    """A device of its own for one test."""
    bench = Bench(server, library, next(due_devices), tmp_path / "control", [])
    yield bench
    for driver in bench.drivers:
        driver.close()


@pytest.fixture
def make_transport(bench: Bench) -> Iterator[Callable[..., LibraryTransport]]:
    """Makes transports to the simulated library; ends their processes after the test."""
    made: list[LibraryTransport] = []

    def make(path: Path | None = None, convention: str = "cdecl") -> LibraryTransport:
        call = LibraryCall(path or bench.library, convention, bench.environment)
        made.append(LibraryTransport(call, timeout=5.0))
        return made[-1]

    yield make
    for transport in made:
        transport.close()
