"""批量清卡: what needs care is shown and accepted by kind, a run that meets more stops, the result is a file."""

import csv
import io
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from python_calamine import CalamineWorkbook
from sqlmodel import select
from starlette.testclient import TestClient

from app.accounts import service as accounts_service
from app.accounts.principal import SYSTEM, Principal, PrincipalKind, Role
from app.accounts.service import AccountDraft
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.audit.models import AuditRecord
from app.batches import queries as batch_queries
from app.batches.export import RESULT_HEADER, SKIPPED
from app.batches.schemas import BatchCreate
from app.batches.warnings import grouped
from app.clearing import queries
from app.clearing.models import ClearedType, ClearingRequest
from app.clearing.outcomes import Failure
from app.clearing.states import Outcome, RequestState
from app.contracts.devices import DeviceReading, InvoiceStatus, InvoiceType
from app.contracts.periods import Period
from app.core.clock import local
from app.core.db import Session
from app.core.ids import new_id
from app.devices import service as devices_service
from app.devices.models import Device, DeviceMonitor, DeviceState
from app.invoices import queries as invoices_queries
from app.invoices.models import Invoice
from app.invoices.unfinished import Unfinished, Waiting, unfinished_of
from app.prechecks import Check, Severity, acceptance
from app.prechecks.forecast import Case, Foresight, foresee
from app.requests.run import stage_done
from app.requests.service import outcome
from tests.contract.test_page_queries import counting

if TYPE_CHECKING:
    from tests.office import Office, Subject

API = "/api/v1/clearing-batches"
PAGE = "/clearing/batches"
PASSWORD = "many at once 2026"
Person = Callable[..., Principal]
Reading = Callable[..., DeviceReading]


@pytest.fixture
def office(any_office: "Office") -> "Office":
    """The routes work on each kind of database."""
    return any_office


@pytest.fixture
def app(app: FastAPI, person: Person) -> FastAPI:
    """Staff asks, who need no password."""
    app.state.principal = person(Role.OPERATOR)
    return app


def _with_account(office: "Office", person: Principal, role: Role) -> Principal:
    """The person with an account, and so a password to be asked for."""
    draft = AccountDraft(
        f"one-{role}", frozenset({role}), password=PASSWORD, must_change_password=False
    )
    with office.database.transaction() as session:
        made = accounts_service.create_account(
            session, draft, by=SYSTEM, settings=office.settings, clock=office.clock
        )
        return replace(person, id=made.account.id, name=made.account.name)


@pytest.fixture
def admin(any_office: "Office", person: Person) -> Principal:
    return _with_account(any_office, person(Role.ADMIN), Role.ADMIN)


@pytest.fixture
def ahead(any_office: "Office", reading: Reading) -> Callable[["Subject", int], None]:
    """Sets the clock of an operator's devices ahead, as read: a warning above five minutes."""

    def change(subject: "Subject", minutes: int) -> None:
        for device_id in subject.device_ids:
            _read(any_office, reading, device_id, minutes=minutes)

    return change


def _read(office: "Office", reading: Reading, device_id: UUID, *, minutes: int = 0) -> None:
    shown = local(office.clock()).replace(tzinfo=None) + timedelta(minutes=minutes)
    with office.database.transaction() as session:
        device = session.get_one(Device, device_id)
        info = {"clock_at": shown, "machine_no": device.machine_no or 0}
        devices_service.store_reading(
            session, device, reading(device.number, info=info), at=office.clock()
        )


def _foreseen(office: "Office", *subjects: "Subject", **changes: Any) -> Foresight:
    with office.database.reading() as session:
        return foresee(
            session,
            [one.operator_id for one in subjects],
            BatchCreate.model_validate({"reason": "月末"} | changes).order,
            principal=SYSTEM,
            settings=office.settings,
            now=office.clock(),
        )


def _codes(cases: tuple[Case, ...]) -> list[str]:
    return [case.code for case in cases]


def test_devices_that_are_well_need_no_care(any_office: "Office") -> None:
    found = _foreseen(any_office, any_office.operator(machines=(0, 1)), any_office.operator())
    assert found == Foresight((), (), any_office.clock())


