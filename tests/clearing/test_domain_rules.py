"""The domain rules of docs/domain.md, one test each, named by the rule's number."""

import asyncio
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlmodel import SQLModel

import app.models  # noqa: F401  (every table is registered)
from app import prechecks
from app.accounts.principal import Principal, Role
from app.agent.config import DeviceConfig
from app.agent.drivers.registry import build_driver
from app.calendar.rules import Source, statutory_deadline
from app.clearing import errors, queries
from app.clearing.states import RequestState
from app.contracts.devices import DeviceKind, DeviceReading, InvoiceType
from app.contracts.faults import FAULTS, device_code
from app.contracts.operations import Operation, OperationKind, OperationState, TypeOutcome
from app.contracts.periods import Period
from app.contracts.tax_numbers import check_character, is_valid_tax_no, normalize_tax_no
from app.core.db import Session
from app.devices import service as devices_service
from app.devices.connections import AgentClients
from app.devices.schemas import DeviceUpdate
from app.devices.states import TypeState, is_zombie, type_state, worst
from app.enterprises.models import Enterprise, FilingCycle
from app.errors import NotFound
from app.invoices.unfinished import Waiting
from app.operators import queries as operators_queries
from app.requests.run import operations, stage_clear, stage_done
from app.requests.run.context import Attempt, Context
from app.requests.service import attachments, handover, outcome, review
from app.requests.service.recording import Evidence
from app.settings import ROOT

if TYPE_CHECKING:
    from tests.office import Office

Reading = Callable[..., DeviceReading]
NUMBER = "660000001000"
CLOCK = datetime(2026, 11, 10, 10, 0)
DUE = Period("2026-10")


@pytest.fixture
def facts(
    reading: Reading, well_facts: Callable[..., prechecks.Facts]
) -> Callable[..., prechecks.Facts]:
    """The facts of one device that is well, with what differs."""

    def make(**changes: Any) -> prechecks.Facts:
        read = reading(NUMBER, **changes.pop("reading", {}))
        device = {"not_uploaded": changes.pop("not_uploaded", Waiting())}
        return well_facts(read, device=device, **changes)

    return make


def _check(facts: prechecks.Facts, code: str) -> prechecks.Check:
    return next(check for check in prechecks.run(facts) if check.code == code)


def test_rule_1_the_pages_say_in_one_line_that_clearing_is_not_wiping() -> None:
    dialog = (ROOT / "templates/dashboard/dialog.html").read_text(encoding="utf-8")
    assert "为设备解锁下一属期，不是清空设备" in dialog


def test_rule_2_the_state_of_a_type_is_told_by_the_months_of_the_device_clock() -> None:
    lock, before, now = date(2026, 11, 16), datetime(2026, 10, 9), datetime(2026, 11, 9)
    assert type_state(before, lock, CLOCK) is TypeState.NOT_REPORTED
    assert type_state(now, lock, CLOCK) is TypeState.REPORTED
    assert type_state(now, date(2026, 12, 15), CLOCK) is TypeState.CLEARED
    assert type_state(now, date(2026, 11, 9), CLOCK) is TypeState.LOCKED
    assert worst([TypeState.CLEARED, TypeState.REPORTED]) is TypeState.REPORTED
    assert worst([TypeState.NOT_REPORTED, TypeState.LOCKED]) is TypeState.LOCKED
    assert is_zombie([CLOCK - timedelta(days=91)], CLOCK)
    assert not is_zombie([CLOCK - timedelta(days=90)], CLOCK)


def test_rule_3_success_is_a_lock_date_in_a_later_month(office: "Office", reading: Reading) -> None:
    subject = office.operator()
    request_id = office.submit(subject)
    office.execute(request_id)
    office.clear_on_device(request_id)
    with office.database.reading() as session:
        request = queries.request(session, request_id)
        target = queries.targets(session, request_id)[0]
        same_month = reading(target.device_number, monitor={"lock_date": date(2026, 11, 30)})
        failure = stage_done._compare(request, target, same_month)
        assert failure is not None
        assert failure.code == "device.lock_date_not_moved"
        later = reading(target.device_number, monitor={"lock_date": date(2026, 12, 1)})
        assert stage_done._compare(request, target, later) is None


def test_rule_3_a_day_other_than_the_filing_deadline_is_a_warning(office: "Office") -> None:
    assert "与当月申报期限" in _log_of_a_clearing(office, date(2026, 12, 3))
    assert "与当月申报期限" not in _log_of_a_clearing(office, date(2026, 12, 15))


def _log_of_a_clearing(office: "Office", after: date) -> str:
    subject = office.operator()
    request_id = office.submit(subject)
    office.execute(request_id)
    office.clear_on_device(request_id)
    types = tuple(
        TypeOutcome(
            invoice_type=kind,
            lock_date_before=date(2026, 11, 16),
            lock_date_after=after,
            reported=True,
            cleared=True,
        )
        for kind in (InvoiceType.SPECIAL_PAPER, InvoiceType.ORDINARY_PAPER)
    )
    evidence = {subject.device_ids[0]: Evidence(types)}

    def succeed(session: Session, request: Any) -> None:
        outcome.succeed(session, request, evidence, clock=office.clock)

    office.change(request_id, succeed)
    with office.database.reading() as session:
        return "\n".join(event.text for event in queries.events(session, request_id))


