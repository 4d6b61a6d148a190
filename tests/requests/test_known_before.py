"""What is known to come to nothing is refused before anything is kept: no request, no record, no notification."""

from collections.abc import Callable
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlmodel import select
from starlette.testclient import TestClient

from app.accounts.principal import SYSTEM, Permission, Principal, Role
from app.batches import queries as batch_queries
from app.batches.schemas import BatchCreate
from app.clearing import queries
from app.clearing.errors import AlreadyCleared, PastPeriod
from app.clearing.models import ClearedType, ClearingRecord, ClearingRequest
from app.clearing.states import Kind, Mode, RequestState, Scope
from app.contracts.devices import DeviceReading, InvoiceType
from app.contracts.periods import Period
from app.core import migrate
from app.devices.models import Device, DeviceMonitor
from app.notifications.models import Event
from app.prechecks import Check, Severity, acceptance, preview, run
from app.prechecks.choice import Choice
from app.prechecks.forecast import foresee
from app.prechecks.readings import Look, Read, Space
from app.prechecks.subject import Subject as Looked
from app.requests import examination
from tests.acting import key_of

if TYPE_CHECKING:
    from tests.office import Office, Subject

DUE = "2026-10"
Person = Callable[..., Principal]
Reading = Callable[..., DeviceReading]


@pytest.fixture
def key(app: FastAPI) -> Principal:
    """A key that may ask and execute, who sends the requests of the app."""
    scopes = (Permission.READ, Permission.CLEARING_REQUEST, Permission.CLEARING_EXECUTE)
    principal = key_of(*scopes)
    app.state.principal = principal
    return principal


