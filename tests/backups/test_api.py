"""The REST API and the pages of backups: who may do what, and what comes of it."""

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.accounts import service as accounts_service
from app.accounts.principal import (
    SYSTEM,
    Permission,
    Principal,
    Role,
)
from app.accounts.service import AccountDraft
from app.backups import archive
from app.backups.api import router as api
from app.backups.pages import router as pages
from app.core.db import Database
from app.core.ids import new_id
from app.settings import Settings
from tests.acting import app_of, key_of, person_of

PASSWORD = "whole path 2468"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


@pytest.fixture
def admin(database: Database, settings: Settings, clock: Any) -> Principal:
    """A person, whose password is known."""
    draft = AccountDraft(
        "lin",
        frozenset({Role.ADMIN}),
        display_name="林会计",
        password=PASSWORD,
        must_change_password=False,
    )
    with database.transaction() as session:
        made = accounts_service.create_account(
            session, draft, by=SYSTEM, settings=settings, clock=clock
        )
        account_id = made.account.id
    return person_of(id=account_id, name="lin", display_name="林会计", ip="127.0.0.1")


@pytest.fixture
def app(database: Database, settings: Settings, admin: Principal, clock: Any) -> FastAPI:
    return app_of(database, settings, clock, admin, api=[api], pages=[pages])


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, follow_redirects=False) as client:
        yield client


def _as(app: FastAPI, *permissions: Permission, **more: Any) -> None:
    app.state.principal = key_of(*permissions, **more)


def _create(client: TestClient, **body: Any) -> dict[str, Any]:
    answer = client.post("/api/v1/backups", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"/api/v1/backups/{answer.json()['id']}"
    found: dict[str, Any] = answer.json()
    return found


def _of(subject: Any) -> dict[str, str]:
    return {"operator_id": str(subject.operator_id), "period": "2026-11"}


def test_create_list_get_verify(client: TestClient, database: Database, populate: Any) -> None:
    made = _create(client, **_of(populate(database)))
    assert (made["kind"], made["state"], made["invoices"]) == ("on_demand", "verified", 8)
    assert [copy["state"] for copy in made["copies"]] == ["verified"]
    assert client.get("/api/v1/backups").json()["items"] == [made]
    assert client.get(f"/api/v1/backups/{made['id']}").json() == made
    checked = client.post(f"/api/v1/backups/{made['id']}/verify").json()
    assert (checked["state"], checked["sha256"]) == ("verified", made["sha256"])


def test_an_enterprise_with_and_without_period(
    client: TestClient, database: Database, populate: Any
) -> None:
    subject = populate(database)
    everything = _create(client, enterprise_id=str(subject.enterprise_id))
    assert (everything["invoices"], everything["period"]) == (8, None)
    other = _create(client, enterprise_id=str(subject.enterprise_id), period="2026-10")
    assert (other["invoices"], other["period"]) == (2, "2026-10")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"operator_id": str(new_id())},
        {"kind": "pre_clearing", "enterprise_id": str(new_id())},
        {"kind": "system", "period": "2026-11"},
        {"operator_id": str(new_id()), "enterprise_id": str(new_id()), "period": "2026-11"},
        {"enterprise_id": str(new_id()), "period": "2026-13"},
        {"enterprise_id": str(new_id()), "surprise": 1},
    ],
)
def test_nonsense_is_refused(client: TestClient, body: dict[str, Any]) -> None:
    assert client.post("/api/v1/backups", json=body).status_code == 422


def test_unknown_subjects_are_not_found(client: TestClient) -> None:
    for body in (
        {"operator_id": str(new_id()), "period": "2026-11"},
        {"enterprise_id": str(new_id())},
    ):
        assert client.post("/api/v1/backups", json=body).status_code == 404
    assert client.get(f"/api/v1/backups/{new_id()}").json()["code"] == "backup.not_found"