def test_the_checks_run_on_the_devices_as_they_were_read_last(
    any_office: "Office", ahead: Callable[["Subject", int], None]
) -> None:
    well, early = any_office.operator(), any_office.operator(machines=(1, 2))
    ahead(early, 7)
    any_office.clock.move(hours=30)
    found = _foreseen(any_office, well, early)
    assert _codes(found.warnings) == ["device.clock"] * 2, "the drift stays, whatever the time"
    assert {case.message for case in found.warnings} == {"设备时钟与系统相差 7 分钟"}
    assert found.blockers == ()
    assert found.read_since is not None
    assert found.read_since < any_office.clock()
    ahead(early, 60 * 30)
    assert _codes(_foreseen(any_office, early).blockers) == ["device.clock"] * 2


def test_what_the_register_and_the_ledger_know(any_office: "Office") -> None:
    away, drafts, later, recent, past = (any_office.operator() for _ in range(5))
    with any_office.database.transaction() as session:
        session.get_one(Device, away.device_ids[0]).state = DeviceState.DISCONNECTED
        _add_invoice(session, drafts, period="2026-10", draft=True)
        _add_invoice(session, later, period="2026-11", draft=True)
        session.get_one(Device, recent.device_ids[0]).last_cleared_at = any_office.clock()
    found = _foreseen(any_office, away, drafts, later, recent, past)
    assert _codes(found.blockers) == ["device.connected", "invoices.drafts"]
    assert _codes(found.warnings) == ["invoices.drafts", "clearing.recent"]
    partial = _foreseen(any_office, later, scope="partial", invoice_types=["004"])
    assert partial.warnings == (), "drafts stay where they are"
    any_office.clock.move(days=7)
    assert "device.locked" in _codes(_foreseen(any_office, past).warnings)
    with any_office.database.transaction() as session:
        device = session.get_one(Device, past.device_ids[0])
        device.state, device.fault_code = DeviceState.LOCKED, "device.locked"
    assert "device.locked" in _codes(_foreseen(any_office, past).blockers), "it says so itself"


def test_who_is_left_out_anyway_is_no_case(any_office: "Office") -> None:
    """A zombie's operator, and a device that is cleared, as a single request leaves it out."""
    zombie, done = any_office.operator(), any_office.operator()
    with any_office.database.transaction() as session:
        for subject in (zombie, done):
            session.get_one(Device, subject.device_ids[0]).last_cleared_at = any_office.clock()
    assert _codes(_foreseen(any_office, zombie, done).warnings) == ["clearing.recent"] * 2
    with any_office.database.transaction() as session:
        of_zombie = DeviceMonitor.device_id == zombie.device_ids[0]
        for monitor in session.exec(select(DeviceMonitor).where(of_zombie)):
            monitor.last_reported_at = datetime(2026, 5, 1)
        record = any_office.add_record(session, done.device_ids[0])
        session.add_all(
            ClearedType(
                device_id=done.device_ids[0],
                period=record.period,
                invoice_type=kind,
                record_id=record.id,
            )
            for kind in record.invoice_types
        )
    assert _foreseen(any_office, done).warnings == ()
    assert _foreseen(any_office, zombie).warnings == ()


def test_one_alarm_of_the_system_is_one_case(any_office: "Office") -> None:
    request_id = any_office.submit(any_office.operator())
    with any_office.database.transaction() as session:
        audit.record(
            session,
            actor=SYSTEM.actor,
            action=AuditAction.BACKUP_FAILED,
            object_type="clearing_request",
            object_id=str(request_id),
            at=any_office.clock(),
        )
    found = _foreseen(any_office, any_office.operator(), any_office.operator())
    assert [(case.who, case.code) for case in found.warnings] == [("系统", "system.health")]