def test_rule_4_groups_belong_to_the_driver() -> None:
    kinds = tuple(InvoiceType(code) for code in ("004", "007", "005", "026", "006", "025"))
    groups = {
        kind: [
            {one.value for one in group}
            for group in build_driver(_config(kind), "88888888").clear_groups(kinds)
        ]
        for kind in (DeviceKind.GOLDEN_TAX_DISK, DeviceKind.TAX_DISK, DeviceKind.UKEY)
    }
    assert groups[DeviceKind.GOLDEN_TAX_DISK] == [{"004", "007"}, {"005", "026", "006"}, {"025"}]
    assert groups[DeviceKind.TAX_DISK] == [{kind.value} for kind in kinds]
    assert groups[DeviceKind.UKEY] == [{kind.value for kind in kinds}]


def _config(kind: DeviceKind) -> DeviceConfig:
    return DeviceConfig.model_validate(
        {
            "driver": "tax_server",
            "kind": kind,
            "number": NUMBER,
            "url": "http://127.0.0.1:9",
            "bureau_url": "http://127.0.0.1:9/bureau",
        }
    )


def test_rule_5_older_periods_first(facts: Callable[..., prechecks.Facts]) -> None:
    older = facts(reading={"monitor": {"report_from": datetime(2026, 9, 1)}})
    assert _check(older, "period.order").error_code == "device.several_periods"


