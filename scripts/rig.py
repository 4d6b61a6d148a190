"""A site to measure and to break: simulated devices, a database, server, agent and workers as processes.

Unlike the world of the end-to-end tests it also runs on PostgreSQL, with the agent as a process of its own
and with workers. All listen on free ports of 127.0.0.1.
"""

import socket
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import httpx

from app.accounts import service as accounts_service
from app.accounts.principal import SYSTEM, Permission, Role
from app.accounts.service import AccountDraft
from app.contracts.periods import due_period
from app.contracts.tax_numbers import check_character
from app.core import migrate
from app.core.clock import utc_now
from app.core.db import Database
from app.settings import Settings
from scripts.rig_daemon import Daemon, plain_environment
from tests.e2e.harness import ENDED, PASSWORD, TYPES, Simulation, Subject, until

T = TypeVar("T")

ADMIN = "admin"
PREPARE_SECONDS = 300.0
"""So long the requests of a batch may take to be made, on a machine that is busy."""
AGENT_TOKEN = "rig-agent-token-2468-2468"  # noqa: S105 - of an agent on 127.0.0.1 that lives for minutes


@dataclass(frozen=True, slots=True)
class RigPlan:
    """What a site is made of. `split`: the agent is a process of its own; else the server holds it."""

    devices: int
    seconds: float = 0.0
    settle: float = 0.5
    probe: float = 2.0
    timeout: float = 30.0
    split: bool = False
    workers: int = 0
    database_url: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    of_worker: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Environment of single workers by their names, `worker-1` and so on."""


class Rig:
    """The site. Numbers of devices are given at the start; `subjects` registers them in the product."""

    def __init__(self, folder: Path, plan: RigPlan) -> None:
        self.folder = folder
        self.plan = plan
        self.data_dir = folder / "data"
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self._url = plan.database_url or f"sqlite:///{self.data_dir / 'qingka.db'}"
        self.environment = self._environment()
        self.database = Database(self._url)
        migrate.upgrade(self.database)
        self.admin_key = self._create_admin()
        self.simulation = Simulation(folder / "virtual", self.environment, plan.seconds)
        self._numbers = [self._new_device(place) for place in range(plan.devices)]
        self._taken = 0
        self._agent_port = _free_port()
        self._agent_id = ""
        self.daemons: dict[str, Daemon] = {}
        (folder / "agent.toml").write_text(self._agent_config(), encoding="utf-8")

    # -- processes -------------------------------------------------------------------------------

    def start(self) -> None:
        """Start everything that is not running."""
        if self.plan.split:
            self._start("agent", "agent", "serve", "--port", str(self._agent_port))
        self._start("server", "serve", "--port", "0")
        self.api = self.client()
        if not self._agent_id:
            self._agent_id = self._register_agent()
        for number in range(self.plan.workers):
            self._start(f"worker-{number + 1}", "worker", ready="worker ready ")

    def _start(self, name: str, *command: str, ready: str = "ready on ") -> None:
        if name in self.daemons:
            return
        environment = dict(self.environment)
        environment |= self.plan.of_worker.get(name, {})
        if name == "agent":
            environment["QINGKA_DATA_DIR"] = str(self.folder / "agent")
        self.daemons[name] = Daemon(
            ["app.cli", *command],
            environment=environment,
            output=self.folder / f"{name}.log",
            ready=ready,
        )

    def kill(self, name: str) -> None:
        """kill -9 this process; `start` brings it back."""
        self.daemons.pop(name).kill()

    def close(self) -> None:
        """End everything in order."""
        for name in sorted(self.daemons, reverse=True):
            self.daemons.pop(name).stop()
        self.simulation.stop()
        self.database.dispose()

    @property
    def server(self) -> Daemon:
        """The process that serves pages and API."""
        return self.daemons["server"]

    # -- ways in ---------------------------------------------------------------------------------

    def client(self) -> httpx.Client:
        """A client of the REST API with the admin's key."""
        return httpx.Client(
            base_url=f"{self.server.address}/api/v1",
            headers={"Authorization": f"Bearer {self.admin_key}"},
            trust_env=False,
            timeout=60,
        )

    def cookie(self) -> str:
        """The header `Cookie` of a browser after signing in."""
        with httpx.Client(base_url=self.server.address, trust_env=False, timeout=60) as client:
            answer = client.post("/login", data={"username": ADMIN, "password": PASSWORD})
            if answer.status_code != 303:
                raise RuntimeError(f"sign-in answered {answer.status_code}")
            return "; ".join(f"{name}={value}" for name, value in client.cookies.items())

    def get(self, path: str, **query: Any) -> Any:
        """GET of the REST API; gives the body."""
        return _body(self.api.get(path, params=query))

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """POST of the REST API; gives the body."""
        return _body(self.api.post(path, json=body or {}))

    # -- subjects --------------------------------------------------------------------------------

    def subjects(self, count: int, *, invoices: int = 3) -> list[Subject]:
        """The next devices, each with an enterprise, an operator and `invoices` of each of its types."""
        places = range(self._taken, self._taken + count)
        self._taken += count
        return at_once(4, places, lambda place: self._subject(place, invoices))

    def _subject(self, place: int, invoices: int) -> Subject:
        number = self._numbers[place]
        device = self.simulation.view(number)
        for kind in TYPES if invoices else ():
            body = {"invoice_type": kind, "count": invoices}
            self.simulation.send("POST", f"/devices/{number}/invoices", body)
        enterprise = self.post(
            "/enterprises", {"tax_no": device["tax_no"], "name": device["taxpayer_name"]}
        )
        code, name = f"R{place:05d}", f"操作员{place}"
        operator = self.post(
            "/operators", {"code": code, "name": name, "enterprise_id": enterprise["id"]}
        )
        registered = self.post("/devices", self._device_body(device, operator["id"]))
        self.post(f"/devices/{registered['id']}/refresh")
        period = due_period(date.fromisoformat(device["lock_date"]))
        return Subject(
            code, name, operator["id"], registered["id"], number, device["tax_no"], period
        )

    def begin(self, subject: Subject) -> str:
        """Submit and execute; gives the request's id."""
        request_id = str(self.post("/clearing-requests", subject.order)["id"])
        self.post(f"/clearing-requests/{request_id}/execute")
        return request_id

    def batch(self, subjects: Sequence[Subject]) -> str:
        """Begin them all with one batch; gives its id."""
        body = {"operator_ids": [one.operator_id for one in subjects], "reason": "批量清卡"}
        return str(self.post("/clearing-batches", body)["id"])

    def prepared(self, batch_id: str) -> dict[str, Any]:
        """The batch once all its requests are made."""

        def look() -> dict[str, Any]:
            found: dict[str, Any] = self.get(f"/clearing-batches/{batch_id}")
            return {} if found["waiting"] else found

        return until(look, seconds=PREPARE_SECONDS, what=f"the requests of batch {batch_id}")

    def request(self, request_id: str) -> dict[str, Any]:
        """The request as it is."""
        found: dict[str, Any] = self.get(f"/clearing-requests/{request_id}")
        return found

    def ended(self, request_id: str, *, seconds: float, states: frozenset[str] = ENDED) -> Any:
        """The request once it is in one of these states. Raises AssertionError when it does not come."""

        def look() -> dict[str, Any]:
            found = self.request(request_id)
            return found if found["state"] in states else {}

        return until(look, seconds=seconds, what=f"{request_id} {sorted(states)}")

    # -- inside ----------------------------------------------------------------------------------

    def _environment(self) -> dict[str, str]:
        given = {"QINGKA_DATABASE_URL": self._url} if self.plan.database_url else {}
        return plain_environment(
            QINGKA_DATA_DIR=str(self.data_dir),
            QINGKA_AGENT="off" if self.plan.split else "mounted",
            QINGKA_AGENT_CONFIG=str(self.folder / "agent.toml"),
            QINGKA_AGENT_TOKEN=AGENT_TOKEN,
            QINGKA_API_RATE_PER_MINUTE="1000000",
            QINGKA_LOG_LEVEL="WARNING",
            **given,
            **self.plan.settings,
        )

    def _create_admin(self) -> str:
        draft = AccountDraft(
            ADMIN,
            frozenset({Role.ADMIN}),
            display_name="林会计",
            password=PASSWORD,
            must_change_password=False,
        )
        settings = Settings(data_dir=self.data_dir)
        with self.database.transaction() as session:
            accounts_service.create_account(
                session, draft, by=SYSTEM, settings=settings, clock=utc_now
            )
            made = accounts_service.create_api_key(
                session,
                by=SYSTEM,
                name="rig",
                scopes=frozenset({Permission.ADMIN}),
                expires_at=None,
                at=utc_now(),
            )
            return made.key

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

    def _agent_config(self) -> str:
        plan, address = self.plan, self.simulation.address
        lines = [
            "simulated = true",
            f"settle_seconds = {plan.settle}",
            f"probe_seconds = {plan.probe}",
            f"timeout_seconds = {plan.timeout}",
        ]
        for number in self._numbers:
            lines += [
                "[[device]]",
                'driver = "tax_server"',
                f'url = "{address}"',
                f'bureau_url = "{address}/bureau"',
                f'number = "{number}"',
                'password = "88888888"',
            ]
        return "\n".join(lines) + "\n"

    def _register_agent(self) -> str:
        if not self.plan.split:
            return str(self.get("/agents")["items"][0]["id"])
        address = f"http://127.0.0.1:{self._agent_port}"
        body = {"name": "split", "base_url": address, "token": AGENT_TOKEN}
        return str(self.post("/agents", body)["id"])

    def _device_body(self, device: Mapping[str, Any], operator_id: str) -> dict[str, Any]:
        return {
            "number": device["number"],
            "kind": device["kind"],
            "operator_id": operator_id,
            "agent_id": self._agent_id,
            "machine_no": device["machine_no"],
        }


def at_once(threads: int, items: Sequence[Any], call: Callable[[Any], T]) -> list[T]:
    """Call it for every item, on so many threads; results in order."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(call, items))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _body(answer: httpx.Response) -> Any:
    if not answer.is_success:
        raise RuntimeError(f"{answer.request.url} answered {answer.status_code}: {answer.text}")
    return answer.json()
