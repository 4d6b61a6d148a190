"""One-time codes: made by an admin, used once by an agent, worth nothing to anybody else."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from sqlmodel import select
from starlette.testclient import TestClient

from app.accounts.principal import ROLE_PERMISSIONS, Principal, PrincipalKind, Role
from app.contracts import CONTRACT_VERSION
from app.core.db import Database
from app.core.security import hash_token
from app.devices import queries, service
from app.devices.agents import is_token
from app.devices.models import MOUNTED, Agent, AgentEnrollment
from app.settings import Settings
from tests.devices.conftest import NOW

TOKEN = "a-token-of-an-agent-0123456789-0123456789"
PIN = "ab" * 32


def code_for(client: TestClient, name: str = "门店一") -> str:
    answer = client.post("/api/v1/agents/enrollments", json={"name": name})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["code"])


def enroll(client: TestClient, code: str, **more: Any) -> Any:
    body = {
        "code": code,
        "token": TOKEN,
        "version": "1.0.0",
        "contract_version": CONTRACT_VERSION,
    }
    return client.post("/api/v1/agents/enroll", json=body | more)


def test_an_agent_that_dials_is_known_by_the_hash_of_its_token(
    client: TestClient, database: Database
) -> None:
    code = code_for(client)
    assert len(code) == 14
    answer = enroll(client, code.lower())
    assert answer.status_code == 200, answer.text
    assert answer.json()["base_url"] == f"dial:{answer.json()['id']}"
    assert TOKEN not in answer.text
    with database.reading() as session:
        agent = queries.agent_by_token(session, hash_token(TOKEN))
        assert agent is not None
        assert agent.sealed_token == ""
        row = session.exec(select(AgentEnrollment)).one()
        assert code not in row.model_dump_json()
        assert code.replace("-", "") not in row.model_dump_json()


def test_an_agent_that_is_called_gives_its_address_and_pin(
    client: TestClient, database: Database, settings: Settings
) -> None:
    answer = enroll(client, code_for(client), base_url="https://192.0.2.9:8711", pin=PIN.upper())
    assert answer.json()["pin"] == PIN
    with database.reading() as session:
        agent = session.exec(select(Agent)).one()
        assert agent.token_hash is None
        assert is_token(settings, agent, TOKEN)


@pytest.mark.parametrize("base_url", ["http://192.0.2.9:8711", "mounted:", "https://169.254.0.1"])
def test_addresses_that_are_refused(client: TestClient, base_url: str) -> None:
    code = code_for(client)
    assert enroll(client, code, base_url=base_url, pin=PIN).status_code == 422
    assert enroll(client, code).status_code == 200


def test_a_code_is_for_one_agent_which_may_ask_again(client: TestClient) -> None:
    code = code_for(client)
    first = enroll(client, code)
    again = enroll(client, code)
    assert again.json()["id"] == first.json()["id"]
    other = enroll(client, code, token=TOKEN[::-1])
    assert other.status_code == 403
    assert other.json()["code"] == "agent.enrollment_refused"


def test_a_code_ends_after_fifteen_minutes(app: FastAPI, client: TestClient) -> None:
    code = code_for(client)
    app.state.clock = lambda: NOW + timedelta(minutes=15)
    assert enroll(client, code).status_code == 403
    app.state.clock = lambda: NOW + timedelta(minutes=14, seconds=59)
    assert enroll(client, code).status_code == 200


def test_an_incompatible_agent_is_told_what_to_do(client: TestClient) -> None:
    code = code_for(client)
    answer = enroll(client, code, contract_version=CONTRACT_VERSION + 1)
    assert answer.status_code == 409
    assert answer.json()["code"] == "agent.version"
    assert "升级" in answer.json()["remedy"]
    assert enroll(client, code).status_code == 200


def test_an_agent_is_enrolled_anew_under_its_name(client: TestClient, database: Database) -> None:
    first = enroll(client, code_for(client)).json()
    second = enroll(client, code_for(client), token=TOKEN[::-1]).json()
    assert second["id"] == first["id"]
    with database.reading() as session:
        assert queries.agent_by_token(session, hash_token(TOKEN)) is None


def test_the_agent_inside_the_server_needs_no_code(
    client: TestClient, database: Database, settings: Settings
) -> None:
    with database.transaction() as session:
        agent = service.ensure_mounted(session, token=TOKEN, settings=settings, at=NOW)
        name, base_url = agent.name, agent.base_url
    assert base_url == MOUNTED
    assert client.post("/api/v1/agents/enrollments", json={"name": name}).status_code == 409


def test_only_admins_make_codes(app: FastAPI, client: TestClient, admin: Principal) -> None:
    for role in set(Role) - {Role.ADMIN}:
        permissions = ROLE_PERMISSIONS[role]
        app.state.principal = type(admin)(
            kind=admin.kind,
            id=admin.id,
            name="x",
            display_name="x",
            roles=frozenset({role}),
            permissions=permissions,
        )
        answer = client.post("/api/v1/agents/enrollments", json={"name": "门店一"})
        assert answer.status_code == 403, role


def test_guessing_codes_is_slowed_down(client: TestClient) -> None:
    answers = [enroll(client, f"AAAA-AAAA-{place:04d}").status_code for place in range(25)]
    assert answers[:20] == [403] * 20
    assert answers[20:] == [429] * 5


def test_a_person_registers_and_enrols_agents_only_with_the_password(
    app: FastAPI, client: TestClient, admin: Principal
) -> None:
    app.state.principal = replace(admin, kind=PrincipalKind.ACCOUNT)
    for path, body in (
        ("/api/v1/agents/enrollments", {"name": "门店"}),
        ("/api/v1/agents", {"name": "前台", "base_url": "https://a.lan:8711"}),
    ):
        answer = client.post(path, json=body)
        assert answer.status_code == 422, path
        assert answer.json()["errors"] == {"password": "请输入密码"}