def _add_invoice(
    session: Session,
    subject: "Subject",
    *,
    period: str,
    draft: bool = False,
    uploaded: bool = True,
    status: InvoiceStatus = InvoiceStatus.NORMAL,
) -> None:
    device = session.get_one(Device, subject.device_ids[0])
    session.add(
        Invoice(
            device_id=device.id,
            operator_id=device.operator_id,
            invoice_type=InvoiceType.SPECIAL_PAPER,
            code="3200261130",
            number=f"{new_id().int % 10**8:08d}",
            issued_at=datetime.fromisoformat(f"{period}-03T00:00:00+08:00"),
            period=period,
            amount=Decimal("100.00"),
            tax=Decimal("13.00"),
            status=status,
            uploaded=uploaded,
            draft=draft,
            created_at=device.created_at,
            updated_at=device.created_at,
        )
    )


def test_what_is_unfinished_is_counted_as_the_single_checks_do(any_office: "Office") -> None:
    subject, other = any_office.operator(), any_office.operator()
    with any_office.database.transaction() as session:
        for period in ("2026-09", "2026-10", "2026-11"):
            for draft, uploaded in ((True, False), (False, False), (False, True)):
                _add_invoice(session, subject, period=period, draft=draft, uploaded=uploaded)
            _add_invoice(
                session,
                subject,
                period=period,
                uploaded=False,
                status=InvoiceStatus.VOID_BLANK,
            )
    ids, period = [subject.device_ids[0], other.device_ids[0]], Period("2026-10")
    with any_office.database.reading() as session:
        found = unfinished_of(session, ids, period)
        drafts = invoices_queries.count_drafts(session, ids[:1], until=period)
        left = invoices_queries.count_not_uploaded(session, ids[:1], until=period)
    assert found == {ids[0]: Unfinished(drafts, 1, Waiting(offline=left)), ids[1]: Unfinished()}
    assert (drafts, left) == (2, 2)


def test_foresight_asks_as_often_for_thirty_as_for_one(office: "Office") -> None:
    subjects = [office.operator() for _ in range(30)]
    counts = []
    for some in (subjects[:1], subjects):
        with counting(office.database) as statements:
            _foreseen(office, *some)
        counts.append(len(statements))
    assert counts[0] == counts[1]


def test_the_page_asks_for_one_acceptance_of_each_kind(
    any_office: "Office", client: TestClient, ahead: Callable[["Subject", int], None]
) -> None:
    subjects = [any_office.operator() for _ in range(3)]
    for subject in subjects[:2]:
        ahead(subject, 7)
    query = {"operator_ids": [str(one.operator_id) for one in subjects]}
    page = client.get(f"{PAGE}/new", params=query).text
    boxes = re.findall(r'<input[^>]*name="accepted_warnings"[^>]*>', page)
    assert len(boxes) == 1
    assert 'value="device.clock"' in boxes[0]
    assert "required" in boxes[0]
    assert "共 2 项" in page
    assert "明细（2）" in page
    form = query | {"reason": "月末", "key": "k"}
    refused = client.post(PAGE, data=form)
    assert refused.status_code == 422
    assert "有需要留意的检查项" in refused.text
    assert _made(any_office) == []
    done = client.post(PAGE, data=form | {"accepted_warnings": ["device.clock"]})
    assert done.status_code == 303
    any_office.carry_out()
    assert [request.accepted_warnings for request in _made(any_office)] == [["device.clock"]] * 3


def _made(office: "Office") -> list[ClearingRequest]:
    with office.database.reading() as session:
        return list(session.exec(select(ClearingRequest)))