@pytest.fixture
def looks(
    office: "Office", reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> dict[str, dict[str, Any]]:
    """The devices answer: as they are when all is well, with these changes by number; it counts the looks."""
    changes: dict[str, dict[str, Any]] = {}

    async def look(database: Any, agents: Any, settings: Any, subject: Looked, **_: Any) -> Look:
        def read(number: str, machine_no: int) -> Read:
            told = dict(changes.get(number, {}))
            info = {"machine_no": machine_no} | told.pop("info", {})
            return Read(reading(number, info=info, **told))

        changes.setdefault("looked", {"times": 0})["times"] += 1
        newest = migrate.newest_revision()
        return Look(
            {one.device_id: read(one.number, one.machine_no) for one in subject.devices},
            {one.device.device_id: read(one.device.number, one.device.machine_no)
             for one in subject.subs if one.is_open},
            Space(10 << 30),
            (newest, newest),
        )  # fmt: skip

    monkeypatch.setattr(examination, "look", look)
    return changes


def _kept(office: "Office") -> tuple[int, int, int]:
    with office.database.reading() as session:
        tables = (ClearingRequest, ClearingRecord, Event)
        counted = [len(session.exec(select(table)).all()) for table in tables]
        return counted[0], counted[1], counted[2]


def _body(subject: "Subject", **changes: Any) -> dict[str, Any]:
    return {"operator_id": str(subject.operator_id), "period": DUE, "reason": "按期清卡", **changes}


def _number(office: "Office", device_id: UUID) -> str:
    with office.database.reading() as session:
        return session.get_one(Device, device_id).number


# -- periods -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("period", ["2020-01", "2026-08", "2026-09"])
def test_a_period_before_the_oldest_open_one_is_refused_naming_the_right_one(
    office: "Office", client: TestClient, key: Principal, looks: Any, period: str
) -> None:
    subject = office.operator()
    refused = client.post("/api/v1/clearing-requests", json=_body(subject, period=period))
    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (422, "clearing.past_period")
    assert f"应清的属期是 {DUE}，{period} 早已结束" in problem["errors"]["period"]
    assert _kept(office) == (0, 0, 0)
    page = client.post(
        f"/clearing/operators/{subject.operator_id}",
        data={"period": period, "reason": "按期清卡", "key": "k" * 36},
    )
    assert page.status_code == 422
    assert f"应清的属期是 {DUE}" in page.text
    assert _kept(office) == (0, 0, 0)


def _lock(office: "Office", device_id: UUID, day: date, *kinds: InvoiceType) -> None:
    with office.database.transaction() as session:
        for one in session.exec(select(DeviceMonitor).where(DeviceMonitor.device_id == device_id)):
            if not kinds or one.invoice_type in kinds:
                one.lock_date = day
                session.add(one)


def test_of_a_cleared_device_the_next_period_and_its_first_day_are_named(office: "Office") -> None:
    subject = office.operator()
    _lock(office, subject.device_ids[0], date(2026, 12, 15))
    with pytest.raises(PastPeriod) as refused:
        office.submit(subject, period="2026-09")
    assert "已清到 2026-10 属期" in refused.value.detail
    assert "2026-11 属期从 2026-12-01 起办理" in refused.value.detail


def test_the_period_just_cleared_stays_a_repetition(office: "Office") -> None:
    """On record it is refused as one; cleared elsewhere it may be noted, which the pre-check warns of."""
    elsewhere = office.operator()
    _lock(office, elsewhere.device_ids[0], date(2026, 12, 15))
    assert office.state(office.submit(elsewhere)) is RequestState.SUBMITTED
    here = office.operator()
    _note_cleared(office, here.device_ids[0], "004", "007")
    with pytest.raises(AlreadyCleared):
        office.submit(here)


def test_a_batch_skips_who_was_cleared_long_past_the_period(office: "Office") -> None:
    order: dict[str, Any] = {"period": "2020-01", "accepted_warnings": ["*"]}
    batch_id = office.open_batch(office.operator(), principal=SYSTEM, **order)
    office.carry_out()
    with office.database.reading() as session:
        skipped = batch_queries.batch(session, batch_id).skipped
    assert [one["code"] for one in skipped] == ["clearing.past_period"]


def test_a_run_stops_at_a_past_period_that_the_register_did_not_know(
    well_facts: Callable[..., Any], reading: Reading
) -> None:
    read = reading("661000000001", monitor={"lock_date": date(2026, 12, 15)})
    facts = well_facts(read, period=Period("2026-09"))
    (check,) = (one for one in run(facts) if one.code == "period.duplicate")
    assert (check.severity, check.error_code) == (Severity.BLOCKING, "clearing.past_period")


# -- done for the period: one rule -------------------------------------------------------------------


def _note_cleared(office: "Office", device_id: UUID, *types: str) -> None:
    with office.database.transaction() as session:
        record = office.add_record(session, device_id)
        session.add_all(
            ClearedType(device_id=device_id, period=DUE, invoice_type=kind, record_id=record.id)
            for kind in types
        )


@pytest.mark.parametrize(("recorded", "done"), [(("004",), False), (("004", "007"), True)])
def test_preview_batch_and_submitting_agree_on_a_group_that_is_half_done(
    office: "Office", recorded: tuple[str, ...], done: bool
) -> None:
    """A golden-tax disk clears 004 with 007: asked for 004 it is done when both are."""
    subject = office.operator()
    with office.database.transaction() as session:
        session.get_one(Device, subject.device_ids[0]).clear_groups = [["004", "007"]]
    _note_cleared(office, subject.device_ids[0], *recorded)
    part: dict[str, Any] = {"scope": "partial", "invoice_types": ["004"]}
    choice = Choice(Mode.REGULAR, Kind.DEVICE, Scope.PARTIAL, (InvoiceType("004"),), Period(DUE))
    with office.database.reading() as session:
        shown = preview.of_operator(session, subject.operator_id, choice, principal=SYSTEM)
        # What is not done is looked at: a device whose clock is off is warned of.
        session.get_one(Device, subject.device_ids[0]).clock_drift_seconds = 600
        seen = foresee(
            session,
            [subject.operator_id],
            BatchCreate(reason="月末", period=Period(DUE), **part).order,
            principal=SYSTEM,
            settings=office.settings,
            now=office.clock(),
        )
    assert (shown.devices == ()) is done
    assert ("device.clock" not in {one.code for one in seen.warnings}) is done
    if done:
        with pytest.raises(AlreadyCleared):
            office.submit(subject, **part)
    else:
        assert office.state(office.submit(subject, **part)) is RequestState.SUBMITTED


# -- warnings ----------------------------------------------------------------------------------------


def _put_clock_off(office: "Office", subject: "Subject", looks: dict[str, dict[str, Any]]) -> None:
    device_id = subject.device_ids[0]
    shown = datetime(2026, 11, 10, 10, 12)
    looks[_number(office, device_id)] = {"info": {"clock_at": shown}}
    with office.database.transaction() as session:
        session.get_one(Device, device_id).clock_drift_seconds = 12 * 60


def test_a_key_that_names_no_warning_accepts_none_and_is_told_which(
    office: "Office", client: TestClient, key: Principal, looks: dict[str, dict[str, Any]]
) -> None:
    subject = office.operator()
    _put_clock_off(office, subject, looks)
    for body in (_body(subject), _body(subject, accepted_warnings=[])):
        refused = client.post("/api/v1/clearing-requests", json=body)
        assert (refused.status_code, refused.json()["code"]) == (409, "clearing.warnings")
        assert [one["code"] for one in refused.json()["warnings"]] == ["device.clock"]
        assert "accepted_warnings" not in refused.json()["remedy"]
    assert _kept(office) == (0, 0, 0)
    for accepted in (["device.clock"], ["*"]):
        made = client.post(
            "/api/v1/clearing-requests", json=_body(subject, accepted_warnings=accepted)
        )
        assert made.status_code == 201, made.text
        client.post(f"/api/v1/clearing-requests/{made.json()['id']}/cancel")


def test_an_acceptance_may_come_with_the_execution(
    office: "Office", client: TestClient, key: Principal, looks: dict[str, dict[str, Any]]
) -> None:
    subject = office.operator()
    request_id = client.post("/api/v1/clearing-requests", json=_body(subject)).json()["id"]
    _put_clock_off(office, subject, looks)
    path = f"/api/v1/clearing-requests/{request_id}/execute"
    refused = client.post(path)
    assert (refused.status_code, refused.json()["code"]) == (409, "clearing.warnings")
    assert office.state(UUID(request_id)) is RequestState.SUBMITTED
    done = client.post(path, json={"accepted_warnings": ["device.clock"]})
    assert (done.status_code, done.json()["state"]) == (202, "running")


def test_running_in_the_peak_hours_is_accepted_by_asking_for_it(
    office: "Office", client: TestClient, looks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One tick, on the page as by REST: 高峰时段也执行."""
    monkeypatch.setattr(office.settings, "peak_window", "09:00-11:30")
    monkeypatch.setattr("app.dashboard.pages.operator.verify_step_up", lambda *_, **__: None)
    subject = office.operator()
    form = {"period": DUE, "reason": "按期清卡", "key": "k" * 36, "override_window": "1"}
    page = client.post(f"/clearing/operators/{subject.operator_id}", data=form)
    assert page.status_code == 303, page.text


def test_in_the_peak_hours_a_clearing_is_put_off_until_their_end(
    office: "Office", client: TestClient, looks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(office.settings, "peak_window", "09:00-11:30")
    monkeypatch.setattr("app.dashboard.pages.operator.verify_step_up", lambda *_, **__: None)
    subject = office.operator()
    path = f"/clearing/operators/{subject.operator_id}"
    shown = client.get(path).text
    assert "提交后于 2026-11-10 11:30（避开业务高峰时段） 自动执行" in shown
    page = client.post(path, data={"period": DUE, "reason": "按期清卡", "key": "k" * 36})
    assert page.status_code == 303, page.text
    with office.database.reading() as session:
        (request,) = session.exec(select(ClearingRequest))
        assert request.state is RequestState.SCHEDULED


# -- blockers ----------------------------------------------------------------------------------------


@pytest.fixture
def taxpayer(office: "Office") -> tuple["Subject", "Subject"]:
    """The operator of a main machine, and that of its sub machine, both to be reported."""
    return office.operator(), office.operator(machines=(1,))


def test_a_main_machine_is_refused_with_the_checks_before_anything_is_kept(
    office: "Office",
    client: TestClient,
    key: Principal,
    looks: Any,
    taxpayer: tuple["Subject", "Subject"],
) -> None:
    main, sub = taxpayer
    refused = client.post("/api/v1/clearing-requests", json=_body(main))
    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (409, "clearing.blocked")
    (check,) = problem["checks"]
    assert check["error_code"] == "clearing.sub_machines_first"
    assert _number(office, sub.device_ids[0]) in check["message"]
    assert _kept(office) == (0, 0, 0)


@pytest.mark.usefixtures("looks")
def test_the_page_keeps_nothing_either_and_leads_to_who_goes_first(
    office: "Office",
    client: TestClient,
    taxpayer: tuple["Subject", "Subject"],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.dashboard.pages.operator.verify_step_up", lambda *_, **__: None)
    main, sub = taxpayer
    form = {"period": DUE, "reason": "按期清卡", "key": "k" * 36}
    page = client.post(f"/clearing/operators/{main.operator_id}", data=form)
    assert page.status_code == 409
    assert f'href="/clearing/operators/{sub.operator_id}?confirm=1"' in page.text
    assert "data-blocked" in page.text
    assert _kept(office) == (0, 0, 0)


@pytest.mark.usefixtures("looks")
@pytest.mark.parametrize("role", list(Role))
def test_the_checks_of_a_page_are_fetched_by_everybody_who_sees_it(
    office: "Office",
    client: TestClient,
    app: FastAPI,
    person: Person,
    taxpayer: tuple["Subject", "Subject"],
    role: Role,
) -> None:
    app.state.principal = person(role)
    main, sub = taxpayer
    page = client.get(f"/clearing/operators/{main.operator_id}").text
    assert f'data-checks="/clearing/operators/{main.operator_id}/checks" data-now' in page
    blocked = client.post(f"/clearing/operators/{main.operator_id}/checks").text
    assert "尚未抄报 2026-10，主机须在其后" in blocked
    assert ('data-part="blockers" data-blocked' in blocked) is (role in (Role.OPERATOR, Role.ADMIN))
    free = client.post(f"/clearing/operators/{sub.operator_id}/checks").text
    assert "项未通过" not in free
    assert "项通过" in free
    assert "项未核对" in free, "this device was asked neither for statistics nor for invoices"
    assert "全部通过" not in free
    assert "data-blocked" not in free
    assert _kept(office) == (0, 0, 0)


@pytest.mark.usefixtures("looks", "key")
def test_a_main_machine_may_be_asked_for_beside_its_sub_machines(
    office: "Office", client: TestClient, taxpayer: tuple["Subject", "Subject"]
) -> None:
    """Whoever reviews them decides about both; executed now it has to come after them."""
    main, sub = taxpayer
    ids = [
        client.post("/api/v1/clearing-requests", json=_body(one)).json()["id"]
        for one in (sub, main)
    ]
    early = client.post(f"/api/v1/clearing-requests/{ids[1]}/execute")
    assert (early.status_code, early.json()["code"]) == (409, "clearing.blocked")
    assert client.post(f"/api/v1/clearing-requests/{ids[0]}/execute").status_code == 202
    assert client.post(f"/api/v1/clearing-requests/{ids[1]}/execute").status_code == 202


@pytest.mark.usefixtures("looks")
def test_a_reviewer_is_told_what_would_stop_it_at_once(
    office: "Office",
    client: TestClient,
    app: FastAPI,
    person: Person,
    taxpayer: tuple["Subject", "Subject"],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.requests.deps.verify_step_up", lambda *_, **__: None)
    main, _ = taxpayer
    request_id = office.submit(main, principal=person(Role.OPERATOR))
    app.state.principal = person(Role.REVIEWER)
    refused = client.post(f"/api/v1/clearing-requests/{request_id}/approve")
    assert (refused.status_code, refused.json()["code"]) == (409, "clearing.blocked")
    assert office.state(request_id) is RequestState.SUBMITTED


def test_what_the_register_knows_is_looked_at_again_before_it_is_refused(
    office: "Office",
    client: TestClient,
    key: Principal,
    looks: dict[str, dict[str, Any]],
    taxpayer: tuple["Subject", "Subject"],
) -> None:
    """Another software has reported the sub machine since: that is seen, and counts."""
    main, sub = taxpayer
    looks[_number(office, sub.device_ids[0])] = {"monitor": {"lock_date": date(2026, 12, 15)}}
    made = client.post("/api/v1/clearing-requests", json=_body(main))
    assert made.status_code == 201, made.text
    assert looks["looked"]["times"] == 1


def test_no_device_is_read_where_the_register_says_that_all_is_well(
    office: "Office", client: TestClient, key: Principal, looks: dict[str, dict[str, Any]]
) -> None:
    made = client.post("/api/v1/clearing-requests", json=_body(office.operator()))
    assert client.post(f"/api/v1/clearing-requests/{made.json()['id']}/execute").status_code == 202
    assert "looked" not in looks


@pytest.mark.parametrize(
    ("code", "put_off", "binds"),
    [
        ("device.connected", False, True),
        ("device.connected", True, False),
        ("machines.order", True, False),
        ("period.duplicate", True, True),
        ("device.identity", True, True),
    ],
)
def test_what_may_have_passed_by_a_later_day_does_not_stand_against_it(
    code: str, put_off: bool, binds: bool
) -> None:
    check = Check(code, Severity.BLOCKING, "不行")
    assert bool(acceptance.binding([check], put_off=put_off)) is binds


def test_a_held_device_is_said_before_any_is_read(
    office: "Office", client: TestClient, key: Principal, looks: dict[str, dict[str, Any]]
) -> None:
    subject = office.operator()
    client.post("/api/v1/clearing-requests", json=_body(subject))
    with office.database.reading() as session:
        assert queries.open_request_of(session, subject.operator_id) is not None
    again = client.post("/api/v1/clearing-requests", json=_body(subject))
    assert (again.status_code, again.json()["code"]) == (409, "clearing.in_progress")
    assert "looked" not in looks


@pytest.mark.usefixtures("looks")
@pytest.mark.parametrize(
    "choice",
    [
        {"kind": "tax"},
        {"mode": "first"},
        {"mode": "update", "scope": "partial"},
        {"mode": "update", "scope": "partial", "invoice_types": "007"},
        {"period": "soon", "clearing_date": "never", "scheduled_for": "x"},
        {"exceptional": "1", "override_window": "1"},
    ],
)
def test_whatever_is_chosen_can_be_checked(
    office: "Office", client: TestClient, choice: dict[str, str]
) -> None:
    path = f"/clearing/operators/{office.operator().operator_id}/checks"
    page = client.post(path, data={"period": DUE, "reason": ""} | choice)
    assert page.status_code == 200
    assert ("data-blocked" in page.text) is (choice == {"kind": "tax"})
