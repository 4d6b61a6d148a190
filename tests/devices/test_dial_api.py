"""The WebSocket agents dial: who is let in, and what the others are told."""

from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient, WebSocketDenialResponse

from app.contracts import CONTRACT_VERSION
from app.contracts.tunnel import CONTRACT_HEADER, VERSION_HEADER
from app.core.db import Database
from app.core.security import hash_token
from app.devices import agents, dialled
from app.devices.dial_api import router
from app.devices.models import Agent, AgentState
from tests.devices.conftest import NOW

TOKEN = "a-token-of-an-agent-0123456789-0123456789"
PATH = "/api/v1/agents/dial"


@pytest.fixture(autouse=True)
def dialling(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    app.include_router(router, prefix="/api/v1")
    monkeypatch.setattr(agents, "agent_transports", {})
    monkeypatch.setattr(dialled, "agent_transports", agents.agent_transports)


@pytest.fixture
def agent(database: Database) -> Agent:
    with database.transaction() as session:
        agent = Agent(
            name="门店一",
            base_url="",
            sealed_token="",
            token_hash=hash_token(TOKEN),
            created_at=NOW,
            updated_at=NOW,
        )
        agent.base_url = dialled.address_of(agent.id)
        session.add(agent)
        session.flush()
        session.expunge(agent)
    return agent


def headers(token: str = TOKEN, contract: Any = CONTRACT_VERSION) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {token}",
        CONTRACT_HEADER: str(contract),
        VERSION_HEADER: "1.2.3",
    }


def stored(database: Database, agent: Agent) -> Agent:
    with database.reading() as session:
        return session.get_one(Agent, agent.id)


def test_the_agent_is_let_in(client: TestClient, database: Database, agent: Agent) -> None:
    with client.websocket_connect(PATH, headers=headers()):
        assert dialled.is_connected(agent.base_url)
        row = stored(database, agent)
        assert (row.state, row.version, row.last_seen_at) == (AgentState.ONLINE, "1.2.3", NOW)
    assert not dialled.is_connected(agent.base_url)


@pytest.mark.parametrize(
    "given", [{}, {"Authorization": "Bearer"}, headers(TOKEN[::-1]), {"Cookie": "session=x"}]
)
def test_strangers_are_not(client: TestClient, agent: Agent, given: dict[str, str]) -> None:
    with (
        pytest.raises(WebSocketDenialResponse) as caught,
        client.websocket_connect(PATH, headers=given),
    ):
        pytest.fail("let in")
    assert caught.value.status_code == 401
    assert caught.value.json()["code"] == "agent.unauthorized"
    assert not dialled.is_connected(agent.base_url)


@pytest.mark.parametrize("contract", [CONTRACT_VERSION + 1, "", "x"])
def test_an_incompatible_agent_is_told_what_to_do(
    client: TestClient, database: Database, agent: Agent, contract: Any
) -> None:
    with (
        pytest.raises(WebSocketDenialResponse) as caught,
        client.websocket_connect(PATH, headers=headers(contract=contract)),
    ):
        pytest.fail("let in")
    assert caught.value.status_code == 409
    assert "升级" in caught.value.json()["remedy"]
    assert stored(database, agent).state is AgentState.INCOMPATIBLE
    assert stored(database, agent).version == "1.2.3"


def test_tries_are_counted(client: TestClient, agent: Agent) -> None:
    seen = []
    for _ in range(25):
        with (
            pytest.raises(WebSocketDenialResponse) as caught,
            client.websocket_connect(PATH, headers=headers("x" * 40)),
        ):
            pytest.fail("let in")
        seen.append(caught.value.status_code)
    assert seen[:20] == [401] * 20
    assert seen[20:] == [429] * 5


def test_nonsense_ends_the_connection(client: TestClient, agent: Agent) -> None:
    with client.websocket_connect(PATH, headers=headers()) as socket:
        socket.send_text("{}")
        assert socket.receive()["code"] == 1007
    assert not dialled.is_connected(agent.base_url)
