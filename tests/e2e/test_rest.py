"""A clearing by another system: keys and scopes, retries of a request, duplicates, events."""

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from app.accounts.principal import Permission

if TYPE_CHECKING:
    from tests.e2e.conftest import NewWorld
    from tests.e2e.harness import World

CLEARING = (Permission.READ, Permission.CLEARING_REQUEST, Permission.CLEARING_EXECUTE)


@pytest.fixture(scope="module")
def world(new_shared_world: "NewWorld") -> "World":
    return new_shared_world(devices=3)


def _refused(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code


def test_three_scopes_clear_and_the_events_tell_of_it(world: "World") -> None:
    subject = world.subject()
    world.simulation.fault(subject.number, "slow", message="QLJS", seconds=1.0)
    with world.client(world.new_key(*CLEARING)) as client:
        made = client.post("/clearing-requests", json=subject.order)
        assert made.status_code == 201
        path = made.headers["location"].removeprefix("/api/v1")
        started = client.post(f"{path}/execute")
        assert started.status_code == 202
        events = _events(client, path)
    request_id = made.json()["id"]
    world.assert_cleared_once(subject, request_id)
    kinds = [kind for kind, _ in events]
    assert kinds.count("end") == 1
    last, told = events[-1]
    assert (last, told["state"], told["error"]) == ("end", "succeeded", None)
    done = [data["name"] for kind, data in events if kind == "stage" and data["state"] == "done"]
    assert done == ["init", "backup", "clear", "done"]
    percents = [data["progress"] for kind, data in events if kind == "progress"]
    assert percents == sorted(percents)
    assert percents[-1] == 100


def test_the_same_key_replays_and_another_body_is_refused(world: "World") -> None:
    subject = world.subject()
    key = {"Idempotency-Key": "order-1"}
    first = world.api.post("/clearing-requests", json=subject.order, headers=key)
    again = world.api.post("/clearing-requests", json=subject.order, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["idempotent-replay"] == "true"
    assert "idempotent-replay" not in first.headers
    other = subject.order | {"reason": "另一个原因"}
    _refused(
        world.api.post("/clearing-requests", json=other, headers=key), 422, "idempotency.mismatch"
    )
    path = f"/clearing-requests/{first.json()['id']}/execute"
    start = {"Idempotency-Key": "start-1"}
    assert world.api.post(path, headers=start).status_code == 202
    replayed = world.api.post(path, headers=start)
    assert (replayed.status_code, replayed.headers["idempotent-replay"]) == (202, "true")
    _refused(world.api.post(path), 409, "request.state")
    world.assert_cleared_once(subject, first.json()["id"])
    _refused(world.api.post("/clearing-requests", json=subject.order), 409, "clearing.duplicate")
    assert len(world.get("/clearing-requests", operator_id=subject.operator_id)["items"]) == 1


def test_a_missing_scope_starts_nothing(world: "World") -> None:
    subject = world.subject()
    with world.client(world.new_key(Permission.READ)) as reader:
        _refused(reader.post("/clearing-requests", json=subject.order), 403, "forbidden")
    with world.client(world.new_key(*CLEARING[:2])) as requester:
        made = requester.post("/clearing-requests", json=subject.order)
        assert made.status_code == 201
        path = f"/clearing-requests/{made.json()['id']}"
        _refused(requester.post(f"{path}/execute"), 403, "forbidden")
        assert requester.get(path).json()["state"] == "submitted"
    with httpx.Client(base_url=world.api.base_url, trust_env=False) as nobody:
        _refused(nobody.post(f"{path}/execute"), 401, "unauthenticated")
    assert not world.simulation.log(subject.number, "SJCB", "JKHC", acted=False)


def _events(client: httpx.Client, path: str) -> list[tuple[str, dict[str, Any]]]:
    """(event, data) until the server ends the stream."""
    found: list[tuple[str, dict[str, Any]]] = []
    kind = ""
    with client.stream("GET", f"{path}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                found.append((kind, json.loads(value)))
    return found
