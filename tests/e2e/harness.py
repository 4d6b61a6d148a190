"""The product as people run it: the simulator, the server and the command line as real processes.

Everything listens on free ports of 127.0.0.1 and lives in one folder; every process is ended by its own
pid. Lock dates are those the simulator gives relative to today, so any day of any month will do.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import httpx

from app.accounts import service as accounts_service
from app.accounts.principal import SYSTEM, Permission, Role
from app.accounts.service import AccountDraft
from app.contracts.periods import Period, due_period
from app.contracts.tax_numbers import check_character
from app.core.clock import utc_now
from app.core.db import Database
from app.settings import Settings

T = TypeVar("T")

PASSWORD = "whole path 2468"
TYPES = ("004", "007")
ENDED = frozenset({"succeeded", "failed", "needs_attention", "cancelled", "rejected", "confirmed"})
PEOPLE = (
    (Role.ADMIN, "林会计"),
    (Role.REVIEWER, "顾主管"),
    (Role.OPERATOR, "王晓梅"),
    (Role.AUDITOR, "方审计"),
)


def until(question: Callable[[], T], *, seconds: float = 60.0, what: str = "") -> T:
    """The first true answer. Raises AssertionError when none comes in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := question():
            return answer
        time.sleep(0.03)
    raise AssertionError(f"it did not come within {seconds} s: {what or question}")


