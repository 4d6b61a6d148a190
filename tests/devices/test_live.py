"""Server-sent events of devices: changes as they are stored, of one's own enterprises only."""

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.accounts.principal import Principal, Role
from app.core.db import Database
from app.devices import live
from app.devices.models import Device, DeviceState
from app.operators.models import Operator
from tests.acting import person_of
from tests.devices.conftest import NOW


def change(database: Database, device: Device, state: DeviceState, **more: Any) -> None:
    with database.transaction() as session:
        row = session.get_one(Device, device.id)
        row.sqlmodel_update({"state": state, "updated_at": NOW, "revision": row.revision + 1})


def reader(*enterprises: Any) -> Principal:
    return person_of(Role.OPERATOR, enterprise_ids=frozenset(enterprises) or None)


@pytest.fixture
def devices(
    database: Database, add_operator: Callable[..., Operator], add_device: Callable[..., Device]
) -> list[Device]:
    with database.transaction() as session:
        made = [add_device(session, add_operator(session)) for _ in range(2)]
        for device in made:
            device.updated_at = NOW - timedelta(days=1)
        session.flush()
        session.expunge_all()
    return made


async def take(database: Database, principal: Principal, act: Callable[[], None]) -> list[Any]:
    """What is sent within a few looks, beginning with the first; `act` happens after it."""
    found: list[Any] = []
    stream = live.follow(database, principal, lambda: NOW, again=lambda: principal)
    try:
        async with asyncio.timeout(1.5):
            async for line in stream:
                if "event: device" in line:
                    found.append(json.loads(line.split("data: ")[1]))
                elif line.startswith(":"):
                    act()
    except TimeoutError:
        return found
    return found


def test_a_change_is_told_once(database: Database, devices: list[Device]) -> None:
    def act() -> None:
        change(database, devices[0], DeviceState.CONNECTED)

    found = asyncio.run(take(database, reader(), act))
    assert [(one["id"], one["state"]) for one in found] == [(str(devices[0].id), "connected")]
    assert found[0]["number"] == devices[0].number


def test_other_enterprises_are_not_seen(database: Database, devices: list[Device]) -> None:
    def act() -> None:
        for device in devices:
            change(database, device, DeviceState.FAULT)

    found = asyncio.run(take(database, reader(devices[1].enterprise_id), act))
    assert [one["id"] for one in found] == [str(devices[1].id)]


def test_who_comes_back_misses_nothing(database: Database, devices: list[Device]) -> None:
    """Both devices changed yesterday: told only to somebody who was away since before."""

    async def first(after: timedelta | None) -> list[str]:
        since = None if after is None else NOW - after
        stream = live.follow(database, reader(), lambda: NOW, again=reader, after=since)
        try:
            return [await anext(stream), await anext(stream)]
        finally:
            await stream.aclose()  # type: ignore[attr-defined]

    _, line = asyncio.run(first(timedelta(days=1, seconds=1)))
    assert line.startswith(f"id: {NOW.isoformat()}\nevent: device")
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(first(timedelta(hours=1)), 1))


def test_it_ends_so_that_the_asker_is_looked_at_again(
    app: FastAPI, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MAX_SECONDS", 0.6)
    answer = client.get("/api/v1/devices/events")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.startswith(": devices")
