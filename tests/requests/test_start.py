"""Who may start a clearing, when, on what proof: one decision, whichever way it is asked for."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlmodel import select
from starlette.testclient import TestClient

from app.accounts import service as accounts_service
from app.accounts.principal import SYSTEM, Permission, Principal, Role
from app.accounts.service import AccountDraft
from app.batches import queries as batch_queries
from app.batches import service as batch
from app.batches.schemas import BatchCreate
from app.clearing import moments, queries
from app.clearing.errors import ProofMissing
from app.clearing.models import ClearingRequest
from app.clearing.schemas import RequestCreate
from app.clearing.states import RequestState
from app.core.clock import local
from app.core.ids import new_id
from app.enterprises.models import Enterprise
from app.requests.examination import Examiner
from app.requests.service import control, review, start
from app.requests.service.due import start_due
from app.requests.service.start import Way
from tests.acting import key_of

if TYPE_CHECKING:
    from tests.office import Office, Subject

Person = Callable[..., Principal]
PASSWORD = "whole path 2468"
DUE = "2026-10"
PEAK = {"peak_window": "09:30-11:30"}  # it is 10:00


REQUESTER = (Permission.READ, Permission.CLEARING_REQUEST)
EXECUTOR = (*REQUESTER, Permission.CLEARING_EXECUTE)


@pytest.fixture
def review_off(office: "Office") -> None:
    """清卡前需要审核 is off."""
    with office.database.transaction() as session:
        session.get_one(Enterprise, office.enterprise_id).review_required = False


@pytest.fixture
def clerk(office: "Office", app: FastAPI, person: Person) -> Principal:
    """A clerk with a password, who sends the requests of the app."""
    draft = AccountDraft(
        "clerk", frozenset({Role.OPERATOR}), password=PASSWORD, must_change_password=False
    )
    with office.database.transaction() as session:
        made = accounts_service.create_account(
            session, draft, by=SYSTEM, settings=office.settings, clock=office.clock
        )
        clerk = replace(person(Role.OPERATOR), id=made.account.id, name=made.account.name)
    app.state.principal = clerk
    return clerk


def _order(**changes: Any) -> RequestCreate:
    values = {"operator_id": new_id(), "period": DUE, "reason": "按期清卡"}
    return RequestCreate.model_validate(values | changes)


@pytest.mark.parametrize(
    ("who", "required", "exceptional", "way", "proof"),
    [
        (Role.OPERATOR, True, False, Way.REVIEW, False),
        (Role.OPERATOR, False, False, Way.AT_ONCE, True),
        (Role.OPERATOR, False, True, Way.REVIEW, False),
        (Role.ADMIN, True, False, Way.AT_ONCE, True),
        (Role.ADMIN, True, True, Way.REVIEW, False),
        (REQUESTER, True, False, Way.REVIEW, False),
        (REQUESTER, False, False, Way.AT_ONCE, False),
        (EXECUTOR, True, False, Way.AT_ONCE, False),
        (EXECUTOR, False, True, Way.REVIEW, False),
    ],
)
def test_a_start_without_a_review_asks_a_person_for_the_password(
    office: "Office",
    person: Person,
    who: Any,
    required: bool,
    exceptional: bool,
    way: Way,
    proof: bool,
) -> None:
    decided = start.decide(
        _order(exceptional=exceptional),
        review_required=required,
        principal=person(who) if isinstance(who, Role) else key_of(*who),
        settings=office.settings,
        now=office.clock(),
    )
    assert (decided.way, decided.proof) == (way, proof)
    assert ("立即执行" in decided.text) is (way is Way.AT_ONCE)
    assert ("由审核员审核" in decided.text) is (way is Way.REVIEW)


@pytest.mark.parametrize(
    ("changes", "peak", "way", "at"),
    [
        ({}, {}, Way.AT_ONCE, "2026-11-10 10:00"),
        ({"clearing_date": "2026-11-10"}, {}, Way.AT_ONCE, "2026-11-10 10:00"),
        ({"clearing_date": "2026-11-12"}, {}, Way.LATER, "2026-11-12 09:00"),
        ({"clearing_date": "2026-11-12"}, {"peak_window": "08:30-11:30"}, Way.LATER,
         "2026-11-12 11:30"),
        ({"scheduled_for": "2026-11-12T22:15:00+08:00"}, {}, Way.LATER, "2026-11-12 22:15"),
        ({"scheduled_for": "2026-11-12T10:15:00+08:00"}, PEAK, Way.LATER, "2026-11-12 11:30"),
        ({}, PEAK, Way.LATER, "2026-11-10 11:30"),
        ({"override_window": True}, PEAK, Way.AT_ONCE, "2026-11-10 10:00"),
    ],
)  # fmt: skip
def test_it_starts_on_its_day_at_its_time_and_after_the_peak_hours(
    office: "Office", changes: dict[str, Any], peak: dict[str, str], way: Way, at: str
) -> None:
    decided = start.decide(
        _order(**changes),
        review_required=False,
        principal=SYSTEM,
        settings=office.settings.model_copy(update=peak),
        now=office.clock(),
    )
    assert (decided.way, f"{local(decided.moment.at):%Y-%m-%d %H:%M}") == (way, at)
    assert (at in decided.text) is (way is Way.LATER)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"clearing_date": "2026-11-09"}, "clearing_date"),
        ({"clearing_date": "2019-01-01"}, "clearing_date"),
        ({"scheduled_for": "2026-11-01T09:00:00+08:00"}, "scheduled_for"),
        ({"scheduled_for": "2026-11-10T09:59:00+08:00"}, "scheduled_for"),
        ({"scheduled_for": "2026-11-12T09:00:00+08:00", "clearing_date": "2026-11-11"},
         "scheduled_for"),
    ],
)  # fmt: skip
def test_a_past_moment_and_two_different_days_are_refused(
    office: "Office", changes: dict[str, Any], field: str
) -> None:
    subject = office.operator()
    with pytest.raises(moments.DateRefused) as refused:
        office.submit(subject, **changes)
    assert set(refused.value.errors) == {field}
    assert _requests(office) == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"clearing_date": "2026-11-17"}, "clearing_date"),
        ({"scheduled_for": "2026-11-17T00:10:00+08:00"}, "scheduled_for"),
        ({"clearing_date": "2026-11-16"}, None),
        ({"scheduled_for": "2026-11-16T23:50:00+08:00"}, None),
    ],
)
def test_a_day_on_which_the_device_would_be_locked_is_refused(
    office: "Office", changes: dict[str, Any], field: str | None
) -> None:
    """Lock date 11-16: on that day it still issues, from the next on it does not."""
    subject = office.operator()
    if field is None:
        office.submit(subject, **changes)
        return
    with pytest.raises(moments.AfterLock) as refused:
        office.submit(subject, **changes)
    assert set(refused.value.errors) == {field}
    assert "锁死日期 2026-11-16" in str(refused.value)
    assert _requests(office) == []


def test_a_device_that_is_overdue_is_cleared_on_any_day(office: "Office") -> None:
    subject = office.operator()
    office.clock.move(days=10)
    assert office.state(office.submit(subject, clearing_date="2026-11-23"))


def test_a_batch_names_the_devices_that_would_be_locked(office: "Office") -> None:
    subjects = [office.operator() for _ in range(4)]
    at = datetime(2026, 11, 17, 1, tzinfo=UTC)
    with pytest.raises(moments.AfterLock, match="等 4 台"):
        office.open_batch(*subjects, principal=SYSTEM, scheduled_for=at)
    assert _requests(office) == []


def test_the_minute_that_runs_is_not_past(office: "Office") -> None:
    office.clock.move(seconds=40)
    request_id = office.submit(office.operator(), scheduled_for="2026-11-10T10:00:00+08:00")
    assert office.state(request_id) is RequestState.SUBMITTED


def test_the_clearing_date_kept_is_the_day_it_is_to_be_done(office: "Office") -> None:
    days = []
    asked: list[dict[str, Any]] = [
        {},
        {"clearing_date": "2026-11-12"},
        {"scheduled_for": "2026-11-13T01:00:00+08:00"},
    ]
    for changes in asked:
        request_id = office.submit(office.operator(), **changes)
        with office.database.reading() as session:
            days.append(str(queries.request(session, request_id).clearing_date))
    assert days == ["2026-11-10", "2026-11-12", "2026-11-13"]


def test_executing_now_makes_today_the_clearing_date(office: "Office") -> None:
    request_id = office.submit(office.operator(), clearing_date="2026-11-12")
    office.execute(request_id)
    (request,) = _requests(office)
    assert str(request.clearing_date) == "2026-11-10"


def test_an_approval_waits_for_the_clearing_date(office: "Office", person: Person) -> None:
    request_id = office.submit(
        office.operator(), principal=person(Role.OPERATOR), clearing_date="2026-11-12"
    )
    office.change(
        request_id,
        lambda session, request: review.approve(
            session,
            request,
            principal=person(Role.REVIEWER),
            comment="",
            settings=office.settings,
            clock=office.clock,
        ),
    )
    (request,) = _requests(office)
    assert request.state is RequestState.SCHEDULED
    assert request.scheduled_for == datetime(2026, 11, 12, 1, 0, tzinfo=UTC)
    assert start_due(office.database, office.settings, office.clock) == 0
    office.clock.now = datetime(2026, 11, 12, 1, 0, tzinfo=UTC)
    assert start_due(office.database, office.settings, office.clock) == 1


def test_what_falls_due_within_the_peak_hours_waits_for_their_end(office: "Office") -> None:
    request_id = office.submit(office.operator())
    office.change(
        request_id,
        lambda session, request: control.schedule(
            session, request, office.clock(), principal=SYSTEM, clock=office.clock
        ),
    )
    peak = office.settings.model_copy(update=PEAK)
    assert start_due(office.database, peak, office.clock) == 0
    (request,) = _requests(office)
    assert request.state is RequestState.SCHEDULED
    assert "11:30" in request.message
    office.clock.move(hours=2)
    assert start_due(office.database, peak, office.clock) == 1


# -- the same by every way ---------------------------------------------------------------------------


def _requests(office: "Office") -> list[ClearingRequest]:
    with office.database.reading() as session:
        found = list(session.exec(select(ClearingRequest)))
        session.expunge_all()
        return found


def _post_page(client: TestClient, subject: "Subject", **form: str) -> Any:
    path = f"/clearing/operators/{subject.operator_id}"
    return client.post(path, data={"period": DUE, "reason": "按期清卡", "key": "k" * 36} | form)


@pytest.fixture
def no_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    """The devices answer that all is well: this is not about the pre-checks."""

    async def examine(*_: Any) -> tuple[str, list[Any]]:
        return DUE, []

    monkeypatch.setattr(Examiner, "examine", examine)


@pytest.mark.usefixtures("review_off", "no_looking")
def test_without_review_the_page_of_a_clerk_says_so_and_asks_for_the_password(
    office: "Office", client: TestClient, clerk: Principal
) -> None:
    subject = office.operator()
    page = client.get(f"/clearing/operators/{subject.operator_id}").text
    assert "提交后立即执行" in page
    assert "提交后由审核员审核" not in page
    assert 'type="password"' in page
    for wrong in ({}, {"password": "guessed"}):
        assert _post_page(client, subject, **wrong).status_code == 422
        assert _requests(office) == []
    assert _post_page(client, subject, password=PASSWORD).status_code == 303
    (request,) = _requests(office)
    assert request.state is RequestState.SCHEDULED, "it starts as soon as there is room"
    assert request.executed_by == str(clerk.id)


@pytest.mark.usefixtures("no_looking", "clerk")
def test_with_review_the_page_of_a_clerk_promises_a_review_and_asks_nothing(
    office: "Office", client: TestClient
) -> None:
    subject = office.operator()
    page = client.get(f"/clearing/operators/{subject.operator_id}").text
    assert "提交后由审核员审核" in page
    assert "立即执行，" not in page
    assert 'type="password"' not in page
    assert _post_page(client, subject).status_code == 303
    assert [one.state for one in _requests(office)] == [RequestState.SUBMITTED]


@pytest.mark.usefixtures("review_off", "clerk")
def test_without_review_a_person_proves_it_in_the_api_as_well(
    office: "Office", client: TestClient
) -> None:
    subject = office.operator()
    body = {"operator_id": str(subject.operator_id), "period": DUE, "reason": "按期清卡"}
    refused = client.post("/api/v1/clearing-requests", json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, "step_up.failed")
    assert _requests(office) == []
    made = client.post("/api/v1/clearing-requests", json=body | {"password": PASSWORD})
    assert (made.status_code, made.json()["state"]) == (201, "scheduled")
    assert "password" not in made.json()


@pytest.mark.usefixtures("review_off")
def test_without_review_a_key_needs_no_password(
    office: "Office", client: TestClient, app: FastAPI
) -> None:
    app.state.principal = key_of(*REQUESTER)
    subject = office.operator()
    body = {"operator_id": str(subject.operator_id), "period": DUE, "reason": "按期清卡"}
    assert client.post("/api/v1/clearing-requests", json=body).json()["state"] == "scheduled"


@pytest.mark.parametrize(
    ("required", "says"),
    [(True, "未经审核，由有执行权限的 admin 直接执行"), (False, "该企业设置为无需审核")],
)
def test_what_ran_without_a_review_says_so(
    office: "Office", client: TestClient, person: Person, required: bool, says: str
) -> None:
    with office.database.transaction() as session:
        session.get_one(Enterprise, office.enterprise_id).review_required = required
    who = person(Role.ADMIN if required else Role.OPERATOR)
    data = _order(operator_id=office.operator().operator_id)
    with office.database.transaction() as session:
        made, _ = start.submit_and_begin(
            session,
            data,
            principal=who,
            settings=office.settings,
            clock=office.clock,
            proven=True,
        )
        request_id = made.id
    assert says in client.get(f"/clearing/requests/{request_id}").text


def test_a_key_that_may_execute_leaves_that_to_the_next_call(
    office: "Office", client: TestClient, app: FastAPI
) -> None:
    app.state.principal = key_of(*EXECUTOR)
    subject = office.operator()
    body = {"operator_id": str(subject.operator_id), "period": DUE, "reason": "按期清卡"}
    made = client.post("/api/v1/clearing-requests", json=body).json()
    assert made["state"] == "submitted"
    done = client.post(f"/api/v1/clearing-requests/{made['id']}/execute")
    assert (done.status_code, done.json()["reviewed_by"]) == (202, None)


@pytest.mark.parametrize(
    ("day", "code", "said"),
    [
        ("2026-11-09", "clearing.date", "清卡日期 2026-11-09 已经过去，今天是 2026-11-10"),
        ("2026-11-17", "clearing.date_after_lock", "清卡日期 2026-11-17 晚于锁死日期"),
    ],
)
@pytest.mark.parametrize("page", [True, False])
def test_the_api_and_the_page_refuse_a_wrong_clearing_date_at_its_field(
    office: "Office",
    client: TestClient,
    clerk: Principal,
    no_looking: None,
    page: bool,
    day: str,
    code: str,
    said: str,
) -> None:
    subject = office.operator()
    if page:
        refused = _post_page(client, subject, clearing_date=day)
        assert said in refused.text
    else:
        body = {
            "operator_id": str(subject.operator_id),
            "period": DUE,
            "reason": "按期清卡",
            "clearing_date": day,
        }
        refused = client.post("/api/v1/clearing-requests", json=body)
        assert refused.json()["code"] == code
        assert list(refused.json()["errors"]) == ["clearing_date"]
    assert refused.status_code == 422
    assert _requests(office) == []


@pytest.mark.usefixtures("review_off")
def test_a_batch_of_a_clerk_without_review_asks_for_the_password(
    office: "Office", client: TestClient, clerk: Principal
) -> None:
    ids = [str(office.operator().operator_id) for _ in range(2)]
    page = client.get("/clearing/batches/new", params={"operator_ids": ids}).text
    assert "每一件提交后立即执行" in page
    assert "由审核员审核" not in page
    form = {"operator_ids": ids, "reason": "月末"}
    assert client.post("/clearing/batches", data=form).status_code == 422
    assert _requests(office) == []
    done = client.post("/clearing/batches", data=form | {"password": PASSWORD})
    assert done.status_code == 303
    office.carry_out()
    assert {one.state for one in _requests(office)} == {RequestState.SCHEDULED}


def test_a_batch_over_both_kinds_of_enterprise_says_how_many_of_each(
    office: "Office", person: Person, make_office: Callable[..., "Office"]
) -> None:
    reviewed = office.operator()
    with office.database.transaction() as session:
        other = Enterprise(
            tax_no="913101157757842573",
            name="上海云图科技有限公司",
            review_required=False,
            created_at=office.clock(),
            updated_at=office.clock(),
        )
        session.add(other)
        session.flush()
        office.enterprise_id = other.id
    free = office.operator()
    ids = [reviewed.operator_id, free.operator_id]
    decided = _decide_batch(office, ids, person(Role.OPERATOR))
    assert (decided.reviewed, decided.started_count, decided.proof) == (1, 1, True)
    assert "1 位操作员的企业无需审核" in decided.text
    assert "另外 1 位提交后由审核员审核" in decided.text
    alone = _decide_batch(office, ids[:1], person(Role.OPERATOR))
    assert (alone.proof, "每一件都由审核员审核" in alone.text) == (False, True)


def _decide_batch(office: "Office", ids: list[UUID], principal: Principal) -> start.BatchStart:
    data = BatchCreate(operator_ids=ids, reason="月末")
    with office.database.reading() as session:
        return batch.decide(session, ids, data, principal, office.settings, office.clock())


def test_a_batch_of_a_past_day_is_refused(office: "Office") -> None:
    past = datetime(2026, 11, 9, tzinfo=UTC)
    with pytest.raises(moments.DateRefused):
        office.open_batch(office.operator(), principal=SYSTEM, scheduled_for=past)


def test_a_batch_whose_time_came_while_it_was_made_starts_now(
    office: "Office", person: Person
) -> None:
    at = office.clock() + timedelta(minutes=1)
    office.open_batch(office.operator(), principal=person(Role.ADMIN), scheduled_for=at)
    office.clock.move(minutes=5)
    office.carry_out()
    (request,) = _requests(office)
    assert (request.state, request.scheduled_for) == (RequestState.SCHEDULED, office.clock())


def test_a_review_turned_off_after_a_batch_was_confirmed_starts_nothing_without_the_password(
    office: "Office", person: Person
) -> None:
    batch_id = office.open_batch(office.operator(), principal=person(Role.OPERATOR), proven=False)
    with office.database.transaction() as session:
        session.get_one(Enterprise, office.enterprise_id).review_required = False
    office.carry_out()
    assert _requests(office) == []
    with office.database.reading() as session:
        (skipped,) = batch_queries.batch(session, batch_id).skipped
    assert skipped["code"] == ProofMissing.code
