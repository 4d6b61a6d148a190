"""更新设备信息: compare, confirm, save. What is confirmed is what was shown."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from fastapi import FastAPI
from sqlmodel import select
from starlette.testclient import TestClient

from app.audit.models import AuditRecord
from app.core.db import Database
from app.devices import service
from app.devices.models import Device
from app.devices.pages import router as device_pages
from app.layout import layout
from app.settings import Settings

NUMBER = "661814461322"
Make = Callable[..., Any]


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    app.state.layout = layout
    app.state.simulated = False
    app.include_router(device_pages)
    with TestClient(app, follow_redirects=False) as client:
        yield client


@pytest.fixture
def path(
    database: Database,
    settings: Settings,
    now: datetime,
    agent: Any,
    add_operator: Make,
    add_device: Make,
    make_reading: Make,
) -> str:
    """The page of a device that was read once."""
    with database.transaction() as session:
        mounted = service.ensure_mounted(session, token=agent.token, settings=settings, at=now)
        operator = add_operator(session)
        device = add_device(session, operator, number=NUMBER, agent_id=mounted.id)
        service.store_reading(session, device, make_reading(), now)
        return f"/devices/{device.id}"


def _says(agent: Any, make_reading: Make, name: str, version: str) -> None:
    agent.readings[NUMBER] = make_reading(taxpayer_name=name, version=version)


def _kept(database: Database) -> tuple[str, str]:
    with database.reading() as session:
        device = session.exec(select(Device)).one()
        return device.taxpayer_name, device.version


def _reads(database: Database) -> list[Any]:
    with database.reading() as session:
        found = session.exec(select(AuditRecord).where(AuditRecord.action == "device.read"))
        return [json.loads(one.details)["changes"] for one in found]


def _confirm(page: str) -> str:
    found = re.search(r'name="confirmed" value="([0-9a-f]{64})"', page)
    assert found is not None
    return found.group(1)


def test_nothing_that_differs_is_saved_before_it_is_confirmed(
    client: TestClient, database: Database, agent: Any, make_reading: Make, path: str
) -> None:
    before = _kept(database)
    _says(agent, make_reading, "新名称有限公司", "V9")
    page = client.post(f"{path}/refresh").text
    assert _kept(database) == before
    assert _reads(database) == []
    for text in (*before, "新名称有限公司", "V9"):
        assert text in page
    saved = client.post(f"{path}/refresh", data={"confirmed": _confirm(page)})
    assert saved.status_code == 303
    assert _kept(database) == ("新名称有限公司", "V9")
    (changes,) = _reads(database)
    assert changes["version"] == [before[1], "V9"]
    assert "没有差异" in client.post(f"{path}/refresh").text


def test_what_changed_after_it_was_shown_is_shown_again(
    client: TestClient, database: Database, agent: Any, make_reading: Make, path: str
) -> None:
    before = _kept(database)
    _says(agent, make_reading, "新名称有限公司", "V9")
    shown = _confirm(client.post(f"{path}/refresh").text)
    _says(agent, make_reading, "又一个名称", "V9")
    page = client.post(f"{path}/refresh", data={"confirmed": shown})
    assert page.status_code == 200
    assert "您确认前又变了" in page.text
    assert "又一个名称" in page.text
    assert _kept(database) == before
    assert _confirm(page.text) != shown


def test_programs_compare_and_confirm_likewise(
    client: TestClient, database: Database, agent: Any, make_reading: Make, path: str
) -> None:
    before = _kept(database)
    _says(agent, make_reading, "新名称有限公司", "V9")
    shown = client.post(f"/api/v1{path}/refresh?confirmed=").json()
    assert (shown["saved"], len(shown["changes"])) == (False, 2)
    assert _kept(database) == before
    saved = client.post(f"/api/v1{path}/refresh", params={"confirmed": shown["confirm"]}).json()
    assert (saved["saved"], saved["confirm"]) == (True, "")
    assert _kept(database) == ("新名称有限公司", "V9")
