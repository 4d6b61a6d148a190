"""kill -9 between a change and its answer: the same key gives the same answer, and there is one effect.

The process dies as soon as the change is visible from outside, before or while its answer goes out, and at
chosen moments around it.
"""

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import sqlalchemy as sa

from app.accounts.models import ApiKey
from app.backups.models import Backup
from app.clearing.models import ClearingBatch, ClearingRequest

if TYPE_CHECKING:
    from tests.e2e.conftest import NewWorld
    from tests.e2e.harness import World


def _count(world: "World", table: Any) -> int:
    with world.database.reading() as session:
        return int(session.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def _killed_once_it_is_there(
    world: "World", path: str, body: dict[str, Any], table: Any, *, key: str, delay: float | None
) -> None:
    """Send it, and kill the server when the row is visible, or after `delay` seconds."""
    before = _count(world, table)
    client = world.client(world.admin_key)
    address = f"{world.address}/api/v1{path}"

    def send() -> None:
        try:
            client.post(address, json=body, headers={"Idempotency-Key": key})
        except httpx.HTTPError:
            return  # its server was killed

    sender = threading.Thread(target=send)
    sender.start()
    if delay is not None:
        time.sleep(delay)
    else:
        deadline = time.monotonic() + 30
        while _count(world, table) == before and time.monotonic() < deadline:
            time.sleep(0.001)
    world.kill()
    sender.join()
    client.close()
    world.start()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_killed_servers_answer_is_given_by_the_next_one(
    kind: str, request: pytest.FixtureRequest, new_world: "NewWorld", until: Callable[..., Any]
) -> None:
    settings = {}
    if kind == "postgresql":
        settings["QINGKA_DATABASE_URL"] = request.getfixturevalue("postgres_url")
    world = new_world(devices=2, settings=settings)
    first, second = world.subject(), world.subject()
    batch = {"operator_ids": [second.operator_id], "period": second.period, "reason": "按期清卡"}
    rounds: list[tuple[str, dict[str, Any], Any, float | None]] = [
        ("/api-keys", {"name": "child", "scopes": ["read"]}, ApiKey, None),
        ("/clearing-requests", first.order, ClearingRequest, None),
        ("/backups", {"kind": "system"}, Backup, None),
        ("/clearing-batches", batch, ClearingBatch, None),
        ("/api-keys", {"name": "child", "scopes": ["read"]}, ApiKey, 0.015),
        ("/backups", {"kind": "system"}, Backup, 0.3),
    ]
    for place, (path, body, table, delay) in enumerate(rounds):
        before = _count(world, table)
        key = f"retry-{place}"
        _killed_once_it_is_there(world, path, body, table, key=key, delay=delay)
        made = _count(world, table) - before
        again = world.api.post(path, json=body, headers={"Idempotency-Key": key})
        assert again.status_code in (201, 202), (path, again.text)
        assert ("idempotent-replay" in again.headers) is (made == 1), path
        once_more = world.api.post(path, json=body, headers={"Idempotency-Key": key})
        assert once_more.content == again.content, path
        assert _count(world, table) == before + 1, path
