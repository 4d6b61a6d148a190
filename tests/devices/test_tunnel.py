"""Both ends of the connection an agent has opened, without a network between them."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, TypeVar

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.responses import Response, StreamingResponse
from starlette.testclient import TestClient

from app.agent.tunnel import Tunnel
from app.contracts.tunnel import CHUNK, REPLACED
from app.core.db import Database
from app.core.ids import new_id
from app.devices import agents, dialled
from app.devices.agent_client import AgentClient, AgentFault
from app.devices.agents import client_of, relay_token
from app.devices.connections import AgentClients
from app.devices.models import Agent, AgentLease
from app.devices.relay_api import router as relay_router
from app.settings import AgentAway, Settings
from tests.devices.conftest import NOW

T = TypeVar("T")
TOKEN = "t0ken"


def small_app(ended: list[str]) -> FastAPI:
    app = FastAPI()

    @app.api_route("/agent/v1/echo", methods=["GET", "POST"])
    async def echo(request: Request) -> dict[str, Any]:
        return {
            "method": request.method,
            "token": request.headers["authorization"],
            "query": request.url.query,
            "body": (await request.body()).decode(),
        }

    @app.get("/agent/v1/large")
    def large() -> Response:
        return Response(bytes(range(256)) * 4096)

    @app.get("/agent/v1/broken")
    def broken() -> None:
        raise OSError("a mistake of the agent")

    @app.get("/agent/v1/endless")
    async def endless() -> StreamingResponse:
        async def lines() -> AsyncIterator[str]:
            try:
                while True:
                    yield "line\n"
                    await asyncio.sleep(0.01)
            finally:
                ended.append("endless")

        return StreamingResponse(lines(), media_type="text/plain")

    @app.get("/")
    def page() -> str:
        return "the agent's own page"

    return app


class Link:
    """The web server's loop in a thread, with an agent connected to it."""

    def __init__(self, agent_id: Any) -> None:
        self.ended: list[str] = []
        self.closed: list[int] = []
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self.agent_id = agent_id
        self.connection = self.run(self._connect())

    async def _connect(self) -> dialled.Connection:
        async def to_server(text: str) -> None:
            self.connection.take(text)

        async def to_agent(text: str) -> None:
            self.tunnel.take(text)

        async def close(code: int) -> None:
            self.closed.append(code)

        self.tunnel = Tunnel(small_app(self.ended), TOKEN, to_server)
        return dialled.Connection(to_agent, close)

    def attach(self) -> None:
        dialled.attach(self.agent_id, self.connection)

    def run(self, work: Coroutine[None, None, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    def stop(self) -> None:
        dialled.detach(self.agent_id, self.connection)
        self.run(self.tunnel.close())
        self.run(asyncio.sleep(0))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@pytest.fixture(autouse=True)
def transports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents, "agent_transports", {})
    monkeypatch.setattr(dialled, "agent_transports", agents.agent_transports)


@pytest.fixture
def new_link() -> Iterator[Callable[..., Link]]:
    made: list[Link] = []

    def new(agent_id: Any = None) -> Link:
        made.append(Link(agent_id or new_id()))
        return made[-1]

    yield new
    for link in made:
        link.stop()


def agent_of(link: Link) -> Agent:
    return Agent(
        id=link.agent_id,
        name="x",
        base_url=dialled.address_of(link.agent_id),
        sealed_token="",
        created_at=NOW,
        updated_at=NOW,
    )


def ask(link: Link, settings: Settings, method: str, path: str, **more: Any) -> httpx.Response:
    """One request as the server makes it, from a loop of its own."""
    client = client_of(agent_of(link), settings, patient=bool(more.pop("patient", False)))
    return asyncio.run(client._send(method, path, **more))


def test_a_request_and_its_answer(new_link: Callable[..., Link], settings: Settings) -> None:
    link = new_link()
    link.attach()
    answer = ask(link, settings, "POST", "/echo", params={"a": "中 b"}, json={"x": "好"})
    assert answer.json() == {
        "method": "POST",
        "token": f"Bearer {TOKEN}",
        "query": "a=%E4%B8%AD+b",
        "body": '{"x":"好"}',
    }


def test_a_large_answer_comes_in_pieces(new_link: Callable[..., Link], settings: Settings) -> None:
    link = new_link()
    link.attach()
    content = ask(link, settings, "GET", "/large").content
    assert len(content) == 2**20 > CHUNK
    assert content == bytes(range(256)) * 4096


def test_a_mistake_of_the_agent_is_its_answer(
    new_link: Callable[..., Link], settings: Settings
) -> None:
    link = new_link()
    link.attach()
    with pytest.raises(AgentFault) as caught:
        ask(link, settings, "GET", "/broken")
    assert caught.value.fault.code == "agent.failed"


def test_only_the_api_can_be_asked(new_link: Callable[..., Link]) -> None:
    link = new_link()
    link.attach()
    transport = agents.agent_transports[dialled.address_of(link.agent_id)]()

    async def get() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://dial") as client:
            return await client.get("/")

    assert asyncio.run(get()).status_code == 404


def test_a_stream_comes_as_it_is_made_and_ends_when_nobody_listens(
    new_link: Callable[..., Link],
) -> None:
    link = new_link()
    link.attach()
    transport = agents.agent_transports[dialled.address_of(link.agent_id)]()

    async def listen() -> list[str]:
        async with (
            httpx.AsyncClient(transport=transport, base_url="http://dial") as client,
            client.stream("GET", "/agent/v1/endless") as answer,
        ):
            lines = answer.aiter_lines()
            return [await anext(lines), await anext(lines)]

    assert asyncio.run(listen()) == ["line", "line"]
    deadline = time.monotonic() + 10
    while not link.ended:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_connection_that_breaks_ends_what_waits(
    new_link: Callable[..., Link], settings: Settings
) -> None:
    link = new_link()
    link.attach()
    threading.Timer(0.2, lambda: dialled.detach(link.agent_id, link.connection)).start()

    async def listen() -> None:
        client = AgentClient(
            "http://dial", "", agents.agent_transports[dialled.address_of(link.agent_id)]()
        )
        async with client._client() as http, http.stream("GET", "/endless") as answer:
            async for _ in answer.aiter_lines():
                continue

    with pytest.raises(httpx.ReadError):
        asyncio.run(listen())
    with pytest.raises(AgentFault) as caught:
        ask(link, settings, "GET", "/echo")
    assert caught.value.fault.code == "agent.unreachable"
    assert caught.value.never_sent


def test_the_newer_connection_wins(new_link: Callable[..., Link], settings: Settings) -> None:
    older = new_link()
    older.attach()
    newer = new_link(older.agent_id)
    newer.attach()
    older.run(asyncio.sleep(0.05))
    assert older.closed == [REPLACED]
    assert not newer.closed
    dialled.detach(older.agent_id, older.connection)
    assert ask(newer, settings, "GET", "/echo").status_code == 200


@pytest.mark.parametrize(
    ("away", "patient", "waits"),
    [
        (AgentAway.WAIT, True, True),
        (AgentAway.WAIT, False, False),
        (AgentAway.FAIL, True, False),
    ],
)
def test_requests_to_an_agent_that_is_away_wait_or_fail(
    new_link: Callable[..., Link],
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    away: AgentAway,
    patient: bool,
    waits: bool,
) -> None:
    monkeypatch.setattr("app.devices.transports._RETRY_SECONDS", 0.05)
    chosen = settings.model_copy(update={"agent_away": away})
    link = new_link()
    threading.Timer(0.3, link.attach).start()
    if waits:
        assert ask(link, chosen, "GET", "/echo", patient=patient).status_code == 200
        return
    with pytest.raises(AgentFault) as caught:
        ask(link, chosen, "GET", "/echo", patient=patient)
    assert caught.value.never_sent


def test_patience_has_an_end(
    new_link: Callable[..., Link], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.devices.transports._RETRY_SECONDS", 0.05)
    chosen = settings.model_copy(
        update={"agent_away": AgentAway.WAIT, "operation_timeout_seconds": 0.2}
    )
    with pytest.raises(AgentFault) as caught:
        ask(new_link(), chosen, "GET", "/echo", patient=True)
    assert caught.value.fault.code == "agent.unreachable"


class TestRelay:
    """Another process of the installation asks an agent that has dialled in to this one."""

    @pytest.fixture
    def relayed(self, app: FastAPI, client: TestClient) -> TestClient:
        app.include_router(relay_router, prefix="/api/v1")
        return client

    def test_requests_go_on_and_answers_come_back(
        self, relayed: TestClient, new_link: Callable[..., Link], settings: Settings
    ) -> None:
        link = new_link()
        link.attach()
        answer = relayed.post(
            f"/api/v1/agents/{link.agent_id}/relay/agent/v1/echo?a=%E4%B8%AD",
            content="好",
            headers={"Authorization": f"Bearer {relay_token(settings)}"},
        )
        assert answer.status_code == 200
        assert answer.json() == {
            "method": "POST",
            "token": f"Bearer {TOKEN}",
            "query": "a=%E4%B8%AD",
            "body": "好",
        }

    @pytest.mark.parametrize("header", ["", "Bearer", "Bearer x", f"Bearer {TOKEN}"])
    def test_strangers_are_refused(
        self, relayed: TestClient, new_link: Callable[..., Link], header: str
    ) -> None:
        link = new_link()
        link.attach()
        path = f"/api/v1/agents/{link.agent_id}/relay/agent/v1/echo"
        assert relayed.get(path, headers={"Authorization": header}).status_code == 401

    def test_an_agent_that_is_not_here(self, relayed: TestClient, settings: Settings) -> None:
        answer = relayed.get(
            f"/api/v1/agents/{new_id()}/relay/agent/v1/echo",
            headers={"Authorization": f"Bearer {relay_token(settings)}"},
        )
        assert answer.status_code == 502
        assert answer.json()["code"] == "agent.unreachable"

    def test_a_process_without_the_connection_asks_the_one_with_it(
        self, database: Database, settings: Settings, new_link: Callable[..., Link]
    ) -> None:
        link = new_link()
        with database.transaction() as session:
            session.add(agent_of(link))
            session.flush()
            lease = AgentLease(
                agent_id=link.agent_id, owner="x", until=NOW, relay_url="http://192.0.2.7:8000"
            )
            session.add(lease)
        clients = AgentClients(database, settings)

        async def address() -> str:
            return (await clients.of(link.agent_id))._base_url

        relay = f"http://192.0.2.7:8000/api/v1/agents/{link.agent_id}/relay/agent/v1"
        assert asyncio.run(address()) == relay
        link.attach()
        assert asyncio.run(address()) == "http://dial/agent/v1"


@pytest.mark.parametrize("text", ["", "{}", '{"kind":"body"}', '{"kind":"request","id":1}'])
def test_nonsense_is_refused(new_link: Callable[..., Link], text: str) -> None:
    with pytest.raises(ValueError, match="validation error"):
        new_link().connection.take(text)
