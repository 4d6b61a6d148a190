"""Idempotency-Key: one effect and one answer, for who is known, kept with the change."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from pydantic import SecretStr
from sqlmodel import col, select
from starlette.testclient import TestClient

from app.accounts import service as accounts_service
from app.accounts.models import ApiKey
from app.accounts.principal import SYSTEM, Permission
from app.backups.models import Backup
from app.contracts.tax_numbers import check_character
from app.core.db import Database
from app.enterprises.models import Enterprise
from app.main import create_app
from app.settings import AgentMode, Settings
from app.system.models import IdempotencyKey
from app.system.queries import KEPT_FOR

TAX_NO, OTHER_TAX_NO = (
    stem + check_character(stem) for stem in ("91310115MA1K3YB64", "91310000MA1FL0XK8")
)


class Clock:
    """A clock that stands still until moved."""

    now = datetime(2026, 11, 5, 2, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path,
        agent=AgentMode.OFF,
        secret_key=SecretStr("a root secret for tests of thirty-two bytes"),
    )


@pytest.fixture
def new_server(any_database: Database, settings: Settings, clock: Clock) -> Callable[[], FastAPI]:
    """Each call: one more server on the same database."""
    return lambda: create_app(settings, clock=clock, database=any_database)


@pytest.fixture
def client(new_server: Callable[[], FastAPI]) -> Iterator[TestClient]:
    with_server = TestClient(new_server(), raise_server_exceptions=False)
    yield with_server
    with_server.close()


def _key(database: Database, clock: Clock, *scopes: Permission) -> tuple[UUID, dict[str, str]]:
    with database.transaction() as session:
        made = accounts_service.create_api_key(
            session,
            by=SYSTEM,
            name="ERP",
            scopes=scopes or (Permission.ADMIN,),
            expires_at=None,
            at=clock(),
        )
        return made.row.id, {"Authorization": f"Bearer {made.key}"}


def _count(database: Database, table: Any) -> int:
    with database.reading() as session:
        return int(session.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def _new_key(client: TestClient, headers: dict[str, str], key: str = "k") -> httpx.Response:
    body = {"name": "child", "scopes": ["read"]}
    keyed = headers | {"Idempotency-Key": key}
    answer: httpx.Response = client.post("/api/v1/api-keys", json=body, headers=keyed)
    return answer


def test_the_same_key_gives_the_same_answer_and_one_effect(
    any_database: Database, clock: Clock, client: TestClient
) -> None:
    _, headers = _key(any_database, clock)
    first, again = _new_key(client, headers), _new_key(client, headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["idempotent-replay"] == "true"
    assert "idempotent-replay" not in first.headers
    assert again.headers["ratelimit-remaining"] < first.headers["ratelimit-remaining"]
    assert _count(any_database, ApiKey) == 2


def test_a_change_is_never_committed_without_its_answer(
    any_database: Database, clock: Clock, client: TestClient
) -> None:
    """Whoever looks from outside, after whatever commit: as many new keys as kept answers."""
    _, headers = _key(any_database, clock)
    seen: set[tuple[int, int]] = set()
    stop = threading.Event()

    def look() -> None:
        both = sa.select(
            sa.select(sa.func.count()).select_from(ApiKey).scalar_subquery(),
            sa.select(sa.func.count()).select_from(IdempotencyKey).scalar_subquery(),
        )
        while not stop.is_set():
            with any_database.looking_up() as connection:
                seen.add(tuple(connection.execute(both).one()))

    watcher = threading.Thread(target=look)
    watcher.start()
    for place in range(25):
        assert _new_key(client, headers, f"k{place}").status_code == 201
    stop.set()
    watcher.join()
    assert len(seen) > 5
    assert {keys - answers for keys, answers in seen} == {1}


def test_an_answer_that_cannot_be_kept_undoes_its_change(
    any_database: Database, clock: Clock, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, headers = _key(any_database, clock)

    def broken(*_: object, **__: object) -> str:
        raise RuntimeError("no sealing today")

    with monkeypatch.context() as patch:
        patch.setattr("app.system.idempotency.seal", broken)
        assert _new_key(client, headers).status_code == 500
    assert _count(any_database, ApiKey) == 1
    assert _new_key(client, headers).status_code == 201


def _together(clients: list[TestClient], headers: dict[str, str], key: str) -> list[httpx.Response]:
    """The answers to the same request, sent three times to each server at once."""
    answers: list[httpx.Response] = []
    start = threading.Barrier(3 * len(clients))

    def ask(client: TestClient) -> None:
        start.wait()
        answers.append(_new_key(client, headers, key))

    threads = [threading.Thread(target=ask, args=(one,)) for one in clients * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_two_servers_given_the_same_request_at_once_do_it_once(
    any_database: Database, clock: Clock, new_server: Callable[[], FastAPI]
) -> None:
    _, headers = _key(any_database, clock)
    clients = [TestClient(new_server(), raise_server_exceptions=False) for _ in range(2)]
    for round_ in range(5):
        answers = _together(clients, headers, f"round {round_}")
        assert {one.status_code for one in answers} <= {201, 409}
        for one in answers:
            if one.status_code == 409:
                assert one.json()["code"] == "idempotency.in_progress"
                assert one.headers["retry-after"] == "1"
        assert len({one.content for one in answers if one.status_code == 201}) == 1
        assert _count(any_database, ApiKey) == round_ + 2
    for client in clients:
        client.close()


def test_a_revoked_or_expired_key_gets_no_kept_answer(
    any_database: Database, clock: Clock, client: TestClient
) -> None:
    key_id, headers = _key(any_database, clock)
    assert _new_key(client, headers).status_code == 201
    with any_database.transaction() as session:
        accounts_service.revoke_api_key(session, key_id, by=SYSTEM, at=clock())
    answer = _new_key(client, headers)
    assert (answer.status_code, "key" in answer.json()) == (401, False)


def test_who_may_less_than_before_gets_no_kept_answer(
    any_database: Database, clock: Clock, client: TestClient
) -> None:
    key_id, headers = _key(any_database, clock)
    assert _new_key(client, headers).status_code == 201
    with any_database.transaction() as session:
        session.get_one(ApiKey, key_id).scopes = "read"
    answer = _new_key(client, headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency.rights_changed")


def test_strangers_and_who_asks_too_often_leave_nothing_behind(
    any_database: Database, clock: Clock, client: TestClient, settings: Settings
) -> None:
    unknown = {"Authorization": "Bearer qk_unknown"}
    for headers in ({}, unknown):
        assert _new_key(client, headers).status_code == 401
        url = "/api/v1/" + "x" * 500
        answer = client.post(url, headers=headers | {"Idempotency-Key": "k"})
        assert answer.status_code in (401, 404)
    assert _count(any_database, IdempotencyKey) == 0
    settings.api_rate_per_minute = 2
    _, headers = _key(any_database, clock)
    codes = [_new_key(client, headers).status_code for _ in range(3)]
    assert codes == [201, 201, 429]


def test_a_refusal_is_not_kept_and_may_be_corrected_with_the_same_key(
    any_database: Database, clock: Clock, client: TestClient
) -> None:
    _, headers = _key(any_database, clock)
    keyed = headers | {"Idempotency-Key": "2026-10-KP0002"}
    body = {"tax_no": "ID FROM THE LIST", "name": "晨光"}
    assert client.post("/api/v1/enterprises", json=body, headers=keyed).status_code == 422
    body["tax_no"] = TAX_NO
    assert client.post("/api/v1/enterprises", json=body, headers=keyed).status_code == 201
    other = headers | {"Idempotency-Key": "another"}
    assert client.post("/api/v1/enterprises", json=body, headers=other).status_code == 409
    with any_database.transaction() as session:
        session.exec(select(Enterprise)).one().tax_no = OTHER_TAX_NO
    assert client.post("/api/v1/enterprises", json=body, headers=other).status_code == 201


def test_an_upload_is_compared_by_content_not_by_boundary(
    any_database: Database, clock: Clock, client: TestClient
) -> None:
    _, headers = _key(any_database, clock)
    keyed = headers | {"Idempotency-Key": "ledger"}

    def send(content: bytes, boundary: str, name: str = "a.csv") -> httpx.Response:
        body = (
            (
                f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
                "Content-Type: text/csv\r\n\r\n"
            ).encode()
            + content
            + f"\r\n--{boundary}--\r\n".encode()
        )
        kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        url = "/api/v1/invoices/import"
        answer: httpx.Response = client.post(url, content=body, headers=keyed | kind)
        return answer

    ledger = (
        "发票代码,发票号码,开票日期,金额,税额,设备编号,发票类型\n".encode() + b"1,2,x,1,1,1,004\n"
    )
    first = send(ledger, "aaaa")
    assert first.status_code == 200, first.text
    assert first.json()["refused"] == 1
    again = send(ledger, "bbbb")
    assert (again.content, again.headers["idempotent-replay"]) == (first.content, "true")
    other = send(ledger + b"1,3,x,1,1,1,004\n", "aaaa")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency.mismatch")


def test_a_long_action_keeps_its_answer_with_what_it_registers(
    any_database: Database, clock: Clock, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the process died right after the backup was registered: nothing later is needed."""
    _, headers = _key(any_database, clock)
    keyed = headers | {"Idempotency-Key": "backup"}

    def dies(*_: object, **__: object) -> None:
        raise SystemError("kill -9")

    with monkeypatch.context() as patch:
        patch.setattr("app.backups.api._one", dies)
        body = {"kind": "system"}
        broken = client.post("/api/v1/backups", json=body, headers=keyed)
        assert broken.status_code in (500, 201)
    again = client.post("/api/v1/backups", json=body, headers=keyed)
    assert again.status_code == 201
    assert again.headers["location"].endswith(again.json()["id"])
    with any_database.reading() as session:
        assert [str(one) for one in session.exec(select(Backup.id))] == [again.json()["id"]]


def test_after_a_day_the_key_is_free_again(
    any_database: Database, clock: Clock, client: TestClient
) -> None:
    _, headers = _key(any_database, clock)
    first = _new_key(client, headers)
    clock.now += KEPT_FOR + timedelta(seconds=1)
    assert _new_key(client, headers).json()["id"] != first.json()["id"]


def test_a_kept_secret_is_not_readable_at_rest(
    any_database: Database, clock: Clock, client: TestClient
) -> None:
    _, headers = _key(any_database, clock)
    secret = _new_key(client, headers).json()["key"]
    with any_database.reading() as session:
        row = session.exec(select(IdempotencyKey)).one()
        assert secret not in json.dumps(row.model_dump(mode="json"))
        assert session.exec(select(ApiKey).where(col(ApiKey.name) == "child")).one()
