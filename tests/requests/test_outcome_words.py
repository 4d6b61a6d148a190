"""Partial is partial, and what was cleared before was not executed: on request, record, event, page, API."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from sqlmodel import select
from starlette.testclient import TestClient

from app.accounts.principal import SYSTEM
from app.audit.actions import AuditAction
from app.audit.models import AuditRecord
from app.clearing import queries
from app.clearing.models import ClearingRecord, ClearingRequest
from app.clearing.outcomes import Failure
from app.clearing.states import Outcome, RequestState, Stage, TargetState
from app.contracts.devices import InvoiceType
from app.contracts.faults import FAULTS, fault
from app.contracts.operations import Operation, OperationKind, OperationState, TypeOutcome
from app.core.db import Session
from app.devices.agent_client import AgentFault
from app.devices.connections import AgentClients
from app.devices.models import Device
from app.invoices.models import Invoice
from app.notifications.kinds import EventKind
from app.notifications.models import Event
from app.notifications.texts import message_of
from app.operators.models import Operator
from app.records import certificate
from app.records.certificate import NotExecuted
from app.requests.run import operations, stage_clear, stage_done, workflow
from app.requests.run.context import Attempt, Context, StageFailed
from app.requests.service import control, outcome

if TYPE_CHECKING:
    from tests.office import Office

DUE = "2026-10"
LOCKS, NEXT = date(2026, 11, 16), date(2026, 12, 15)
SPECIAL, ORDINARY = InvoiceType.SPECIAL_PAPER, InvoiceType.ORDINARY_PAPER
LEFT = "007 未清卡，2026-11-16 锁死"
PARTLY = f"004 已清卡；{LEFT}"
NOT_EXECUTED = "此前已清卡，未执行"


@dataclass(frozen=True)
class Ended:
    """A request that came to its end, and the device it was about."""

    office: "Office"
    request_id: UUID
    device_id: UUID

    def read(self) -> tuple[ClearingRequest, ClearingRecord, Device, Operator]:
        with self.office.database.reading() as session:
            request = queries.request(session, self.request_id)
            record = queries.records_of(session, [request.id])[request.id][-1]
            device = session.get_one(Device, self.device_id)
            return request, record, device, session.get_one(Operator, request.operator_id)


def _type(kind: InvoiceType, **changes: Any) -> TypeOutcome:
    values = {"lock_date_before": LOCKS, "lock_date_after": NEXT, "cleared": True}
    return TypeOutcome.model_validate({"invoice_type": kind, **values, **changes})


def _before(kind: InvoiceType) -> TypeOutcome:
    return _type(kind, lock_date_before=NEXT, already=True)


def _end(office: "Office", *types: TypeOutcome, **wanted: Any) -> Ended:
    subject = office.operator()
    request_id = office.submit(subject, **wanted)
    office.execute(request_id)

    def shown(session: Session, request: ClearingRequest) -> None:
        (target,) = queries.targets(session, request.id)
        target.state = TargetState.CLEARED
        target.types = [one.model_dump(mode="json") for one in types]
        target.already = all(one.already for one in types)
        session.add(target)

    office.change(request_id, shown)
    office.change(
        request_id,
        lambda session, request: outcome.succeed(
            session, request, stage_done.evidence_of(session, request), clock=office.clock
        ),
    )
    return Ended(office, request_id, subject.device_ids[0])


@pytest.fixture
def partial(any_office: "Office") -> Ended:
    return _end(any_office, _type(SPECIAL), scope="partial", invoice_types=["004"])


@pytest.fixture
def already(any_office: "Office") -> Ended:
    return _end(any_office, _before(SPECIAL), _before(ORDINARY))


def _event(office: "Office", kind: EventKind) -> tuple[dict[str, Any], str, str]:
    with office.database.reading() as session:
        event = session.exec(select(Event).where(Event.kind == kind)).one()
        words = message_of(
            event.kind, object_type=event.object_type, object_id=event.object_id, data=event.data
        )
        return dict(event.data), words.title, words.text


def test_a_partial_clearing_says_what_is_left_and_until_when(partial: Ended) -> None:
    request, record, device, operator = partial.read()
    assert (request.outcome, record.outcome) == (Outcome.PARTIAL, Outcome.PARTIAL)
    assert request.message == PARTLY
    assert record.lock_date_after == NEXT
    assert record.next_lock_date == request.next_lock_date == LOCKS
    left = {"device_number": device.number, "invoice_type": "007", "lock_date": "2026-11-16"}
    assert record.remaining == request.remaining == [left]
    assert request.cleared == [{**left, "invoice_type": "004", "lock_date": "2026-12-15"}]
    assert device.last_cleared_at is not None
    assert operator.last_cleared_at is not None


def test_a_partial_clearing_is_told_as_one(partial: Ended) -> None:
    data, title, text = _event(partial.office, EventKind.CLEARING_SUCCEEDED)
    number = partial.read()[2].number
    assert (data["outcome"], data["scope"]) == ("partial", "partial")
    assert data["next_lock_date"] == "2026-11-16"
    assert [one["invoice_type"] for one in data["remaining"]] == ["007"]
    assert title.startswith("部分清卡完成，仍有票种未清卡：")
    assert f"未清卡：{number} 007（锁死日期 2026-11-16）" in text
    assert "设备最近的锁死日期：2026-11-16" in text


def test_a_full_clearing_leaves_nothing_and_says_so(any_office: "Office") -> None:
    ended = _end(any_office, _type(SPECIAL), _type(ORDINARY))
    request, record, _, _ = ended.read()
    assert (request.outcome, request.message) == (Outcome.CLEARED, "清卡成功")
    assert (record.remaining, record.next_lock_date) == ([], NEXT)
    assert _event(any_office, EventKind.CLEARING_SUCCEEDED)[1].startswith("清卡成功：")


def test_nothing_is_noted_of_a_device_that_was_cleared_before(already: Ended) -> None:
    request, record, device, operator = already.read()
    assert (request.state, request.outcome) == (RequestState.SUCCEEDED, Outcome.ALREADY)
    assert (record.outcome, record.already) == (Outcome.ALREADY, True)
    assert request.message == NOT_EXECUTED
    assert request.cleared == []
    with already.office.database.reading() as session:
        per_month = queries.cleared_per_month(session, SYSTEM, "2026-01")
        trail = session.exec(
            select(AuditRecord).where(AuditRecord.action == AuditAction.CLEARING_SUCCEEDED)
        ).one()
    assert per_month == {}
    details = json.loads(trail.details)
    assert (details["outcome"], details["said"]) == ("already", NOT_EXECUTED)
    assert (device.last_cleared_at, operator.last_cleared_at) == (None, None)
    data, title, text = _event(already.office, EventKind.CLEARING_SUCCEEDED)
    assert data["outcome"] == "already"
    assert title.startswith(f"{NOT_EXECUTED}：")
    assert "清卡后锁死日期" not in text


def test_a_period_long_past_never_reads_as_done(any_office: "Office") -> None:
    """Should one get as far as the device: it shows that nothing was executed, and when it locks."""
    untouched = [_type(kind, lock_date_after=LOCKS, already=True) for kind in (SPECIAL, ORDINARY)]
    ended = _end(any_office, *untouched)
    request, record, device, _ = ended.read()
    assert request.outcome is Outcome.ALREADY
    assert record.lock_date_before == record.lock_date_after == record.next_lock_date == LOCKS
    assert device.last_cleared_at is None


def test_drafts_stay_where_nothing_was_executed(office: "Office") -> None:
    subject = office.operator()
    with office.database.transaction() as session:
        device = session.get_one(Device, subject.device_ids[0])
        session.add(
            Invoice(
                device_id=device.id,
                operator_id=device.operator_id,
                invoice_type=ORDINARY,
                issued_at=office.clock() - timedelta(days=20),
                period=DUE,
                draft=True,
                created_at=office.clock(),
                updated_at=office.clock(),
            )
        )
    _end(office, _before(SPECIAL), _before(ORDINARY))
    with office.database.reading() as session:
        assert len(session.exec(select(Invoice)).all()) == 1


def test_no_certificate_of_what_was_not_executed(office: "Office", client: TestClient) -> None:
    record = _end(office, _before(SPECIAL), _before(ORDINARY)).read()[1]
    with pytest.raises(NotExecuted):
        certificate.require_certifiable(record)
    answer = client.get(f"/api/v1/clearing-records/{record.id}/certificate")
    assert (answer.status_code, answer.json()["code"]) == (409, "certificate.not_executed")
    page = client.get(f"/clearing/records/{record.id}").text
    assert NOT_EXECUTED in page
    assert "certificate" not in page


def test_the_api_tells_outcome_and_what_is_left(office: "Office", client: TestClient) -> None:
    ended = _end(office, _type(SPECIAL), scope="partial", invoice_types=["004"])
    request = client.get(f"/api/v1/clearing-requests/{ended.request_id}").json()
    (record_id,) = request["record_ids"]
    record = client.get(f"/api/v1/clearing-records/{record_id}").json()
    for one in (request, record):
        assert (one["outcome"], one["next_lock_date"]) == ("partial", "2026-11-16")
        assert [(left["invoice_type"], left["lock_date"]) for left in one["remaining"]] == [
            ("007", "2026-11-16")
        ]
    assert [(one["invoice_type"], one["lock_date"]) for one in request["cleared"]] == [
        ("004", "2026-12-15")
    ]


def test_the_pages_say_what_is_left(office: "Office", client: TestClient) -> None:
    ended = _end(office, _type(SPECIAL), scope="partial", invoice_types=["004"])
    request, record, _, operator = ended.read()
    result = client.get(f"/clearing/requests/{request.id}").text
    assert "部分清卡完成，仍有票种未清卡" in result
    assert PARTLY in result
    for path in (
        f"/clearing/records/{record.id}",
        "/clearing/records",
        f"/clearing/operators/{operator.id}",
        "/clearing/requests",
    ):
        page = client.get(path).text
        assert "部分清卡，仍有未清" in page, path
        assert "清卡成功</span>" not in page, path


def test_a_record_of_before_outcomes_were_kept_claims_nothing(
    office: "Office", client: TestClient
) -> None:
    with office.database.transaction() as session:
        device_id = office.operator().device_ids[0]
        old = office.add_record(session, device_id).id
        elsewhere = office.add_record(session, device_id, already=True).id
    answer = client.get(f"/api/v1/clearing-records/{old}").json()
    unknown = ("outcome", "remaining", "next_lock_date", "device_totals", "ledger_totals")
    assert [answer[name] for name in unknown] == [None] * 5
    assert client.get(f"/clearing/records/{old}").status_code == 200
    assert client.get(f"/api/v1/clearing-records/{old}/certificate").status_code == 200
    answer = client.get(f"/api/v1/clearing-records/{elsewhere}").json()
    assert (answer["outcome"], answer["remaining"]) == ("already", None)


def _attempt(office: "Office", request_id: UUID, number: int = 1) -> Attempt:
    agents = AgentClients(office.database, office.settings)
    return Attempt(
        Context(office.database, office.settings, office.clock, agents), request_id, number
    )


Perform = Callable[..., Any]


def _device_that(state: OperationState, *types: TypeOutcome) -> Perform:
    """In place of the operation: it ends so, with these outcomes."""

    async def perform(
        attempt: Attempt, wanted: operations.Call, _: object, *, then: Any, **__: object
    ) -> None:
        if wanted.kind is OperationKind.REPORT:
            return
        now = attempt.context.clock()
        ended = Operation(
            id=UUID(int=7),
            device_number="660000001000",
            kind=wanted.kind,
            period=DUE,
            state=state,
            outcomes=types,
            created_at=now,
            updated_at=now,
        )
        await attempt.write(then, ended)
        if state is OperationState.FAILED:
            raise StageFailed(Failure("bureau.not_filed", "税务端未申报", "先完成申报"))

    return perform


def test_what_was_cleared_before_a_failure_is_said_and_stays_this_requests(
    office: "Office", monkeypatch: pytest.MonkeyPatch, client: TestClient
) -> None:
    """The retry finds 004 cleared: by this request itself, not by somebody else before."""
    subject = office.operator()
    request_id = office.submit(subject)
    office.execute(request_id)
    open_type = _type(ORDINARY, lock_date_after=LOCKS, cleared=False)
    failing = _device_that(OperationState.FAILED, _type(SPECIAL), open_type)
    monkeypatch.setattr(operations, "perform", failing)
    failure = Failure("bureau.not_filed", "税务端未申报", "先完成申报")
    with pytest.raises(StageFailed):
        asyncio.run(stage_clear.run(_attempt(office, request_id)))
    office.change(
        request_id,
        lambda session, request: outcome.fail(
            session, request, failure, stage_done.evidence_of(session, request), clock=office.clock
        ),
    )
    ended = Ended(office, request_id, subject.device_ids[0])
    request, record, _, _ = ended.read()
    assert (request.state, request.outcome) == (RequestState.FAILED, Outcome.PARTIAL)
    assert record.outcome is None
    assert [one["invoice_type"] for one in record.remaining or ()] == ["007"]
    assert f"失败前已有票种清卡：{PARTLY}" in client.get(f"/clearing/requests/{request_id}").text
    data, _, text = _event(office, EventKind.CLEARING_FAILED)
    assert [one["invoice_type"] for one in data["cleared"]] == ["004"]
    assert "未清卡：" in text

    office.change(
        request_id,
        lambda session, request: control.retry(
            session, request, principal=SYSTEM, clock=office.clock
        ),
    )
    assert ended.read()[0].outcome is None
    second = _device_that(OperationState.SUCCEEDED, _before(SPECIAL), _type(ORDINARY))
    monkeypatch.setattr(operations, "perform", second)
    asyncio.run(stage_clear.run(_attempt(office, request_id, 2)))
    office.change(
        request_id,
        lambda session, request: outcome.succeed(
            session, request, stage_done.evidence_of(session, request), clock=office.clock
        ),
    )
    request, record, _, _ = ended.read()
    assert (request.outcome, record.outcome) == (Outcome.CLEARED, Outcome.CLEARED)
    types = {one["invoice_type"]: one for one in record.evidence["types"]}
    assert (types["004"]["already"], types["004"]["lock_date_before"]) == (False, "2026-11-16")


@pytest.mark.parametrize(
    ("types", "said"),
    [
        ((_type(SPECIAL), _type(ORDINARY)), "全部票种已清卡"),
        ((_type(SPECIAL),), PARTLY),
        ((_before(SPECIAL), _before(ORDINARY)), NOT_EXECUTED),
        ((_before(SPECIAL),), f"{NOT_EXECUTED}；{LEFT}"),
    ],
)
def test_the_stage_says_all_cleared_only_where_it_is(
    office: "Office",
    monkeypatch: pytest.MonkeyPatch,
    types: tuple[TypeOutcome, ...],
    said: str,
) -> None:
    request_id = office.submit(office.operator())
    office.execute(request_id)
    monkeypatch.setattr(operations, "perform", _device_that(OperationState.SUCCEEDED, *types))
    asyncio.run(stage_clear.run(_attempt(office, request_id)))
    with office.database.reading() as session:
        told = {one.name: one.message for one in queries.stages(session, request_id)}
    assert told[Stage.CLEAR] == said


def test_an_invalid_answer_inside_a_write_keeps_its_own_code(
    office: "Office", monkeypatch: pytest.MonkeyPatch
) -> None:
    request_id = office.submit(office.operator())
    office.execute(request_id)

    async def invalid(attempt: Attempt) -> None:
        raise AgentFault(fault("device.answer_invalid", message="发票 1 的开具日期不在属期内"))

    monkeypatch.setattr(workflow, "STAGES", (("init", invalid),))
    assert asyncio.run(workflow._run_stage("init", _attempt(office, request_id))) == "failed"
    with office.database.reading() as session:
        request = queries.request(session, request_id)
        assert (request.error_code, request.error_message, request.error_remedy) == (
            "device.answer_invalid",
            "发票 1 的开具日期不在属期内",
            FAULTS["device.answer_invalid"].remedy,
        )