@pytest.mark.parametrize(
    ("kind", "accepted", "status", "kept"),
    [
        (PrincipalKind.ACCOUNT, None, 409, None),
        (PrincipalKind.ACCOUNT, [], 409, None),
        (PrincipalKind.ACCOUNT, ["clearing.recent"], 409, None),
        (PrincipalKind.ACCOUNT, ["*"], 422, None),
        (PrincipalKind.ACCOUNT, ["device.clock"], 202, ["device.clock"]),
        (PrincipalKind.API_KEY, None, 409, None),
        (PrincipalKind.API_KEY, [], 409, None),
        (PrincipalKind.API_KEY, ["device.clock"], 202, ["device.clock"]),
        (PrincipalKind.API_KEY, ["*"], 202, ["*"]),
    ],
)
def test_who_names_no_warning_accepts_none_and_only_keys_may_accept_all(
    app: FastAPI,
    any_office: "Office",
    client: TestClient,
    ahead: Callable[["Subject", int], None],
    kind: PrincipalKind,
    accepted: list[str] | None,
    status: int,
    kept: list[str] | None,
) -> None:
    app.state.principal = replace(app.state.principal, kind=kind)
    subject = any_office.operator()
    ahead(subject, 7)
    body: dict[str, Any] = {"operator_ids": [str(subject.operator_id)], "reason": "月末"}
    if accepted is not None:
        body["accepted_warnings"] = accepted
    answer = client.post(API, json=body)
    assert answer.status_code == status, answer.text
    any_office.carry_out()
    assert [request.accepted_warnings for request in _made(any_office)] == (
        [] if kept is None else [kept]
    )
    if status == 409:
        assert answer.json()["code"] == "clearing.warnings"
        (warning,) = answer.json()["warnings"]
        assert warning["code"] == "device.clock"
        assert "7 分钟" in warning["message"]


def _warning(code: str) -> Check:
    return Check(code, Severity.WARNING, f"需留意 {code}", "请核对")


@pytest.mark.parametrize(
    ("changes", "sent", "left"),
    [
        ({}, False, ["device.clock", "peak_window", "device.locked", "period.duplicate"]),
        ({"accepted_warnings": ["device.clock"]}, False,
         ["peak_window", "device.locked", "period.duplicate"]),
        ({"accepted_warnings": ["*"]}, False, []),
        ({"override_window": True}, False, ["device.clock", "device.locked", "period.duplicate"]),
        ({"exceptional": True}, False, ["device.clock", "peak_window", "period.duplicate"]),
        ({}, True, ["device.clock", "peak_window", "device.locked"]),
    ],
)  # fmt: skip
def test_a_run_stops_at_what_was_neither_accepted_nor_asked_for(
    office: "Office", person: Person, changes: dict[str, Any], sent: bool, left: list[str]
) -> None:
    principal = SYSTEM if "*" in changes.get("accepted_warnings", ()) else person(Role.OPERATOR)
    request_id = office.submit(office.operator(), principal=principal, **changes)
    checks = [
        Check("device.types", Severity.OK, ""),
        *map(_warning, ("device.clock", "peak_window", "device.locked", "period.duplicate")),
    ]
    with office.database.reading() as session:
        request = queries.request(session, request_id)
        found = acceptance.unaccepted(request, checks, clear_was_sent=sent)
    assert [check.code for check in found] == left


def test_what_a_retry_accepts_is_on_record(office: "Office", person: Person) -> None:
    admin = person(Role.ADMIN)
    request_id = office.submit(office.operator(), principal=admin)

    def accept(session: Session, request: ClearingRequest) -> None:
        for codes in (["device.clock"], ["device.clock"], []):
            acceptance.accept(session, request, codes, principal=admin, clock=office.clock)

    office.change(request_id, accept)
    with office.database.reading() as session:
        assert queries.request(session, request_id).accepted_warnings == ["device.clock"]
        actions = [one.action for one in session.exec(select(AuditRecord))]
    assert actions.count("clearing.warnings_accepted") == 1


def _batch(office: "Office", *subjects: "Subject", principal: Principal) -> UUID:
    """A batch whose requests are made."""
    batch_id = office.open_batch(*subjects, principal=principal)
    office.carry_out()
    return batch_id


def _stop(office: "Office", request_id: UUID, *codes: str) -> None:
    """As the first stage ends an attempt that meets these warnings."""
    checks = [_warning(code) for code in codes]

    def change(session: Session, request: ClearingRequest) -> None:
        request.open_warnings = acceptance.open_warnings(checks)
        failure = acceptance.failure(checks)
        outcome.fail(session, request, failure, {}, clock=office.clock)

    office.execute(request_id)
    office.change(request_id, change)


