"""Batches are made in portions: the batch first, then a few requests at a time, each operator exactly once."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlmodel import select
from starlette.testclient import TestClient

from app.accounts import service as accounts_service
from app.accounts.models import Account
from app.accounts.principal import SYSTEM, Principal, Role
from app.accounts.service import AccountDraft
from app.audit.models import AuditRecord
from app.batches import members, order_queries, portions
from app.batches import queries as batch_queries
from app.batches import service as batches
from app.batches.portion_thread import Portions
from app.clearing.models import ClearingBatchOrder, ClearingRequest
from app.clearing.outcomes import Failure
from app.clearing.states import BatchPhase, RequestState
from app.core.db import Session
from app.requests.run.context import Context
from app.requests.service import outcome

if TYPE_CHECKING:
    from tests.office import Office, Subject

Person = Callable[..., Principal]
API = "/api/v1/clearing-batches"
PAGE = "/clearing/batches"


@pytest.fixture
def office(any_office: "Office") -> "Office":
    return any_office


@pytest.fixture
def app(app: FastAPI, person: Person) -> FastAPI:
    app.state.principal = person(Role.OPERATOR)
    return app


def _requests(office: "Office") -> list[ClearingRequest]:
    with office.database.reading() as session:
        return list(session.exec(select(ClearingRequest).order_by(sa.text("id"))))


def _phase(office: "Office", batch_id: UUID) -> BatchPhase:
    with office.database.reading() as session:
        return order_queries.phases(session, [batch_queries.batch(session, batch_id)])[batch_id]


def test_the_batch_is_answered_before_any_request_is_made(
    app: FastAPI, office: "Office", client: TestClient
) -> None:
    subjects = [office.operator() for _ in range(3)]
    body = {"operator_ids": [str(one.operator_id) for one in subjects], "reason": "月末"}
    answer = client.post(API, json=body)
    assert answer.status_code == 202
    made = answer.json()
    assert (made["phase"], made["total"], made["waiting"]) == ("preparing", 3, 3)
    assert made["requests"] == []
    assert _requests(office) == []
    assert "正在生成申请，还有 3 位" in client.get(f"{PAGE}/{made['id']}").text
    office.carry_out()
    made = client.get(f"{API}/{made['id']}").json()
    assert (made["phase"], made["total"], made["waiting"]) == ("running", 3, 0)
    assert len(made["requests"]) == 3


def test_no_transaction_makes_more_than_a_portion(office: "Office", person: Person) -> None:
    """Others write between two portions: nobody waits for a whole batch."""
    count = 2 * portions.PORTION + 3
    subjects = [office.operator() for _ in range(count)]
    office.open_batch(*subjects, principal=person(Role.ADMIN))
    made = []
    while portions.next_portion(office.database, office.settings, office.clock):
        made.append(len(_requests(office)))
    assert made == [portions.PORTION, 2 * portions.PORTION, count]
    assert portions.PORTION <= 25


def test_each_operator_is_made_exactly_once_whatever_breaks_off(
    office: "Office", person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database goes away in the middle of a portion: it comes again as a whole, nothing is there twice."""
    subjects = [office.operator() for _ in range(portions.PORTION + 2)]
    office.open_batch(*subjects, principal=person(Role.ADMIN))
    whole, calls = members.make, 0

    def breaking(*args: object, **kwargs: object) -> ClearingRequest:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise sa.exc.OperationalError("INSERT", {}, Exception("gone"))
        return whole(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(members, "make", breaking)
    with pytest.raises(sa.exc.OperationalError):
        office.carry_out()
    assert _requests(office) == [], "the portion is undone as a whole"
    office.carry_out()
    operators = [request.operator_id for request in _requests(office)]
    assert sorted(operators) == sorted(one.operator_id for one in subjects)


def test_a_new_process_goes_on_with_what_was_left(office: "Office", person: Person) -> None:
    subjects = [office.operator() for _ in range(portions.PORTION + 1)]
    batch_id = office.open_batch(*subjects, principal=person(Role.ADMIN))
    assert portions.next_portion(office.database, office.settings, office.clock)
    context = Context(office.database, office.settings, office.clock, agents=None)  # type: ignore[arg-type]
    worker = Portions(context)
    worker.start()
    worker.look()
    for _ in range(200):
        if len(_requests(office)) == len(subjects):
            break
        worker._stopping.wait(0.05)
    worker.stop()
    assert len(_requests(office)) == len(subjects)
    assert _phase(office, batch_id) is BatchPhase.RUNNING


def test_two_processes_at_once_make_each_request_once(office: "Office", person: Person) -> None:
    subjects = [office.operator() for _ in range(2 * portions.PORTION + 1)]
    batch_id = office.open_batch(*subjects, principal=person(Role.ADMIN))
    with ThreadPoolExecutor(2) as pool:
        counts = list(pool.map(lambda _: office.carry_out(), range(2)))
    assert sum(counts) == 3, "no portion twice"
    operators = [request.operator_id for request in _requests(office)]
    assert sorted(operators) == sorted(one.operator_id for one in subjects)
    with office.database.reading() as session:
        assert batch_queries.batch(session, batch_id).skipped == []


def test_one_member_that_breaks_stops_no_other_and_keeps_its_reason(
    office: "Office", person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, broken, last = (office.operator() for _ in range(3))
    whole = members.make

    def breaking(session: Session, batch: object, operator_id: UUID, **more: object) -> object:
        if operator_id == broken.operator_id:
            raise RuntimeError("our own fault")
        return whole(session, batch, operator_id, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(members, "make", breaking)
    batch_id = office.open_batch(first, broken, last, principal=person(Role.ADMIN))
    office.carry_out()
    assert [one.operator_id for one in _requests(office)] == [first.operator_id, last.operator_id]
    with office.database.reading() as session:
        (skipped,) = batch_queries.batch(session, batch_id).skipped
    assert (skipped["operator_id"], skipped["code"]) == (str(broken.operator_id), "internal")


def test_sub_machines_are_made_before_the_main_machine(office: "Office", person: Person) -> None:
    """A main machine waits for sub machines that have a request, so theirs must be there first."""
    main, sub = office.operator(), office.operator(machines=(1,))
    office.open_batch(main, sub, principal=person(Role.ADMIN))
    office.carry_out()
    assert [one.operator_id for one in _requests(office)] == [sub.operator_id, main.operator_id]


def test_who_was_disabled_meanwhile_clears_nothing_more(office: "Office", person: Person) -> None:
    draft = AccountDraft(
        "boss", frozenset({Role.ADMIN}), password="many at once 2026", must_change_password=False
    )
    with office.database.transaction() as session:
        account_id = accounts_service.create_account(
            session, draft, by=SYSTEM, settings=office.settings, clock=office.clock
        ).account.id
    who = replace(person(Role.ADMIN), id=account_id)
    subjects = [office.operator() for _ in range(portions.PORTION + 2)]
    batch_id = office.open_batch(*subjects, principal=who)
    assert portions.next_portion(office.database, office.settings, office.clock)
    with office.database.transaction() as session:
        session.get_one(Account, account_id).disabled_at = office.clock()
    office.carry_out()
    assert len(_requests(office)) == portions.PORTION
    with office.database.reading() as session:
        skipped = batch_queries.batch(session, batch_id).skipped
    assert [one["code"] for one in skipped] == ["batch.asker_gone"] * 2


def test_what_was_made_and_left_out_is_on_record_once(office: "Office", person: Person) -> None:
    office.open_batch(office.operator(), office.operator(machines=()), principal=person(Role.ADMIN))
    office.carry_out()
    with office.database.reading() as session:
        records = session.exec(select(AuditRecord).where(AuditRecord.action == "batch.prepared"))
        (record,) = records.all()
    assert '"requests":1' in str(record.details).replace(" ", "").replace("'", '"')


def _failed(office: "Office", batch_id: UUID) -> list[UUID]:
    """Every request of the batch ran and failed."""
    with office.database.reading() as session:
        ids = [one.id for one in batch_queries.requests_of_batch(session, batch_id, SYSTEM)]
    failure = Failure("agent.unreachable", "设备代理无法访问", "稍后重试")
    for request_id in ids:
        office.put(request_id, RequestState.APPROVED)
        office.execute(request_id)
        office.change(
            request_id,
            lambda session, request: outcome.fail(
                session, request, failure, {}, clock=office.clock
            ),
        )
    return ids


def test_a_retry_is_carried_out_in_portions_and_what_is_refused_keeps_its_reason(
    app: FastAPI, office: "Office", client: TestClient, person: Person
) -> None:
    admin = app.state.principal = person(Role.ADMIN)
    subjects: list[Subject] = [office.operator() for _ in range(portions.PORTION + 2)]
    batch_id = office.open_batch(*subjects, principal=admin)
    office.carry_out()
    ids = _failed(office, batch_id)
    taken = office.submit(subjects[0], principal=person(Role.OPERATOR))
    with office.database.transaction() as session:
        found = batch_queries.locked_batch(session, batch_id)
        asked = batches.retry_failed(session, found, principal=admin, clock=office.clock)
    assert asked == len(ids)
    assert office.carry_out() == 2, "portions"
    assert office.state(taken) is RequestState.SUBMITTED
    states = {one.id: one.state for one in _requests(office)}
    assert states[ids[0]] is RequestState.FAILED
    assert {states[one] for one in ids[1:]} == {RequestState.RUNNING}
    (retry,) = client.get(f"{API}/{batch_id}").json()["retries"]
    assert (retry["total"], retry["retried"], retry["waiting"]) == (len(ids), len(ids) - 1, 0)
    (refused,) = retry["refused"]
    assert (refused["request_id"], refused["code"]) == (str(ids[0]), "clearing.in_progress")
    page = client.get(f"{PAGE}/{batch_id}").text
    assert f"已重新开始 {len(ids) - 1} 件" in page
    assert "未能重试 1 件" in page
    assert "请勿重复清卡：该设备已有未完成的清卡申请" in page


def test_a_retry_of_nothing_says_so(
    app: FastAPI, office: "Office", client: TestClient, person: Person
) -> None:
    app.state.principal = person(Role.ADMIN)
    batch_id = office.open_batch(office.operator(), principal=app.state.principal)
    office.carry_out()
    with office.database.transaction() as session:
        found = batch_queries.locked_batch(session, batch_id)
        assert batches.retry_failed(session, found, principal=SYSTEM, clock=office.clock) == 0
    with office.database.reading() as session:
        orders = session.exec(select(ClearingBatchOrder)).all()
    assert len(orders) == 1, "nothing is ordered"


def _changes(client: TestClient, batch_id: UUID, since: str, **query: str) -> str:
    answer = client.get(
        f"{PAGE}/{batch_id}",
        params={"since": since} | query,
        headers={"X-Fragment": "changes"},
    )
    assert answer.status_code == 200
    return str(answer.text)


def test_only_rows_that_changed_travel(
    app: FastAPI, office: "Office", client: TestClient, person: Person
) -> None:
    app.state.principal = person(Role.ADMIN)
    subjects = [office.operator() for _ in range(3)]
    batch_id = office.open_batch(*subjects, principal=app.state.principal)
    office.carry_out()
    first, second, _ = (one.id for one in _requests(office))
    office.clock.move(minutes=5)
    page = client.get(f"{PAGE}/{batch_id}").text
    (since,) = re.findall(r'data-since="([^"]+)"', page)
    assert _keys(page) == [str(one.id) for one in _requests(office)]
    assert _keys(_changes(client, batch_id, since)) == []
    office.clock.move(minutes=1)
    office.execute(second)
    assert _keys(_changes(client, batch_id, since)) == [str(second)]
    filtered = _changes(client, batch_id, since, result="succeeded")
    assert _keys(filtered) == []
    assert f'data-gone="{second}"' in filtered, "what the filter leaves out goes away"
    assert str(first) not in filtered


def _keys(html: str) -> list[str]:
    return re.findall(r'<tr data-key="([^"]+)"', html)


@pytest.mark.parametrize(
    ("result", "expected"),
    [("", 3), ("failed", 1), ("open", 1), ("succeeded", 1), ("needs_attention", 0)],
)
def test_a_batch_is_filtered_by_result(
    app: FastAPI,
    office: "Office",
    client: TestClient,
    person: Person,
    result: str,
    expected: int,
) -> None:
    app.state.principal = person(Role.AUDITOR)
    batch_id = office.open_batch(*(office.operator() for _ in range(3)), principal=SYSTEM)
    office.carry_out()
    first, second, _ = (one.id for one in _requests(office))
    office.put(first, RequestState.FAILED)
    office.put(second, RequestState.SUCCEEDED)
    page = client.get(f"{PAGE}/{batch_id}", params={"result": result}).text
    assert len(_keys(page)) == expected
    assert client.get(f"{PAGE}/{batch_id}", params={"result": "?"}).status_code == 422


@pytest.mark.parametrize(
    ("states", "skips", "mark"),
    [
        (("succeeded", "succeeded"), 0, "全部清卡成功"),
        (("succeeded", "failed"), 0, "已结束，1 件未成功"),
        (("succeeded", "succeeded"), 1, "已结束，1 位跳过或取消"),
        (("succeeded", "cancelled"), 0, "已结束，1 位跳过或取消"),
        (("succeeded", "needs_attention"), 0, "进行中"),
    ],
)
def test_an_end_is_green_only_when_every_operator_was_cleared(
    app: FastAPI,
    office: "Office",
    client: TestClient,
    person: Person,
    states: tuple[str, ...],
    skips: int,
    mark: str,
) -> None:
    app.state.principal = person(Role.AUDITOR)
    subjects = [office.operator() for _ in states]
    subjects += [office.operator(machines=()) for _ in range(skips)]
    batch_id = office.open_batch(*subjects, principal=SYSTEM)
    office.carry_out()
    for request, state in zip(_requests(office), states, strict=True):
        office.put(request.id, RequestState(state))
    page = client.get(f"{PAGE}/{batch_id}").text
    head = page[page.index('id="batch-head"') :]
    found = re.search(r'<span class="badge (\w*)[^>]*>([^<]+)</span>', head)
    assert found is not None
    assert found.group(2) == mark
    assert (found.group(1) == "ok") is (mark == "全部清卡成功")
    assert "—" not in re.findall(r"<tr>.*?</tr>", client.get(PAGE).text, re.DOTALL)[-1]
