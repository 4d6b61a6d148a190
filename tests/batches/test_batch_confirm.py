"""The confirmation of a batch: a table that foretells each operator, rows to drop, sub machines to add."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlmodel import select
from starlette.testclient import TestClient

from app.accounts.principal import Principal, Role
from app.batches import queries as batch_queries
from app.clearing.models import ClearingRequest
from app.devices.models import Device, DeviceMonitor, DeviceState

if TYPE_CHECKING:
    from tests.office import Office, Subject

Person = Callable[..., Principal]
PAGE = "/clearing/batches"


@pytest.fixture
def app(app: FastAPI, person: Person) -> FastAPI:
    app.state.principal = person(Role.OPERATOR)
    return app


def _table(client: TestClient, *subjects: "Subject") -> dict[str, tuple[str, str]]:
    """By operator's id: the word of the badge, and the whole row."""
    query = {"operator_ids": [str(one.operator_id) for one in subjects]}
    page = client.get(f"{PAGE}/new", params=query).text
    rows = re.findall(r'<tr><td class="keep"><a class="name".*?</tr>', page, re.DOTALL)
    found = {}
    for row in rows:
        (operator_id,) = re.findall(r'href="/clearing/operators/([^"]+)"', row)
        (word,) = re.findall(r'<span class="badge[^>]*>([^<]+)<', row)
        found[operator_id] = word, row
    return found


def test_each_operator_is_foretold_with_the_reason_a_single_request_would_be_refused_for(
    office: "Office", client: TestClient, person: Person
) -> None:
    well, held, none, zombie, away = (
        office.operator(),
        office.operator(),
        office.operator(machines=()),
        office.operator(),
        office.operator(),
    )
    office.submit(held, principal=person(Role.OPERATOR))
    with office.database.transaction() as session:
        session.get_one(Device, away.device_ids[0]).state = DeviceState.DISCONNECTED
        of_zombie = DeviceMonitor.device_id == zombie.device_ids[0]
        for monitor in session.exec(select(DeviceMonitor).where(of_zombie)):
            monitor.last_reported_at = datetime(2026, 5, 1)
    table = _table(client, well, held, none, zombie, away)
    words = {operator_id: word for operator_id, (word, _) in table.items()}
    assert words == {
        str(well.operator_id): "将提交",
        str(held.operator_id): "将跳过",
        str(none.operator_id): "将跳过",
        str(zombie.operator_id): "将跳过",
        str(away.operator_id): "预计失败",
    }
    assert "该设备已有未完成的清卡申请" in table[str(held.operator_id)][1]
    assert "没有可以清卡的设备" in table[str(none.operator_id)][1]
    assert "超过 90 天未抄报" in table[str(zombie.operator_id)][1]
    assert list(table)[-1] == str(well.operator_id), "what needs a look comes first"
    with office.database.reading() as session:
        device = session.get_one(Device, well.device_ids[0])
    assert device.number in table[str(well.operator_id)][1]
    assert "2026-11-16" in table[str(well.operator_id)][1]


def test_what_is_foretold_is_what_happens(
    app: FastAPI, office: "Office", client: TestClient, person: Person
) -> None:
    subjects = [office.operator(), office.operator(), office.operator(machines=())]
    office.submit(subjects[1], principal=person(Role.OPERATOR))
    foretold = {
        operator_id
        for operator_id, (word, _) in _table(client, *subjects).items()
        if word == "将跳过"
    }
    batch_id = office.open_batch(*subjects, principal=app.state.principal)
    office.carry_out()
    with office.database.reading() as session:
        skipped = {one["operator_id"] for one in batch_queries.batch(session, batch_id).skipped}
    assert skipped == foretold
    assert len(skipped) == 2


def _batch_operators(office: "Office") -> set[UUID]:
    office.carry_out()
    with office.database.reading() as session:
        rows = session.exec(
            select(ClearingRequest.operator_id).where(ClearingRequest.batch_id.is_not(None))  # type: ignore[union-attr]
        )
        return set(rows.all())


@pytest.mark.parametrize("chosen", [True, False])
def test_a_row_can_be_dropped(office: "Office", client: TestClient, chosen: bool) -> None:
    """Of the chosen operators, and of all that are due."""
    kept, dropped = office.operator(), office.operator()
    form: dict[str, object] = {"reason": "月末", "without": [str(dropped.operator_id)]}
    if chosen:
        form["operator_ids"] = [str(kept.operator_id), str(dropped.operator_id)]
    assert client.post(PAGE, data=form).status_code == 303
    assert _batch_operators(office) == {kept.operator_id}


def test_a_batch_of_nobody_is_refused(office: "Office", client: TestClient) -> None:
    only = str(office.operator().operator_id)
    form = {"reason": "月末", "operator_ids": [only], "without": [only]}
    refused = client.post(PAGE, data=form)
    assert refused.status_code == 422
    assert "至少保留一位操作员" in refused.text
    assert f'name="without" value="{only}"' in refused.text
    assert client.post(PAGE, data={"reason": "月末", "operator_ids": ["?"]}).status_code == 422


def test_sub_machines_a_main_machine_waits_for_are_offered_and_added(
    office: "Office", client: TestClient
) -> None:
    main, sub = office.operator(), office.operator(machines=(1,))
    with office.database.transaction() as session:
        session.get_one(Device, main.device_ids[0]).machine_no = 0
    query = {"operator_ids": [str(main.operator_id)]}
    page = client.get(f"{PAGE}/new", params=query).text
    assert f'name="also" value="{sub.operator_id}"' in page
    both = {"operator_ids": [str(main.operator_id), str(sub.operator_id)]}
    assert 'name="also"' not in client.get(f"{PAGE}/new", params=both).text
    form = query | {"reason": "月末", "also": [str(sub.operator_id)]}
    assert client.post(PAGE, data=form).status_code == 303
    assert _batch_operators(office) == {main.operator_id, sub.operator_id}


def test_who_is_not_listed_is_counted(
    office: "Office", client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.batches.preview.LISTED", 2)
    subjects = [office.operator() for _ in range(5)]
    query = {"operator_ids": [str(one.operator_id) for one in subjects]}
    page = client.get(f"{PAGE}/new", params=query).text
    assert "操作员 5 人" in page
    assert "另有 3 位操作员未逐一列出" in page


def test_the_prefilled_reason_claims_nothing_that_is_not_known(
    office: "Office", client: TestClient
) -> None:
    """Whether the return was filed, and in time, only a person or the bureau knows."""
    subject = office.operator()
    single = client.get(f"/clearing/operators/{subject.operator_id}").text
    batch = client.get("/clearing/batches/new").text
    assert ">2026-10 属期清卡</textarea>" in single
    assert ">2026-10 属期批量清卡</textarea>" in batch
    assert "申报已完成" not in single + batch