def test_a_batch_page_names_what_stopped_and_retries_with_the_acceptance(
    app: FastAPI, any_office: "Office", client: TestClient, person: Person, admin: Principal
) -> None:
    subjects = [any_office.operator() for _ in range(3)]
    batch_id = _batch(any_office, *subjects, principal=person(Role.OPERATOR))
    first, second, third = (request.id for request in _requests(any_office, batch_id))
    _stop(any_office, first, "device.clock")
    _stop(any_office, second, "device.clock", "clearing.recent")
    app.state.principal = admin
    page = client.get(f"{PAGE}/{batch_id}", params={"confirm": 1}).text
    dialog = re.search(r'<dialog[^>]*id="retry-dialog"[^>]* open>.*?</dialog>', page, re.DOTALL)
    assert dialog is not None
    boxes = re.findall(r'name="accepted_warnings" value="([^"]+)"', dialog.group())
    assert boxes == ["device.clock", "clearing.recent"]
    shown = client.get(f"{API}/{batch_id}").json()["requests"]
    assert [len(one["open_warnings"]) for one in shown] == [1, 2, 0]
    accepted = {"accepted_warnings": ["device.clock"], "password": PASSWORD}
    assert client.post(f"{PAGE}/{batch_id}/retry-failed", data=accepted).status_code == 303
    any_office.carry_out()
    states = {one.id: (one.state, one.accepted_warnings) for one in _made(any_office)}
    assert states == {
        first: (RequestState.RUNNING, ["device.clock"]),
        second: (RequestState.RUNNING, ["device.clock"]),
        third: (RequestState.SUBMITTED, []),
    }


def _requests(office: "Office", batch_id: UUID) -> list[ClearingRequest]:
    with office.database.reading() as session:
        return batch_queries.requests_of_batch(session, batch_id, SYSTEM)


@pytest.fixture
def mixed(any_office: "Office", person: Person) -> UUID:
    """A batch with a success, a failure, one that waits, and one that was skipped."""
    done, failed, waiting = (
        any_office.operator(machines=(0, 1)),
        *(any_office.operator() for _ in range(2)),
    )
    hidden = any_office.operator(machines=())
    batch_id = _batch(any_office, done, failed, waiting, hidden, principal=person(Role.ADMIN))
    requests = {one.operator_id: one.id for one in _requests(any_office, batch_id)}
    for subject in (done, failed):
        any_office.put(requests[subject.operator_id], RequestState.APPROVED)
        any_office.execute(requests[subject.operator_id])
    any_office.clear_on_device(requests[done.operator_id])
    any_office.change(
        requests[done.operator_id],
        lambda session, request: outcome.succeed(
            session, request, stage_done.evidence_of(session, request), clock=any_office.clock
        ),
    )
    failure = Failure("bureau.not_filed", "=税务端未申报", "先完成申报")
    any_office.change(
        requests[failed.operator_id],
        lambda session, request: outcome.fail(
            session, request, failure, {}, clock=any_office.clock
        ),
    )
    return batch_id


@pytest.mark.parametrize(
    ("outcome_of_it", "told"),
    [
        (Outcome.CLEARED, ""),
        (Outcome.ALREADY, "成功中 1 件此前已清卡，未执行"),
        (Outcome.PARTIAL, "成功中 1 件只是部分清卡"),
    ],
)
def test_the_summary_does_not_call_executed_what_was_not(
    app: FastAPI,
    any_office: "Office",
    client: TestClient,
    mixed: UUID,
    admin: Principal,
    outcome_of_it: Outcome,
    told: str,
) -> None:
    app.state.principal = admin
    with any_office.database.transaction() as session:
        (done,) = session.exec(
            select(ClearingRequest).where(ClearingRequest.state == RequestState.SUCCEEDED)
        )
        done.outcome = outcome_of_it
        session.add(done)
    page = client.get(f"{PAGE}/{mixed}").text
    summary = page[page.index('id="batch-summary"') :].partition("</section>")[0]
    assert "清卡成功 1" in summary
    assert ("成功中" in summary, told in summary) == (bool(told), True)


