"""The whole agent as a process of its own, over real HTTP, against the simulated server and bureau.

Message order and the number of JKHC are taken from the log of the simulation, never from the agent.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.agent.assembly import build_runtime
from app.agent.config import parse_config
from app.contracts.devices import LinkState
from app.contracts.operations import FINAL_STATES, OperationKind, OperationRequest

TOKEN = "t0ken"
PERIOD = "2026-10"
CLOCK = "2026-11-10T10:00:00"
DEVICES = 100
READING = {"SKSBBH", "SKPXXCX", "JKSJCX"}
SERVE_AGENT = "from app.agent.cli import agent; agent()"


def started(command: list[str], environment: dict[str, str] | None = None) -> tuple[Any, str]:
    """The process, and the address in the line that says it is ready."""
    process = subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"ready on (http://\S+)", line):
            return process, found[1]
    raise AssertionError("it did not become ready")


def stopped(process: Any, how: signal.Signals) -> int:
    process.send_signal(how)
    code: int = process.wait(timeout=20)
    process.stdout.close()
    return code


@dataclass
class Virtual:
    """The simulation and its control address."""

    url: str
    client: httpx.Client

    def control(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.client.request(method, f"/control{path}", json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def fault(self, name: str, number: str, message: str | None = None, **more: Any) -> None:
        body = {"fault": name, "device": number, "message": message} | more
        self.control("POST", "/faults", {k: v for k, v in body.items() if v is not None})

    def log(self, number: str) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self.control("GET", f"/log?device={number}")
        return entries

    def conversation(self, number: str) -> list[str]:
        """What arrived but reading and probing, with the type of the messages that have one."""
        single = {"SJCB", "JKHC"}
        return [
            f"{entry['message']} {entry['invoice_type']}"
            if entry["message"] in single
            else entry["message"]
            for entry in self.log(number)
            if entry["message"] not in READING
        ]

    def cleared(self, number: str) -> list[str]:
        """The types whose JKHC took effect."""
        return [
            entry["invoice_type"]
            for entry in self.log(number)
            if entry["message"] == "JKHC" and entry["acted"]
        ]


@dataclass
class Agent:
    """The agent's process; `restart` ends it with this signal and starts another on the same journal."""

    folder: Path
    environment: dict[str, str]
    process: Any = None
    client: httpx.Client | None = None

    def start(self) -> None:
        config, data = self.folder / "agent.toml", self.folder / "data"
        command = ["serve", "--port", "0", "--config", str(config), "--data-dir", str(data)]
        self.process, url = started(["-c", SERVE_AGENT, *command], self.environment)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        self.client = httpx.Client(base_url=f"{url}/agent/v1", headers=headers, timeout=60)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self.client is not None
        self.client.close()
        return stopped(self.process, how)

    def restart(self, how: signal.Signals = signal.SIGKILL) -> None:
        self.stop(how)
        self.start()

    def get(self, path: str) -> Any:
        assert self.client is not None
        return self.client.get(path).json()

    def submit(self, number: str, kind: str, **more: Any) -> str:
        assert self.client is not None
        body = {"id": str(uuid4()), "kind": kind, "period": PERIOD} | more
        answer = self.client.post(f"/devices/{number}/operations", json=body)
        assert answer.status_code == 202, answer.text
        return str(body["id"])

    def done(self, operation_id: str) -> dict[str, Any]:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            found: dict[str, Any] = self.get(f"/operations/{operation_id}?wait=20")
            if found["state"] in ("succeeded", "failed"):
                return found
        raise AssertionError("the operation did not end")

    def state(self, operation_id: str) -> str:
        return str(self.get(f"/operations/{operation_id}")["state"])

    def steps(self, operation_id: str) -> list[str]:
        return [step["name"] for step in self.get(f"/operations/{operation_id}")["steps"]]

    @staticmethod
    def until(question: Callable[[], bool], seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not question():
            assert time.monotonic() < deadline, "it did not come"
            time.sleep(0.02)

    def run(self, number: str, kind: str, **more: Any) -> dict[str, Any]:
        return self.done(self.submit(number, kind, **more))


@pytest.fixture(scope="module")
def virtual() -> Iterator[Virtual]:
    """A hundred simulated devices in the middle of a month."""
    command = ["-m", "app.simulator", "serve", "--port", "0"]
    process, url = started([*command, "--devices", str(DEVICES), "--clock", CLOCK])
    with httpx.Client(base_url=url, timeout=30) as client:
        yield Virtual(url, client)
    stopped(process, signal.SIGTERM)


@pytest.fixture(scope="module")
def agent(virtual: Virtual, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    """An agent for all of them; every second one speaks the middleware dialect."""
    folder = tmp_path_factory.mktemp("agent")
    lines = [
        "simulated = true",
        "probe_seconds = 0.5",
        "settle_seconds = 0.2",
        "timeout_seconds = 4",
    ]
    for index, device in enumerate(virtual.control("GET", "/devices")):
        lines += [
            "[[device]]",
            'driver = "tax_server"',
            f'url = "{virtual.url}"',
            f'bureau_url = "{virtual.url}/bureau"',
            f'number = "{device["number"]}"',
            f'password = "{virtual.control("GET", "/devices/" + device["number"])["password"]}"',
            f'kind = "{device["kind"]}"',
            f'dialect = "{("component", "middleware")[index % 2]}"',
        ]
    (folder / "agent.toml").write_text("\n".join(lines), encoding="utf-8")
    running = Agent(folder, os.environ | {"QINGKA_AGENT_TOKEN": TOKEN})
    running.start()
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def due_numbers(virtual: Virtual) -> list[str]:
    """Devices whose period is to be cleared; each test takes its own."""
    devices = (
        virtual.control("GET", f"/devices/{device['number']}")
        for device in virtual.control("GET", "/devices")
    )
    return [
        device["number"]
        for device in devices
        if all("2026-11-10" <= one["lock_date"] <= "2026-11-30" for one in device["types"])
    ]


Take = Callable[..., str]


@pytest.fixture
def take(due_numbers: list[str], virtual: Virtual) -> Iterator[Take]:
    """A due device nobody used yet, of a kind or any. Faults are removed afterwards."""

    def taken(kind: str | None = None) -> str:
        for number in due_numbers:
            if kind is None or virtual.control("GET", f"/devices/{number}")["kind"] == kind:
                due_numbers.remove(number)
                return number
        pytest.fail(f"no due device of kind {kind} is left")

    yield taken
    virtual.control("DELETE", "/faults")


@pytest.fixture
def number(take: Take) -> str:
    """A due device of any kind."""
    return take()


def types_of(virtual: Virtual, number: str) -> list[str]:
    return [one["invoice_type"] for one in virtual.control("GET", f"/devices/{number}")["types"]]


@pytest.mark.parametrize("kind", ["tax_disk", "golden_tax_disk", "ukey"])
def test_report_and_clear(virtual: Virtual, agent: Agent, take: Take, kind: str) -> None:
    number = take(kind)
    types = types_of(virtual, number)
    assert agent.run(number, "report")["state"] == "succeeded"
    cleared = agent.run(number, "clear")
    assert cleared["state"] == "succeeded", cleared["fault"]
    assert cleared["simulated"]
    conversation = virtual.conversation(number)
    reported = ["SKSBQTYXXCX", *(f"SJCB {kind}" for kind in types), "WLCB"]
    assert conversation[: len(types) + 2] == reported
    rest = conversation[len(types) + 2 :]
    assert rest[:2] == ["SKSBQTYXXCX", "QLJS"]
    assert sorted(rest[2:-1]) == sorted(f"JKHC {kind}" for kind in types)
    assert rest[-1] == "QLJSJGQR"
    for outcome in cleared["outcomes"]:
        assert outcome["lock_date_before"][:7] == "2026-11"
        assert outcome["lock_date_after"][:7] == "2026-12"
    again = agent.run(number, "clear")
    assert all(outcome["already"] for outcome in again["outcomes"])
    assert sorted(virtual.cleared(number)) == sorted(types)


def test_both_dialects_reach_the_devices(virtual: Virtual, agent: Agent) -> None:
    devices = agent.get("/devices")
    assert len(devices) == DEVICES
    first_two = [agent.get(f"/devices/{device['number']}") for device in devices[:2]]
    for device, reading in zip(devices, first_two, strict=False):
        stored = virtual.control("GET", f"/devices/{device['number']}")
        assert reading["info"]["tax_no"] == stored["taxpayer"]["tax_no"]
        assert reading["info"]["taxpayer_name"] == stored["taxpayer"]["name"]
        shown = [monitor["lock_date"] for monitor in reading["monitors"]]
        assert shown == [one["lock_date"] for one in stored["types"]]


@pytest.mark.parametrize("fault", ["lost_before", "lost_after", "half", "garbage"])
def test_answers_that_do_not_come(virtual: Virtual, agent: Agent, number: str, fault: str) -> None:
    """At JKHC of one type: cleared once in the end, whatever was heard."""
    types = types_of(virtual, number)
    agent.run(number, "report")
    virtual.fault(fault, number, "JKHC", invoice_type=types[-1], times=1)
    assert agent.run(number, "clear")["state"] == "succeeded"
    assert sorted(virtual.cleared(number)) == sorted(types)


@pytest.mark.parametrize("message", ["SKPXXCX", "JKSJCX", "SKSBQTYXXCX", "SJCB", "WLCB"])
def test_lost_answers_of_a_report_end_well_with_a_retry(
    virtual: Virtual, agent: Agent, number: str, message: str
) -> None:
    virtual.fault("lost_after", number, message, times=1)
    first = agent.run(number, "report")
    assert first["state"] == "failed"
    assert first["fault"]["retryable"]
    assert agent.run(number, "report")["state"] == "succeeded"
    assert agent.run(number, "clear")["state"] == "succeeded"


@pytest.mark.parametrize("message", ["SKSBQTYXXCX", "QLJS", "QLJSJGQR"])
def test_lost_answers_of_a_clearing(
    virtual: Virtual, agent: Agent, number: str, message: str
) -> None:
    agent.run(number, "report")
    virtual.fault("lost_after", number, message, times=1)
    first = agent.run(number, "clear")
    assert first["state"] == ("succeeded" if message == "QLJSJGQR" else "failed")
    assert agent.run(number, "clear")["state"] == "succeeded"
    assert sorted(virtual.cleared(number)) == sorted(types_of(virtual, number))


def test_a_slow_device_is_not_asked_twice(virtual: Virtual, agent: Agent, number: str) -> None:
    """JKHC takes longer than the timeout: found by reading, or refused as done before; acted on once."""
    types = types_of(virtual, number)
    agent.run(number, "report")
    virtual.fault("slow", number, "JKHC", invoice_type=types[0], times=1, seconds=5)
    assert agent.run(number, "clear")["state"] == "succeeded"
    assert sorted(virtual.cleared(number)) == sorted(types)


def test_a_busy_device_is_asked_again(virtual: Virtual, agent: Agent, number: str) -> None:
    virtual.fault("busy", number, "SJCB", times=2)
    assert agent.run(number, "report")["state"] == "succeeded"


@pytest.mark.parametrize(
    ("fault", "kind", "message", "code"),
    [
        ("locked", "report", "SJCB", "device.locked"),
        ("several_periods", "report", "SJCB", "device.several_periods"),
        ("disk_full", "report", "SJCB", "device.fault"),
        ("unplugged", "report", "SJCB", "device.disconnected"),
        ("bureau_down", "report", "WLCB", "bureau.unreachable"),
        ("not_filed", "clear", "QLJS", "bureau.not_filed"),
        ("mismatch", "clear", "QLJS", "bureau.mismatch"),
        ("pending", "clear", "QLJS", "bureau.pending"),
        ("clock_factor", "clear", "QLJS", "bureau.clock_factor"),
        ("bureau_down", "clear", "QLJS", "bureau.unreachable"),
        ("locked", "clear", "JKHC", "device.locked"),
    ],
)
def test_refusals(
    virtual: Virtual, agent: Agent, number: str, fault: str, kind: str, message: str, code: str
) -> None:
    """The fault with its code; nothing is cleared; after the cause is gone a retry does it."""
    if kind == "clear":
        agent.run(number, "report")
    virtual.fault(fault, number, message, times=1)
    failed = agent.run(number, kind)
    assert failed["state"] == "failed"
    assert failed["fault"]["code"] == code
    assert virtual.cleared(number) == []
    virtual.control("DELETE", "/faults")
    assert agent.run(number, "report")["state"] == "succeeded"
    assert agent.run(number, "clear")["state"] == "succeeded"
    assert sorted(virtual.cleared(number)) == sorted(types_of(virtual, number))


def test_clear_before_report(virtual: Virtual, agent: Agent, number: str) -> None:
    failed = agent.run(number, "clear")
    assert failed["fault"]["code"] == "device.not_reported"
    assert virtual.cleared(number) == []


def test_wrong_password_costs_one_try(virtual: Virtual, agent: Agent, take: Take) -> None:
    number = take("tax_disk")
    before = virtual.control("GET", f"/devices/{number}")["tries_left"]
    virtual.fault("wrong_password", number, "SKPXXCX", times=50)
    failed = agent.run(number, "report")
    assert failed["fault"]["code"] == "device.password_wrong"
    assert failed["fault"]["tries_left"] == before - 1
    assert virtual.control("GET", f"/devices/{number}")["tries_left"] == before - 1


def state_of(agent: Agent, number: str) -> str:
    [state] = [d["state"] for d in agent.get("/devices") if d["number"] == number]
    return str(state)


def test_unplugging_shows_within_three_seconds(virtual: Virtual, agent: Agent, number: str) -> None:
    for plugged, expected in ((True, "connected"), (False, "disconnected"), (True, "connected")):
        virtual.control("PATCH", f"/devices/{number}", {"plugged": plugged})
        agent.until(lambda wanted=expected: state_of(agent, number) == wanted, 3)  # type: ignore[misc]


def test_unplugged_at_the_worst_moment(virtual: Virtual, agent: Agent, number: str) -> None:
    """The answer is lost and the device is gone: unknown, also after a restart, until it is back."""
    types = types_of(virtual, number)
    agent.run(number, "report")
    virtual.fault("slow", number, "JKHC", invoice_type=types[0], times=1, seconds=1)
    virtual.fault("lost_after", number, "JKHC", invoice_type=types[0], times=1)
    operation_id = agent.submit(number, "clear")
    agent.until(lambda: "JKHC" in agent.steps(operation_id))
    virtual.fault("unplugged", number, "SKPXXCX")
    virtual.fault("unplugged", number, "JKSJCX")
    agent.until(lambda: agent.state(operation_id) == "unknown")
    agent.restart()
    agent.until(lambda: agent.state(operation_id) == "unknown")
    virtual.control("DELETE", "/faults")
    assert agent.done(operation_id)["state"] == "succeeded"
    assert sorted(virtual.cleared(number)) == sorted(types)


@pytest.mark.parametrize("message", ["SKSBQTYXXCX", "QLJS", "JKHC", "QLJSJGQR"])
def test_kill_9_while_a_message_is_on_its_way(
    virtual: Virtual, agent: Agent, number: str, message: str
) -> None:
    agent.run(number, "report")
    virtual.fault("slow", number, message, times=1, seconds=1)
    operation_id = agent.submit(number, "clear")
    agent.until(lambda: message in agent.steps(operation_id))
    agent.restart(signal.SIGKILL)
    done = agent.done(operation_id)
    assert done["state"] == "succeeded", done["fault"]
    assert sorted(virtual.cleared(number)) == sorted(types_of(virtual, number))


def test_set_clock(tmp_path: Path) -> None:
    """A device ten minutes behind, and an agent in this process; both on the real clock."""
    process, url = started(["-m", "app.simulator", "serve", "--port", "0", "--devices", "1"])
    with httpx.Client(base_url=url, timeout=30) as client:
        virtual = Virtual(url, client)
        [device] = virtual.control("GET", "/devices")
        path = f"/devices/{device['number']}"
        known = virtual.control("PATCH", path, {"clock_offset_seconds": -600})
        table = {
            "driver": "tax_server",
            "url": url,
            "bureau_url": f"{url}/bureau",
            "number": known["number"],
            "password": known["password"],
            "kind": known["kind"],
        }
        runtime = build_runtime(parse_config({"device": [table]}), tmp_path)
        runtime.start()
        request = OperationRequest(id=uuid4(), kind=OperationKind.SET_CLOCK)
        runtime.submit(known["number"], request)
        Agent.until(lambda: runtime.operation(request.id).state in FINAL_STATES)
        runtime.stop()
        assert runtime.devices()[0].state is LinkState.CONNECTED
        assert abs(virtual.control("GET", path)["clock_offset_seconds"]) < 30
    stopped(process, signal.SIGTERM)
