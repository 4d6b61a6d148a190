"""A device's connection and its lock are two facts; each has its own place and its own filter."""

from datetime import date
from uuid import UUID

import pytest
from sqlmodel import select
from starlette.testclient import TestClient

from app.core.clock import utc_now
from app.core.db import Database
from app.devices.models import Device, DeviceState
from app.enterprises.models import Enterprise


@pytest.fixture
def device(client: TestClient, database: Database) -> UUID:
    enterprise = {"tax_no": "91320118MA20LU6N3P", "name": "南京德茂商贸有限公司"}
    client.post("/settings/enterprises", data={**enterprise, "filing_cycle": "monthly"})
    with database.reading() as session:
        of = session.exec(select(Enterprise.id)).one()
    data = {"code": "KP0012", "name": "王晓梅", "enterprise_id": str(of), "active": "true"}
    client.post("/settings/operators", data=data)
    new = {"number": "661814461322", "kind": "tax_disk", "operator_code": "KP0012"}
    client.post("/devices/new", data=new)
    with database.reading() as session:
        return session.exec(select(Device.id)).one()


def put(database: Database, device_id: UUID, state: DeviceState, lock: date | None = None) -> None:
    with database.transaction() as session:
        found = session.get_one(Device, device_id)
        found.state, found.lock_date = state, lock
        found.retired_at = utc_now() if state is DeviceState.RETIRED else None


def test_a_locked_device_is_connected_and_locked(
    client: TestClient, database: Database, device: UUID
) -> None:
    put(database, device, DeviceState.LOCKED)
    for path in ("/devices", f"/devices/{device}"):
        page = client.get(path).text
        connection = page[page.index("data-device=") :].partition("</span>")[0]
        clearing = page[page.index("data-clearing=") :].partition("</span>")[0]
        assert "已连接" in connection
        assert "已锁死" in clearing


@pytest.mark.parametrize(
    ("state", "lock", "found"),
    [
        (DeviceState.LOCKED, None, {"connected", "locked"}),
        (DeviceState.CONNECTED, None, {"connected"}),
        (DeviceState.DISCONNECTED, date(2026, 12, 1), {"disconnected", "locked"}),
        (DeviceState.RETIRED, date(2026, 12, 1), {"retired"}),
    ],
)
def test_each_filter_asks_for_its_own_fact(
    client: TestClient,
    database: Database,
    device: UUID,
    state: DeviceState,
    lock: date | None,
    found: set[str],
) -> None:
    put(database, device, state, lock)
    shown = {
        one.value
        for one in DeviceState
        if "661814461322" in client.get("/devices", params={"state": one.value}).text
    }
    assert shown == found


def test_the_account_page_is_in_the_menu(client: TestClient) -> None:
    """Below 44rem the name in the top bar, which leads there too, is not shown."""
    menu = client.get("/devices").text.partition('<nav class="nav"')[2].partition("</nav>")[0]
    assert 'href="/account"' in menu