@pytest.mark.parametrize("password", ["", "wrong password 1"])
def test_a_retry_without_the_password_does_nothing(
    app: FastAPI,
    any_office: "Office",
    client: TestClient,
    mixed: UUID,
    admin: Principal,
    password: str,
) -> None:
    app.state.principal = admin
    data = {"password": password, "accepted_warnings": ["device.clock"]}
    refused = client.post(f"{API}/{mixed}/retry-failed", json=data)
    assert (refused.status_code, refused.json()["code"]) == (422, "step_up.failed")
    page = client.post(f"{PAGE}/{mixed}/retry-failed", data=data)
    assert page.status_code == 422
    dialog = re.search(
        r'<dialog[^>]*id="retry-dialog"[^>]* open>.*?</dialog>', page.text, re.DOTALL
    )
    assert dialog is not None
    assert ("密码不正确" if password else "请输入密码") in dialog.group()
    assert 'name="password"' in dialog.group()
    assert not password or password not in page.text
    assert RequestState.RUNNING not in {one.state for one in _requests(any_office, mixed)}


def test_a_clerk_retries_together_what_they_may_retry_singly(
    app: FastAPI, any_office: "Office", client: TestClient, mixed: UUID, person: Person
) -> None:
    """What they may not is not counted on the button; within limits, what they may not see is left alone."""
    clerk = _with_account(any_office, person(Role.OPERATOR), Role.OPERATOR)
    ended = {RequestState.SUCCEEDED, RequestState.FAILED}
    waiting = next(one for one in _requests(any_office, mixed) if one.state not in ended)
    any_office.put(waiting.id, RequestState.APPROVED)
    any_office.execute(waiting.id)
    undecided = Failure("device.number_mismatch", "设备编号不符", "请核对")
    any_office.change(
        waiting.id,
        lambda session, request: outcome.fail(
            session, request, undecided, {}, clock=any_office.clock
        ),
    )
    app.state.principal = replace(clerk, enterprise_ids=frozenset())
    data = {"password": PASSWORD}
    assert client.post(f"{API}/{mixed}/retry-failed", json=data).status_code == 404
    app.state.principal = clerk
    page = client.get(f"{PAGE}/{mixed}").text
    assert "重试失败的 1 件" in page
    assert "暂停" not in page
    assert client.post(f"{PAGE}/{mixed}/retry-failed", data=data).status_code == 303
    any_office.carry_out()
    states = [one.state for one in _requests(any_office, mixed)]
    assert states.count(RequestState.RUNNING) == 1
    assert states.count(RequestState.FAILED) == 1
    page = client.get(f"{PAGE}/{mixed}").text
    assert "重试失败的" not in page.partition('id="batch-summary"')[0]
    refused = client.post(f"{API}/{mixed}/retry-failed", json=data)
    assert (refused.status_code, refused.json()["code"]) == (403, "review.retry")


def test_the_api_without_a_body_asks_people_and_lets_keys_through(
    app: FastAPI, any_office: "Office", client: TestClient, mixed: UUID, admin: Principal
) -> None:
    app.state.principal = admin
    assert client.post(f"{API}/{mixed}/retry-failed").status_code == 422
    app.state.principal = replace(admin, kind=PrincipalKind.API_KEY)
    assert client.post(f"{API}/{mixed}/retry-failed").status_code == 202
    any_office.carry_out()
    assert [one.state for one in _requests(any_office, mixed)].count(RequestState.RUNNING) == 1


def test_a_person_retries_over_the_api_with_the_password(
    app: FastAPI, any_office: "Office", client: TestClient, mixed: UUID, admin: Principal
) -> None:
    app.state.principal = admin
    answer = client.post(f"{API}/{mixed}/retry-failed", json={"password": PASSWORD})
    assert answer.status_code == 202
    any_office.carry_out()
    assert [one.state for one in _requests(any_office, mixed)].count(RequestState.RUNNING) == 1