class Program:
    """One of our own programs as a process; `address` is what its ready line names.

    A worker has no address: it names itself, `worker ready NAME`.
    """

    def __init__(
        self,
        *arguments: str,
        environment: Mapping[str, str],
        prefix: Sequence[str] = (),
        ready: str = "ready on ",
    ) -> None:
        self._ready_line = ready
        self._process = subprocess.Popen(
            [*prefix, sys.executable, "-m", *arguments],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self.address = ""
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._await_ready()

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it at once, with nothing tidied up (kill -9)."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGTERM)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.rstrip())
            if self._ready_line in line:
                self.address = line.split(self._ready_line, 1)[1].strip()
                self._ready.set()
        self._ready.set()

    def _await_ready(self) -> None:
        ready = self._ready.wait(60)
        if not ready or not self.address:
            self.kill()
            raise AssertionError("it did not become ready:\n" + "\n".join(self.lines[-40:]))

    def _end(self, how: signal.Signals) -> None:
        if self._process.poll() is None:
            self._process.send_signal(how)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(20)
        self._reader.join(20)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


class Simulation:
    """The simulated devices and bureau, through their control address."""

    def __init__(self, folder: Path, environment: Mapping[str, str], seconds: float) -> None:
        self._program = Program(*self._command(folder, seconds), environment=environment)
        self.address = self._program.address.rpartition(" ")[2]
        self._control = httpx.Client(
            base_url=f"{self.address}/control", trust_env=False, timeout=30
        )

    def _command(self, folder: Path, seconds: float) -> tuple[str, ...]:
        return (
            *("app.simulator", "serve", "--port", "0", "--devices", "0"),
            *("--seconds", str(seconds), "--data-dir", str(folder), "--until-stdin-closes"),
        )

    def stop(self) -> None:
        """End it."""
        self._control.close()
        self._program.stop()

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """One call of the control address; gives what it answers."""
        answer = self._control.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def fault(self, number: str, name: str, **more: Any) -> int:
        """Switch a fault of this device on; gives its id."""
        body = {"device": number, "fault": name, **more}
        return int(self.send("POST", "/faults", body)["id"])

    def mend(self, number: str) -> None:
        """Switch all faults of this device off."""
        for fault in self.send("GET", "/faults"):
            if fault["device"] == number:
                self.send("DELETE", f"/faults/{fault['id']}")

    def patch(self, number: str, **changes: Any) -> None:
        """Change a device, once it is done with what it is doing."""
        self.send("PATCH", f"/devices/{number}", changes)

    def view(self, number: str) -> dict[str, Any]:
        """The device as it is, without what differs from one look to the next."""
        seen: dict[str, Any] = self.send("GET", f"/devices/{number}")
        return {name: value for name, value in seen.items() if name != "clock"}

    def log(self, number: str, *messages: str, acted: bool = True) -> list[tuple[str, str]]:
        """(message, types) that took effect, in order; of these messages when any are named."""
        return [
            (entry["message"], entry["invoice_type"] or "")
            for entry in self.send("GET", f"/log?device={number}")
            if (entry["acted"] or not acted) and (not messages or entry["message"] in messages)
        ]

    def is_busy(self, number: str) -> bool:
        """Whether the device is in the middle of a message that takes long."""
        try:
            self._control.get(f"/devices/{number}/invoices", timeout=0.4)
        except httpx.ReadTimeout:
            return True
        return False

    def lose_the_clearing(self, number: str, kind: str, *, seconds: float = 2.5) -> None:
        """The device will take the clearing of this type, slowly, and its answer will be lost."""
        for name in ("slow", "lost_after"):
            more = {"message": "JKHC", "invoice_type": kind, "times": 1}
            self.fault(number, name, seconds=seconds, **more)

    def cleared(self, number: str) -> Counter[str]:
        """How often the device took a clearing (JKHC), by type."""
        return Counter(kind for _, kind in self.log(number, "JKHC"))


class SerialSimulation(Simulation):
    """One simulated device behind a serial converter on a pseudo-terminal."""

    def __init__(self, folder: Path, environment: Mapping[str, str], seconds: float = 0) -> None:
        folder.mkdir()
        self.port = folder / "ttyCONVERTER"
        super().__init__(folder, environment, seconds)
        self.number = str(self.send("GET", "/devices")[0]["number"])

    def _command(self, folder: Path, seconds: float) -> tuple[str, ...]:
        return (
            *("app.cli", "virtual", "serial", "--link", str(self.port), "--port", "0"),
            *("--seconds", str(seconds), "--data-dir", str(folder)),
        )


class RemoteAgent:
    """An agent as a process of its own, enrolled at the server with a one-time code.

    `devices` are the tables of its configuration. Without `listen` it dials out.
    """

    def __init__(
        self,
        world: "World",
        name: str,
        devices: list[dict[str, Any]],
        *,
        listen_port: int = 0,
        settle: float = 0.2,
    ) -> None:
        self._world = world
        self.name = name
        self.folder = world.folder / f"agent-{name}"
        self.folder.mkdir()
        self._port = listen_port
        self._program: Program | None = None
        lines = ["simulated = true", f"settle_seconds = {settle}", "probe_seconds = 0.5"]
        for device in devices:
            lines += ["[[device]]", *(f"{key} = {_toml(value)}" for key, value in device.items())]
        (self.folder / "agent.toml").write_text("\n".join(lines), encoding="utf-8")

    @property
    def dials(self) -> bool:
        """Whether it connects to the server by itself."""
        return not self._port

    def enroll(self) -> subprocess.CompletedProcess[str]:
        """Get a code from the server and use it."""
        code = self._world.post("/agents/enrollments", {"name": self.name})["code"]
        arguments = ["agent", "enroll", "--server", self._world.address, "--code", code]
        if self._port:
            arguments += ["--listen", f"https://127.0.0.1:{self._port}"]
        return self._world.qingka(*arguments, data_dir=self.folder)

    def start(self) -> None:
        """Start the process and wait until it is ready."""
        arguments = ["--dial"] if self.dials else []
        self._program = Program(
            *("app.cli", "agent", "serve", "--port", str(self._port)),
            *("--config", str(self.folder / "agent.toml")),
            *arguments,
            environment=self._world.environment | {"QINGKA_DATA_DIR": str(self.folder)},
        )

    @property
    def address(self) -> str:
        """Where its own page is."""
        assert self._program is not None
        return self._program.address

    @property
    def is_alive(self) -> bool:
        """Whether its process runs."""
        return self._program is not None and self._program.is_alive

    @property
    def lines(self) -> list[str]:
        """What it has written."""
        return [] if self._program is None else self._program.lines

    def kill(self) -> None:
        """kill -9."""
        assert self._program is not None
        self._program.kill()
        self._program = None

    def stop(self) -> None:
        """End it in order."""
        if self._program is not None:
            self._program.stop()
            self._program = None

    @property
    def id(self) -> str:
        """The id of its row at the server."""
        agents = self._world.get("/agents")["items"]
        return str(next(agent["id"] for agent in agents if agent["name"] == self.name))


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + " }"
    return f'"{value}"' if isinstance(value, str) else str(value)


@dataclass(frozen=True, slots=True)
class Subject:
    """An operator with one device, registered in the product and simulated beside it."""

    code: str
    name: str
    operator_id: str
    device_id: str
    number: str
    tax_no: str
    period: Period

    @property
    def order(self) -> dict[str, Any]:
        """The body that asks for its clearing."""
        return {"operator_id": self.operator_id, "period": self.period, "reason": "按期清卡"}


class World:
    """A data directory with a server on it, a simulation, and the ways in."""

    def __init__(
        self,
        folder: Path,
        template: Path,
        *,
        devices: int,
        seconds: float = 0,
        settle: float = 0.2,
        settings: Mapping[str, str] | None = None,
        server_prefix: Sequence[str] = (),
        port: int = 0,
    ) -> None:
        """`server_prefix` are the words of a command that runs the server, e.g. in a namespace.

        The database is a SQLite file, a copy of `template`, unless the settings name another one,
        which is migrated already. Port 0 is any free one.
        """
        self.folder = folder
        self._server_prefix = server_prefix
        self._port = port
        self.data_dir = folder / "data"
        self.data_dir.mkdir(parents=True)
        shutil.copy(template, self.data_dir / "qingka.db")
        self.environment = self._environment(settings or {})
        file = f"sqlite:///{self.data_dir / 'qingka.db'}"
        self.database = Database(self.environment.get("QINGKA_DATABASE_URL", file))
        self.simulation = Simulation(folder / "virtual", self.environment, seconds)
        self._numbers = [self._new_device(place) for place in range(devices)]
        self._write_agent_config(settle)
        self._create_accounts()
        self.admin_key = self.new_key(Permission.ADMIN)
        self._server: Program | None = None
        self._taken = 0
        self._extra = 0
        self._agents: list[RemoteAgent] = []
        self._workers: list[Program] = []

    # -- processes -------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the server and wait until it is ready."""
        self._server = Program(
            *("app.cli", "serve", "--port", str(self._port)),
            environment=self.environment,
            prefix=self._server_prefix,
        )
        self.api = self.client(self.admin_key)

    def worker(self, **settings: str) -> Program:
        """A `qingka worker` beside the server, with further settings; its `address` is its name."""
        environment = self.environment | settings
        worker = Program("app.cli", "worker", environment=environment, ready="worker ready ")
        self._workers.append(worker)
        return worker

    def kill(self) -> None:
        """kill -9 the server."""
        assert self._server is not None
        self.api.close()
        self._server.kill()
        self._server = None

    def stop(self) -> None:
        """Stop the server in order."""
        if self._server is not None:
            self.api.close()
            self._server.stop()
            self._server = None

    def close(self) -> None:
        """End everything."""
        for worker in self._workers:
            worker.stop()
        for agent in self._agents:
            agent.stop()
        self.stop()
        self.simulation.stop()
        self.database.dispose()

    @property
    def address(self) -> str:
        """Where the server listens."""
        assert self._server is not None
        return self._server.address

    def qingka(
        self, *arguments: str, data_dir: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `qingka …` on this (or another) data directory; stdout and stderr are kept."""
        return subprocess.run(
            [sys.executable, "-m", "app.cli", *arguments],
            env=self.environment | {"QINGKA_DATA_DIR": str(data_dir or self.data_dir)},
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    # -- ways in ---------------------------------------------------------------------------------

    def client(self, key: str) -> httpx.Client:
        """A REST client with this key."""
        return httpx.Client(
            base_url=f"{self.address}/api/v1",
            headers={"Authorization": f"Bearer {key}"},
            trust_env=False,
            timeout=60,
        )

    def new_key(self, *scopes: Permission) -> str:
        """An API key with these scopes."""
        with self.database.transaction() as session:
            made = accounts_service.create_api_key(
                session,
                by=SYSTEM,
                name=" ".join(scopes),
                scopes=frozenset(scopes),
                expires_at=None,
                at=utc_now(),
            )
            return made.key

    @contextmanager
    def signed_in(self, name: str = "admin") -> Iterator[httpx.Client]:
        """A client with the session cookie of this account, as a browser has after signing in."""
        with httpx.Client(
            base_url=self.address, trust_env=False, timeout=60, follow_redirects=True
        ) as client:
            answer = client.post("/login", data={"username": name, "password": PASSWORD})
            assert answer.url.path == "/", answer.text
            yield client

    def get(self, path: str, **query: Any) -> Any:
        """GET of the REST API as an admin; gives the body."""
        answer = self.api.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """POST of the REST API as an admin; gives the body."""
        answer = self.api.post(path, json=body or {})
        assert answer.is_success, answer.text
        return answer.json()

    # -- subjects --------------------------------------------------------------------------------

    def subject(
        self,
        name: str = "测试员",
        *,
        invoices: int = 3,
        number: str = "",
        agent_id: str = "",
        code: str = "",
    ) -> Subject:
        """The next device, with an enterprise, an operator and invoices of the period due.

        `number` and `agent_id`: a device of `new_device` behind another agent; `code` is then its
        operator's.
        """
        if not number:
            number = self._numbers[self._taken]
            self._taken += 1
        device = self.simulation.view(number)
        for kind in TYPES:
            if invoices:
                body = {"invoice_type": kind, "count": invoices}
                self.simulation.send("POST", f"/devices/{number}/invoices", body)
        enterprise = self.post(
            "/enterprises", {"tax_no": device["tax_no"], "name": device["taxpayer_name"]}
        )
        code = code or f"E{self._taken:04d}"
        operator = self.post(
            "/operators", {"code": code, "name": name, "enterprise_id": enterprise["id"]}
        )
        body = self._device_body(device, operator["id"])
        registered = self.post("/devices", body | ({"agent_id": agent_id} if agent_id else {}))
        self.post(f"/devices/{registered['id']}/refresh")
        period = due_period(date.fromisoformat(device["lock_date"]))
        return Subject(
            code, name, operator["id"], registered["id"], number, device["tax_no"], period
        )

    def new_device(self) -> str:
        """One more simulated device, which the mounted agent does not have; gives its number."""
        self._extra += 1
        return self._new_device(5000 + self._extra)

    def tax_server_device(self, number: str) -> dict[str, Any]:
        """The configuration of a simulated device as one behind a tax server."""
        return {
            "driver": "tax_server",
            "url": self.simulation.address,
            "bureau_url": f"{self.simulation.address}/bureau",
            "number": number,
            "password": "88888888",
        }

    def remote_agent(
        self, name: str, devices: list[dict[str, Any]], *, listen_port: int = 0
    ) -> RemoteAgent:
        """Another agent, enrolled and started; it ends with the world."""
        agent = RemoteAgent(self, name, devices, listen_port=listen_port)
        self._agents.append(agent)
        done = agent.enroll()
        assert done.returncode == 0, done.stdout + done.stderr
        agent.start()
        return agent

    def file(self, subject: Subject, state: str) -> None:
        """Set the state of the return of the subject's period."""
        path = f"/filings/{subject.tax_no}/{subject.period}"
        self.simulation.send("PUT", path, {"state": state})

    # -- clearings -------------------------------------------------------------------------------

    def begin(self, subject: Subject) -> str:
        """Submit and execute; gives the request's id."""
        request_id = str(self.post("/clearing-requests", subject.order)["id"])
        self.post(f"/clearing-requests/{request_id}/execute")
        return request_id

    def request(self, request_id: str) -> dict[str, Any]:
        """The request as it is."""
        found: dict[str, Any] = self.get(f"/clearing-requests/{request_id}")
        return found

    def ended(self, request_id: str, *states: str, seconds: float = 60) -> dict[str, Any]:
        """The request once it is in one of these states; any end when none is named."""
        wanted = set(states) or ENDED

        def look() -> dict[str, Any]:
            found = self.request(request_id)
            return found if found["state"] in wanted else {}

        return until(look, seconds=seconds, what=f"{request_id} {wanted}")

    def in_stage(self, request_id: str, stage: str) -> None:
        """Wait until the request runs in this stage."""

        def there() -> bool:
            found = self.request(request_id)
            assert found["state"] == "running", found
            states = {one["name"]: one["state"] for one in found["stages"]}
            return bool(states[stage] == "running")

        until(there, what=f"stage {stage}")

    def prepared(self, batch_id: str) -> dict[str, Any]:
        """The batch once all its requests are made."""

        def look() -> dict[str, Any]:
            found: dict[str, Any] = self.get(f"/clearing-batches/{batch_id}")
            return {} if found["waiting"] else found

        return until(look, what=f"the requests of batch {batch_id}")

    def records(self, subject: Subject) -> list[dict[str, Any]]:
        """The clearing records of an operator."""
        items = self.get("/clearing-records", operator_id=subject.operator_id)["items"]
        return list(items)

    def assert_cleared_once(self, subject: Subject, request_id: str) -> None:
        """The request succeeded, and device, records, ledger, backup and audit agree about it."""
        request = self.ended(request_id, "succeeded")
        assert [stage["state"] for stage in request["stages"]] == ["done"] * 4
        assert request["progress"] == 100
        assert self.simulation.cleared(subject.number) == Counter(TYPES)
        succeeded = [one for one in self.records(subject) if one["result"] == "succeeded"]
        assert [one["request_id"] for one in succeeded] == [request_id]
        device = self.simulation.view(subject.number)
        assert succeeded[0]["lock_date_after"] == device["lock_date"]
        assert due_period(date.fromisoformat(device["lock_date"])) > subject.period
        invoices = self.get("/invoices", device_id=subject.device_id, period=subject.period)
        assert {one["clearing_status"] for one in invoices["items"]} == {"cleared"}
        assert len(invoices["items"]) == device["invoices_count"]
        assert self.get(f"/backups/{request['backup_id']}")["state"] == "verified"

    # -- inside ----------------------------------------------------------------------------------

    def _environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("QINGKA_")}
        return kept | {
            "PYTHONUNBUFFERED": "1",
            "QINGKA_DATA_DIR": str(self.data_dir),
            "QINGKA_AGENT_CONFIG": str(self.folder / "agent.toml"),
            "QINGKA_API_RATE_PER_MINUTE": "1000000",
            "QINGKA_LOG_LEVEL": "WARNING",
            **settings,
        }

    def _new_device(self, place: int) -> str:
        number = f"6618{place:08d}"
        seventeen = f"91310115{place:09d}"
        body = {
            "number": number,
            "tax_no": seventeen + check_character(seventeen),
            "taxpayer_name": f"上海测试{place}有限公司",
            "invoice_types": TYPES,
        }
        self.simulation.send("POST", "/devices", body)
        return number

    def _write_agent_config(self, settle: float) -> None:
        lines = ["simulated = true", f"settle_seconds = {settle}", "probe_seconds = 0.5", ""]
        for number in self._numbers:
            lines += [
                "[[device]]",
                'driver = "tax_server"',
                f'url = "{self.simulation.address}"',
                f'bureau_url = "{self.simulation.address}/bureau"',
                f'number = "{number}"',
                'password = "88888888"',
                "",
            ]
        (self.folder / "agent.toml").write_text("\n".join(lines), encoding="utf-8")

    def _create_accounts(self) -> None:
        settings = Settings(data_dir=self.data_dir)
        with self.database.transaction() as session:
            for role, name in PEOPLE:
                draft = AccountDraft(
                    role.value,
                    frozenset({role}),
                    display_name=name,
                    password=PASSWORD,
                    must_change_password=False,
                )
                accounts_service.create_account(
                    session, draft, by=SYSTEM, settings=settings, clock=utc_now
                )

    def _device_body(self, device: Mapping[str, Any], operator_id: str) -> dict[str, Any]:
        return {
            "number": device["number"],
            "kind": device["kind"],
            "operator_id": operator_id,
            "agent_id": self.get("/agents")["items"][0]["id"],
            "machine_no": device["machine_no"],
        }