def test_rule_5_all_is_reported_before_any_is_cleared_and_sub_machines_go_first(
    office: "Office", monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = office.operator(machines=(0, 1))
    request_id = office.submit(subject)
    office.execute(request_id)
    main, sub = subject.device_ids
    asked: list[tuple[OperationKind, Any]] = []

    async def perform(
        attempt: Attempt, wanted: operations.Call, _: object, *, then: Any, **__: object
    ) -> None:
        asked.append((wanted.kind, wanted.device_id))
        now = office.clock()
        done = Operation(
            id=request_id,
            device_number=NUMBER,
            kind=wanted.kind,
            period=DUE,
            state=OperationState.SUCCEEDED,
            created_at=now,
            updated_at=now,
        )
        await attempt.write(then, done)

    monkeypatch.setattr(operations, "perform", perform)
    agents = AgentClients(office.database, office.settings)
    context = Context(office.database, office.settings, office.clock, agents)
    asyncio.run(stage_clear.run(Attempt(context, request_id, 1)))
    report, clear = OperationKind.REPORT, OperationKind.CLEAR
    assert asked == [(report, sub), (report, main), (clear, sub), (clear, main)]


def test_rule_6_quarterly_filers_and_months_without_an_invoice_are_cleared_too(
    office: "Office",
) -> None:
    with office.database.transaction() as session:
        session.get_one(Enterprise, office.enterprise_id).filing_cycle = FilingCycle.QUARTERLY
    request_id = office.submit(office.operator())  # October: no quarter ends with it
    office.execute(request_id)
    assert office.state(request_id) is RequestState.RUNNING


def test_rule_7_already_cleared_is_a_success_with_a_note_and_never_a_second_record(
    office: "Office", facts: Callable[..., prechecks.Facts]
) -> None:
    elsewhere = facts(reading={"monitor": {"lock_date": date(2026, 12, 15)}})
    assert _check(elsewhere, "period.duplicate").severity is prechecks.Severity.WARNING
    for family, code in (("tax_disk", "09d118"), ("golden_tax_disk", "195")):
        known = device_code(family, code)
        assert known is not None
        assert known.klass == "check_done"
    _log_of_a_clearing(office, date(2026, 12, 15))
    subject_id = office.made
    with office.database.reading() as session:
        operator = operators_queries.by_code(session, f"KP{subject_id:04d}")
        assert operator is not None
    with pytest.raises(errors.AlreadyCleared):
        office.submit(_Again(operator.id))  # type: ignore[arg-type]


class _Again:
    """An operator to submit for once more."""

    def __init__(self, operator_id: Any) -> None:
        self.operator_id = operator_id


def test_rule_8_a_mismatch_is_cleared_only_as_an_exceptional_request_that_is_complete(
    office: "Office", person: Callable[..., Principal]
) -> None:
    clerk = person(Role.OPERATOR)
    request_id = office.submit(
        office.operator(), principal=clerk, exceptional=True, checklist=["licence"]
    )
    with pytest.raises(errors.ReviewRequired):
        office.execute(request_id)

    def approve(session: Session, request: Any) -> None:
        review.approve(
            session,
            request,
            principal=person(Role.REVIEWER),
            comment="",
            settings=office.settings,
            clock=office.clock,
        )

    with pytest.raises(errors.ExceptionalIncomplete):
        office.change(request_id, approve)

    def complete(session: Session, request: Any) -> None:
        request.checklist = ["licence", "seals", "device", "identity", "statement", "form"]
        upload = attachments.Upload("说明.pdf", b"%PDF-1.7 ...")
        attachments.attach(session, request, upload, principal=clerk, clock=office.clock)

    office.change(request_id, complete)
    office.change(request_id, approve)
    assert office.state(request_id) is RequestState.SCHEDULED
    assert FAULTS["bureau.not_filed"].remedy != FAULTS["bureau.mismatch"].remedy


def test_rule_9_what_is_not_uploaded_blocks_each_with_its_own_message(
    facts: Callable[..., prechecks.Facts],
) -> None:
    checks = prechecks.run(facts(not_uploaded=Waiting(offline=2, red=1, void=3)))
    waiting = [one for one in checks if one.code == "invoices.uploaded"]
    assert {one.severity for one in waiting} == {prechecks.Severity.BLOCKING}
    assert [(one.message, one.error_code) for one in waiting] == [
        ("有 2 张离线开具的发票尚未上传", "device.offline_not_uploaded"),
        ("有 1 张红字发票尚未上传", "device.red_not_uploaded"),
        ("有 3 张作废发票尚未上传", "device.void_not_uploaded"),
    ]
    assert [one.remedy for one in waiting] == [FAULTS[one.error_code].remedy for one in waiting]
    assert len({one.remedy for one in waiting}) == 3


def test_rule_10_clock_drift_warns_above_5_minutes_and_blocks_above_24_hours(
    facts: Callable[..., prechecks.Facts],
) -> None:
    def severity(**drift: float) -> prechecks.Severity:
        clock_at = CLOCK + timedelta(**drift)
        return _check(facts(reading={"info": {"clock_at": clock_at}}), "device.clock").severity

    assert severity(minutes=5) is prechecks.Severity.OK
    assert severity(minutes=5, seconds=1) is prechecks.Severity.WARNING
    assert severity(hours=-24) is prechecks.Severity.WARNING
    assert severity(hours=24, seconds=1) is prechecks.Severity.BLOCKING


def test_rule_11_the_published_table_first_the_formula_for_the_rest() -> None:
    assert statutory_deadline(Period("2024-02")).source is Source.PUBLISHED
    assert statutory_deadline(Period("2024-02")).deadline == date(2024, 2, 23)
    assert statutory_deadline(Period("2026-12")).source is Source.RULE


def test_rule_12_the_check_character_of_a_unified_social_credit_code() -> None:
    good = "91320118MA20LU6N3P"
    assert check_character(good[:17]) == good[17]
    assert is_valid_tax_no(normalize_tax_no(" ９１320118ma20lu6n3p "))
    assert not is_valid_tax_no(good[:17] + "Q")
    assert is_valid_tax_no("1" * 15)


def test_rule_13_the_server_keeps_no_device_password() -> None:
    tables = SQLModel.metadata.tables
    names = {column.name for table in ("devices", "agents") for column in tables[table].columns}
    assert not {name for name in names if "password" in name or "kl" in name.split("_")}


def test_rule_14_an_accountant_sees_own_enterprises_and_requests_move_along(
    office: "Office", person: Callable[..., Principal]
) -> None:
    giver, receiver = office.operator(), office.operator()
    request_id = office.submit(giver)
    stranger = person(Role.OPERATOR, enterprise_ids=frozenset())
    with office.database.reading() as session, pytest.raises(NotFound):
        queries.visible_request(session, request_id, stranger)
    with office.database.transaction() as session:
        moved = handover.hand_over_operator(
            session,
            giver.operator_id,
            receiver.operator_id,
            principal=person(Role.ADMIN),
            clock=office.clock,
        )
        assert moved == 1
        assert queries.request(session, request_id).operator_id == receiver.operator_id


def test_rule_14_what_is_running_is_not_handed_over(
    office: "Office", person: Callable[..., Principal]
) -> None:
    giver, receiver = office.operator(), office.operator()
    office.execute(office.submit(giver))
    with office.database.transaction() as session, pytest.raises(errors.HandoverBlocked):
        handover.hand_over_operator(
            session,
            giver.operator_id,
            receiver.operator_id,
            principal=person(Role.ADMIN),
            clock=office.clock,
        )


def test_rule_15_a_device_is_not_retired_before_it_is_cleared(
    office: "Office", person: Callable[..., Principal]
) -> None:
    subject = office.operator()
    with (
        office.database.transaction() as session,
        pytest.raises(devices_service.NotReadyToRetire),
    ):
        devices_service.change_device(
            session,
            subject.device_ids[0],
            data=DeviceUpdate(state="retired"),
            principal=person(Role.ADMIN),
            at=office.clock(),
        )