def test_restore_by_a_person_needs_the_password(
    client: TestClient, database: Database, populate: Any, clear: Any, ledger: Any
) -> None:
    subject = populate(database)
    before = ledger(database)
    made = _create(client, **_of(subject))
    clear(database, subject)
    cleared = ledger(database)
    address = f"/api/v1/backups/{made['id']}/restore"
    plan = client.post(address, json={"preview": True}).json()
    assert (plan["preview"], plan["writes"], plan["total"]) == (True, 8, 8)
    assert plan["devices"] == [
        {
            "device_number": subject.number,
            "returning": 0,
            "changing": 6,
            "unchanged": 0,
            "drafts_returning": 2,
            "conflicts": 0,
        }
    ]
    for body in ({"preview": False}, {"preview": False, "password": "wrong"}):
        refused = client.post(address, json=body)
        assert (refused.status_code, refused.json()["code"]) == (422, "step_up.failed")
    assert ledger(database) == cleared
    done = client.post(address, json={"preview": False, "password": PASSWORD})
    assert (done.status_code, done.json()["preview"], done.json()["writes"]) == (200, False, 8)
    assert ledger(database) == before
    again = client.post(address, json={"preview": False, "password": PASSWORD}).json()
    assert (again["writes"], again["total"]) == (0, 8)


def test_restore_by_a_system_needs_the_scope(
    app: FastAPI, client: TestClient, database: Database, populate: Any, clear: Any, ledger: Any
) -> None:
    subject = populate(database)
    before = ledger(database)
    made = _create(client, **_of(subject))
    clear(database, subject)
    address = f"/api/v1/backups/{made['id']}"
    _as(app, Permission.READ, Permission.CLEARING_EXECUTE, Permission.CLEARING_REQUEST)
    for action, body in (("restore", {"preview": False}), ("restore", {}), ("drill", {})):
        assert client.post(f"{address}/{action}", json=body).status_code == 403
    assert client.get(f"{address}/content").status_code == 403
    _as(app, Permission.READ, Permission.BACKUP_RESTORE)
    assert client.post(f"{address}/restore", json={"preview": False}).status_code == 200
    assert ledger(database) == before


def test_others_enterprises_are_not_seen(
    app: FastAPI, client: TestClient, database: Database, populate: Any
) -> None:
    mine, other = populate(database), populate(database)
    made = _create(client, **_of(other))
    system = _create(client, kind="system")
    own = _create(client, **_of(mine))
    _as(app, *Permission, enterprise_ids=frozenset({mine.enterprise_id}))
    assert [one["id"] for one in client.get("/api/v1/backups").json()["items"]] == [own["id"]]
    for one in (made, system):
        address = f"/api/v1/backups/{one['id']}"
        answers = [
            client.get(address),
            client.get(f"{address}/content"),
            client.get(f"{address}/drills"),
            client.post(f"{address}/verify"),
            client.post(f"{address}/drill"),
            client.post(f"{address}/restore", json={}),
        ]
        assert [answer.status_code for answer in answers] == [404] * 6
    assert client.post("/api/v1/backups", json=_of(other)).status_code == 404


def test_the_whole_system_is_for_admins(
    app: FastAPI, client: TestClient, database: Database, populate: Any
) -> None:
    populate(database)
    made = _create(client, kind="system")
    drill = client.post(f"/api/v1/backups/{made['id']}/drill").json()
    assert drill["ok"], drill
    refused = client.post(f"/api/v1/backups/{made['id']}/restore", json={"preview": True})
    assert (refused.status_code, refused.json()["code"]) == (409, "backup.restore_unsupported")
    _as(app, Permission.READ, Permission.CLEARING_REQUEST)
    assert client.post("/api/v1/backups", json={"kind": "system"}).status_code == 403


def test_drill_is_reported(client: TestClient, database: Database, populate: Any) -> None:
    made = _create(client, **_of(populate(database)))
    drill = client.post(f"/api/v1/backups/{made['id']}/drill").json()
    assert (drill["ok"], drill["rows"], drill["engine"]) == (True, 8, "sqlite")
    assert client.get(f"/api/v1/backups/{made['id']}/drills").json()["items"] == [drill]


@pytest.mark.parametrize("encrypted", [False, True])
def test_content_is_the_archive(
    app: FastAPI,
    client: TestClient,
    database: Database,
    populate: Any,
    actions: Any,
    encrypted: bool,
) -> None:
    if encrypted:
        import base64

        app.state.settings = Settings(
            data_dir=app.state.settings.data_dir,
            backup_key=base64.b64encode(bytes(32)).decode(),
        )
    made = _create(client, **_of(populate(database)))
    answer = client.get(f"/api/v1/backups/{made['id']}/content")
    assert answer.headers["content-type"] == "application/zip"
    assert re.search(r'filename="[\w.-]+\.zip"', answer.headers["content-disposition"])
    assert int(answer.headers["content-length"]) == len(answer.content)
    manifest = archive.verify(io.BytesIO(answer.content))
    assert manifest == made["summary"]
    assert actions(database)[-1] == "backup.downloaded"