def _result(client: TestClient, url: str) -> list[dict[str, str]]:
    answer = client.get(url, params={"format": "csv"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    text = answer.content.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_the_result_has_a_row_for_every_operator_and_device(
    app: FastAPI, any_office: "Office", client: TestClient, mixed: UUID, person: Person
) -> None:
    app.state.principal = person(Role.AUDITOR)
    rows = _result(client, f"{API}/{mixed}/result")
    assert rows == _result(client, f"{PAGE}/{mixed}/result")
    assert tuple(rows[0]) == RESULT_HEADER
    assert [(row["工号"], row["状态"], row["代码"]) for row in rows] == [
        ("KP0001", "清卡成功", ""),
        ("KP0001", "清卡成功", ""),
        ("KP0002", "清卡失败", "bureau.not_filed"),
        ("KP0003", "待执行", ""),
        ("KP0004", SKIPPED, "clearing.no_devices"),
    ]
    done, failed, left_out = rows[0], rows[2], rows[4]
    assert (done["清卡前锁死日期"], done["清卡后锁死日期"]) == ("2026-11-16", "2026-12-15")
    assert done["净额（元）"] == "0.00"
    assert done["申请编号"].startswith("QK202611-")
    with any_office.database.reading() as session:
        assert (
            queries.record(session, UUID(done["清卡记录编号"]), SYSTEM).device_number
            == (done["设备编号"])
        )
    assert (failed["原因"], failed["怎么办"]) == ("'=税务端未申报", "先完成申报")
    assert (left_out["设备编号"], left_out["怎么办"]) == (
        "",
        "先为该操作员登记税控设备并读取一次。",
    )
    assert {row["企业"] for row in rows} == {"武汉源华环保科技股份有限公司"}
    with any_office.database.reading() as session:
        records = session.exec(select(AuditRecord).where(AuditRecord.action == "batch.exported"))
        assert len(records.all()) == 2


def test_a_later_attempt_under_way_hides_the_failure_before(
    app: FastAPI, any_office: "Office", client: TestClient, mixed: UUID, admin: Principal
) -> None:
    app.state.principal = admin
    client.post(f"{API}/{mixed}/retry-failed", json={"password": PASSWORD})
    any_office.carry_out()
    row = _result(client, f"{API}/{mixed}/result")[2]
    assert (row["状态"], row["代码"], row["清卡记录编号"]) == ("清卡中", "", "")


def test_the_result_as_excel(client: TestClient, mixed: UUID, app: FastAPI, person: Person) -> None:
    app.state.principal = person(Role.ADMIN)
    answer = client.get(f"{API}/{mixed}/result")
    assert "clearing-batch.xlsx" in answer.headers["content-disposition"]
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(answer.content)).get_sheet_by_index(0)
    rows = sheet.to_python()
    assert tuple(rows[0]) == RESULT_HEADER
    assert rows[3][7] == "=税务端未申报", "text, not a formula"
    assert rows[1][9] == date(2026, 11, 16)


@pytest.mark.parametrize("kind", ["jsonl", "pdf", ""])
def test_other_formats_are_refused(client: TestClient, mixed: UUID, kind: str) -> None:
    assert client.get(f"{API}/{mixed}/result", params={"format": kind}).status_code == 422


def test_who_is_limited_sees_the_result_of_own_batches_only(
    app: FastAPI, client: TestClient, mixed: UUID, person: Person
) -> None:
    app.state.principal = person(Role.OPERATOR, enterprise_ids=frozenset())
    for url in (f"{API}/{mixed}/result", f"{PAGE}/{mixed}/result"):
        assert client.get(url).status_code == 404


def test_a_skipped_operator_with_devices_has_a_row_for_each(
    app: FastAPI, any_office: "Office", client: TestClient, person: Person
) -> None:
    zombie = any_office.operator(machines=(0, 1))
    any_office.clock.move(days=120)
    app.state.principal = person(Role.ADMIN)
    batch_id = _batch(any_office, zombie, principal=app.state.principal)
    rows = _result(client, f"{API}/{batch_id}/result")
    assert [row["代码"] for row in rows] == ["batch.zombie"] * 2
    with any_office.database.reading() as session:
        numbers = {session.get_one(Device, one).number for one in zombie.device_ids}
    assert {row["设备编号"] for row in rows} == numbers


def test_groups_keep_every_case() -> None:
    cases = [
        Case("甲", "device.clock", "差 7 分钟", "校准"),
        Case("乙", "device.clock", "差 9 分钟", "校准"),
    ]
    (group,) = grouped(cases)
    assert (group.code, group.count) == ("device.clock", 2)
    assert group.cases == ("甲：差 7 分钟", "乙：差 9 分钟")
