"""Many at once: one request runs once, one device has one request, operators do not disturb each other."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import NewWorld
    from tests.e2e.harness import World

T = TypeVar("T")


@pytest.fixture(scope="module")
def world(new_shared_world: "NewWorld") -> "World":
    return new_shared_world(devices=12)


def _at_once(count: int, call: Callable[[int], T]) -> list[T]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(call, range(count)))


def test_fifty_executes_of_one_request_run_it_once(world: "World") -> None:
    subject = world.subject()
    request_id = world.post("/clearing-requests", subject.order)["id"]
    answers = _at_once(50, lambda _: world.api.post(f"/clearing-requests/{request_id}/execute"))
    assert Counter(answer.status_code for answer in answers) == {202: 1, 409: 49}
    refused = {answer.json()["code"] for answer in answers if answer.status_code == 409}
    assert refused == {"request.state"}
    world.assert_cleared_once(subject, request_id)
    assert world.request(request_id)["attempt"] == 1
    assert len(world.records(subject)) == 1


def test_one_device_takes_one_request(world: "World") -> None:
    subject = world.subject()
    answers = _at_once(10, lambda _: world.api.post("/clearing-requests", json=subject.order))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 9}
    made = [answer.json()["id"] for answer in answers if answer.status_code == 201]
    refused = [answer.json() for answer in answers if answer.status_code == 409]
    assert {one["code"] for one in refused} == {"clearing.in_progress"}
    assert [*{one["request_id"] for one in refused}] == made
    assert len(world.get("/clearing-requests", operator_id=subject.operator_id)["items"]) == 1


def test_ten_operators_at_once(world: "World") -> None:
    subjects = [world.subject(f"操作员{place}") for place in range(10)]
    request_ids = _at_once(10, lambda place: world.begin(subjects[place]))
    for subject, request_id in zip(subjects, request_ids, strict=True):
        world.assert_cleared_once(subject, request_id)
    assert world.get("/audit-records/verify")["ok"] is True