def test_an_unusable_target_is_said(
    app: FastAPI, client: TestClient, database: Database, populate: Any, actions: Any
) -> None:
    place = app.state.settings.data_dir / "file"
    place.write_bytes(b"")
    app.state.settings = Settings(data_dir=app.state.settings.data_dir, backup_dir=place)
    refused = client.post("/api/v1/backups", json=_of(populate(database)))
    assert (refused.status_code, refused.json()["code"]) == (507, "backup.target_unwritable")
    assert client.get("/api/v1/backups").json()["items"] == []
    assert actions(database)[-1] == "backup.failed"


# -- pages -----------------------------------------------------------------------------------------


def test_list_and_back_up_now(client: TestClient, database: Database, populate: Any) -> None:
    populate(database)
    page = client.get("/backups").text
    assert "还没有备份" in page
    assert "立即备份" in page
    form = {"what": "operator", "operator_code": "KP0001", "period": "2026-11"}
    made = client.post("/backups", data=form)
    assert made.status_code == 303
    assert "王晓梅" in client.get(made.headers["location"]).text
    whole = client.post("/backups", data={"what": "system"})
    assert "全系统" in client.get(whole.headers["location"]).text


@pytest.mark.parametrize(
    ("form", "message"),
    [
        (
            {"what": "operator", "operator_code": "nobody", "period": "2026-11"},
            "没有这个工号的操作员",
        ),
        ({"what": "operator", "operator_code": "KP0001", "period": ""}, "必填"),
        ({"what": "operator", "operator_code": "KP0001", "period": "2026-99"}, "格式不正确"),
        ({"what": "enterprise", "enterprise_id": ""}, "请选择列表中的一项"),
    ],
)
def test_wrong_input_is_shown_by_its_field(
    client: TestClient, database: Database, populate: Any, form: dict[str, str], message: str
) -> None:
    populate(database)
    answer = client.post("/backups", data=form)
    assert answer.status_code == 422
    assert message in answer.text
    assert form.get("operator_code", "") in answer.text


def test_restore_on_the_page(
    client: TestClient, database: Database, populate: Any, clear: Any, ledger: Any
) -> None:
    subject = populate(database)
    before = ledger(database)
    made = _create(client, **_of(subject))
    clear(database, subject)
    address = f"/backups/{made['id']}"
    page = client.get(address).text
    assert "将写回 8 条" in page
    assert "清卡已写入税控设备的内容不能撤销" in page
    assert subject.number in page
    wrong = client.post(f"{address}/restore", data={"password": "wrong"})
    assert wrong.status_code == 422
    assert "密码不正确" in wrong.text
    assert ledger(database) != before
    assert client.post(f"{address}/restore", data={"password": PASSWORD}).status_code == 303
    assert ledger(database) == before
    assert "台账与备份一致" in client.get(address).text


def test_verify_and_drill_on_the_page(
    client: TestClient, database: Database, populate: Any
) -> None:
    made = _create(client, **_of(populate(database)))
    address = f"/backups/{made['id']}"
    assert client.post(f"{address}/verify").headers["location"] == address
    assert client.post(f"{address}/drill").headers["location"] == address
    assert "逐行比对一致" in client.get(address).text


def test_a_damaged_backup_says_so_on_its_page(
    app: FastAPI, client: TestClient, database: Database, populate: Any
) -> None:
    made = _create(client, **_of(populate(database)))
    path = app.state.settings.resolved_backup_dir / made["path"]
    path.write_bytes(path.read_bytes()[:-5])
    address = f"/backups/{made['id']}"
    page = client.get(address)
    assert page.status_code == 200
    assert "备份已损坏" in page.text
    refused = client.post(f"{address}/restore", data={"password": PASSWORD})
    assert refused.status_code == 409
    client.post(f"{address}/verify")
    assert "校验失败" in client.get("/backups").text


def test_who_only_reads_sees_no_buttons(
    app: FastAPI, client: TestClient, database: Database, populate: Any
) -> None:
    made = _create(client, **_of(populate(database)))
    app.state.principal = replace(
        app.state.principal, permissions=frozenset({Permission.READ}), roles=frozenset()
    )
    page = client.get(f"/backups/{made['id']}").text
    for action in ("/restore", "/drill", "/verify", "/content"):
        assert f"/backups/{made['id']}{action}" not in page
    assert "立即备份" not in client.get("/backups").text
    assert client.post("/backups", data={"what": "system"}).status_code == 403
    assert client.post(f"/backups/{made['id']}/restore", data={}).status_code == 403
