"""重新读取设备 on the operator's page: compare all devices, confirm by device, save; and who mends the enterprise."""

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from fastapi import FastAPI
from sqlmodel import select
from starlette.testclient import TestClient

from app.accounts.principal import Role
from app.contracts.faults import fault
from app.core.db import Database
from app.dashboard.pages import operator, operator_devices
from app.devices import service
from app.devices.models import Device
from app.devices.pages import router as device_pages
from app.enterprises.models import Enterprise
from app.layout import layout
from app.settings import Settings
from tests.acting import person_of

MAIN, SUB = "661814461322", "661814461323"
Make = Callable[..., Any]


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    app.state.layout = layout
    app.state.simulated = False
    for router in (device_pages, operator.router, operator_devices.router):
        app.include_router(router)
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
    """The page of an operator with two devices that were read once; the enterprise is registered as they say."""
    with database.transaction() as session:
        mounted = service.ensure_mounted(session, token=agent.token, settings=settings, at=now)
        holder = add_operator(session)
        for place, number in enumerate((MAIN, SUB)):
            device = add_device(session, holder, number=number, agent_id=mounted.id)
            reading = make_reading(number, machine_no=place)
            service.store_reading(session, device, reading, now)
            agent.readings[number] = reading
        enterprise = session.get_one(Enterprise, holder.enterprise_id)
        enterprise.tax_no, enterprise.name = reading.info.tax_no, reading.info.taxpayer_name
        return f"/clearing/operators/{holder.id}"


def _says(agent: Any, make_reading: Make, number: str, **info: Any) -> None:
    agent.readings[number] = make_reading(number, machine_no=int(number == SUB), **info)


def _versions(database: Database) -> list[str]:
    with database.reading() as session:
        return list(session.exec(select(Device.version).order_by(Device.number)))


def _offered(page: str) -> list[str]:
    return re.findall(r'name="confirmed" value="([0-9a-f-]{36} [0-9a-f]{64})"', page)


def _save(client: TestClient, path: str, *chosen: str) -> Any:
    return client.post(f"{path}/refresh", data={"saving": "1", "confirmed": list(chosen)})


def test_what_differs_is_shown_by_device_and_saved_once_it_is_confirmed(
    client: TestClient, database: Database, agent: Any, make_reading: Make, path: str
) -> None:
    before = _versions(database)
    for number in (MAIN, SUB):
        _says(agent, make_reading, number, version="V9")
    page = client.post(f"{path}/refresh")
    assert page.status_code == 200
    assert _versions(database) == before
    for address in (f'action="{path}"', f'href="{path}?check=1#checks"'):
        assert address in page.text, "without a script the page leads back to its own address"
    first, second = _offered(page.text)
    assert page.text.count("V9") == 2

    kept = _save(client, path, first)
    assert (kept.status_code, kept.headers["location"]) == (303, path)
    assert _versions(database) == ["V9", before[1]]
    assert _save(client, path, second).status_code == 303
    assert _versions(database) == ["V9", "V9"]
    assert client.post(f"{path}/refresh").status_code == 303, "nothing differs any more"


def test_one_device_needs_no_choice(
    client: TestClient, database: Database, agent: Any, make_reading: Make, path: str
) -> None:
    _says(agent, make_reading, SUB, version="V9")
    page = client.post(f"{path}/refresh").text
    (only,) = _offered(page)
    assert "checkbox" not in page[page.index('id="differences"') : page.index("不保存")]
    assert _save(client, path, only).status_code == 303
    assert _versions(database)[1] == "V9"


def test_others_than_were_shown_are_shown_again_and_none_ticked_saves_none(
    client: TestClient, database: Database, agent: Any, make_reading: Make, path: str
) -> None:
    before = _versions(database)
    _says(agent, make_reading, MAIN, version="V8")
    (shown,) = _offered(client.post(f"{path}/refresh").text)
    _says(agent, make_reading, MAIN, version="V9")
    again = _save(client, path, shown)
    assert again.status_code == 200
    assert "您确认前又变了" in again.text
    assert _save(client, path).status_code == 303
    assert _save(client, path, "no device's").status_code == 422
    assert _versions(database) == before


def test_a_device_that_cannot_be_read_does_not_hide_what_another_says(
    client: TestClient, database: Database, agent: Any, make_reading: Make, path: str
) -> None:
    agent.faults[MAIN] = fault("device.disconnected")
    _says(agent, make_reading, SUB, version="V9")
    page = client.post(f"{path}/refresh").text
    assert len(_offered(page)) == 1
    assert "已读取 1 台，1 台未能读取" in page


@pytest.mark.parametrize(("role", "may"), [(Role.ADMIN, True), (Role.OPERATOR, False)])
def test_the_way_to_mend_an_enterprise_is_for_who_may(
    app: FastAPI,
    client: TestClient,
    database: Database,
    agent: Any,
    make_reading: Make,
    path: str,
    role: Role,
    may: bool,
) -> None:
    """A device's page and the operator's say it, also when the device is as it was."""
    app.state.principal = person_of(role)
    with database.transaction() as session:
        enterprise = session.exec(select(Enterprise)).one()
        link = f'href="/settings/enterprises/{enterprise.id}"'
        device_id = session.exec(select(Device.id).where(Device.number == MAIN)).one()
    fits = client.post(f"/devices/{device_id}/refresh").text
    assert "与登记的企业不同" not in fits
    with database.transaction() as session:
        session.exec(select(Enterprise)).one().name = "登记错的名称"
    for refresh in (f"/devices/{device_id}/refresh", f"{path}/refresh"):
        page = client.post(refresh).text
        assert "登记错的名称" in page
        assert (link in page, "请管理员在“系统设置”的“企业”中改正" in page) == (may, not may)
