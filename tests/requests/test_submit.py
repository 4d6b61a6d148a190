"""Submitting: what is taken, what is refused with which fact, and that a refusal keeps nothing."""

from collections.abc import Callable
from threading import Barrier, Thread
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from pydantic import ValidationError
from sqlmodel import select

from app.accounts.principal import SYSTEM, Principal, Role
from app.audit.actions import AuditAction
from app.audit.models import AuditRecord
from app.clearing import errors, queries
from app.clearing.models import ClearedType, ClearingRequest, ClearingTarget
from app.clearing.schemas import RequestCreate
from app.clearing.states import STAGES, RequestState, Result
from app.devices.models import Device
from app.errors import NotFound, QingkaError
from app.operators.models import Operator
from app.requests.service import control

if TYPE_CHECKING:
    from tests.office import Office, Subject

Person = Callable[..., Principal]


def test_a_request_is_kept_with_its_devices_stages_and_audit(office: "Office") -> None:
    subject = office.operator(machines=(0, 1))
    request_id = office.submit(subject, contact_name="林会计", contact_phone="025-86330000")
    with office.database.reading() as session:
        request = queries.request(session, request_id)
        assert request.state is RequestState.SUBMITTED
        assert request.number == "QK202611-000001"
        assert (request.period, request.contact_name) == ("2026-10", "林会计")
        assert [stage.name for stage in queries.stages(session, request_id)] == list(STAGES)
        targets = queries.targets(session, request_id)
        assert {target.device_id for target in targets} == set(subject.device_ids)
        assert all(target.open for target in targets)
        entry = session.exec(
            select(AuditRecord).where(AuditRecord.action == AuditAction.CLEARING_SUBMITTED)
        ).one()
        assert entry.object_id == str(request_id)


def test_sub_machines_come_before_the_main_machine(office: "Office") -> None:
    subject = office.operator(machines=(0, 2, 1))
    main, second, first = subject.device_ids
    with office.database.reading() as session:
        targets = queries.targets(session, office.submit(subject))
    assert [target.device_id for target in targets] == [first, second, main]


def test_numbers_count_up_within_the_month(office: "Office") -> None:
    numbers = []
    for _ in range(3):
        request_id = office.submit(office.operator())
        with office.database.reading() as session:
            numbers.append(queries.request(session, request_id).number)
    office.clock.move(days=30)
    request_id = office.submit(office.operator())
    with office.database.reading() as session:
        numbers.append(queries.request(session, request_id).number)
    assert numbers == [
        "QK202611-000001",
        "QK202611-000002",
        "QK202611-000003",
        "QK202612-000001",
    ]


@pytest.mark.parametrize("period", ["2026-11", "2026-12", "2027-01"])
def test_a_month_that_has_not_ended_is_not_due(office: "Office", period: str) -> None:
    _refused(office, office.operator(), errors.NotDue, period=period)


def test_the_month_ends_in_shanghai(office: "Office") -> None:
    subject = office.operator()
    office.clock.now = office.clock.now.replace(month=11, day=30, hour=15, minute=59)
    _refused(office, subject, errors.NotDue, period="2026-11")
    office.clock.move(minutes=1)
    assert office.state(office.submit(subject, period="2026-11")) is RequestState.SUBMITTED


def test_an_operator_without_devices(office: "Office") -> None:
    _refused(office, office.operator(machines=()), errors.NoDevices)


def test_a_device_of_somebody_else(office: "Office") -> None:
    other = office.operator()
    _refused(office, office.operator(), errors.NoDevices, device_ids=[other.device_ids[0]])


def test_a_retired_operator(office: "Office") -> None:
    subject = office.operator()
    with office.database.transaction() as session:
        session.get_one(Operator, subject.operator_id).active = False
    _refused(office, subject, errors.OperatorInactive)


def test_an_operator_of_an_enterprise_one_does_not_see(office: "Office", person: Person) -> None:
    stranger = person(Role.OPERATOR, enterprise_ids=frozenset({UUID(int=7)}))
    _refused(office, office.operator(), NotFound, principal=stranger)


def test_a_type_the_device_is_not_authorised_for(office: "Office") -> None:
    _refused(
        office,
        office.operator(),
        errors.TypeNotAuthorized,
        scope="partial",
        invoice_types=["004", "025"],
    )


def test_a_device_that_is_cleared_is_a_duplicate(office: "Office") -> None:
    subject = office.operator()
    _note_cleared(office, subject.device_ids[0], "004", "007")
    _refused(office, subject, errors.AlreadyCleared)
    _refused(office, subject, errors.PastPeriod, period="2026-09")


def test_a_first_clearing_is_refused_where_a_record_of_success_exists(office: "Office") -> None:
    subject = office.operator(machines=(0, 1))
    with office.database.transaction() as session:
        office.add_record(session, subject.device_ids[0], period="2026-08")
        office.add_record(session, subject.device_ids[1], result=Result.FAILED)
    _refused(office, subject, errors.NotFirst, mode="first")
    regular = office.submit(subject, device_ids=[subject.device_ids[0]])
    first = office.submit(subject, device_ids=[subject.device_ids[1]], mode="first")
    assert {office.state(one) for one in (regular, first)} == {RequestState.SUBMITTED}


def test_types_of_a_group_are_cleared_when_all_of_it_is(office: "Office") -> None:
    """A golden-tax disk clears 004 with 007, so 004 alone is not all there is to do."""
    subject = office.operator()
    with office.database.transaction() as session:
        session.get_one(Device, subject.device_ids[0]).clear_groups = [["004", "007"]]
    _note_cleared(office, subject.device_ids[0], "004")
    request_id = office.submit(subject, scope="partial", invoice_types=["004"])
    with office.database.reading() as session:
        assert len(queries.targets(session, request_id)) == 1


def test_devices_and_types_that_are_cleared_are_left_out(office: "Office") -> None:
    subject = office.operator(machines=(0, 1))
    _note_cleared(office, subject.device_ids[0], "004", "007")
    _note_cleared(office, subject.device_ids[1], "004")
    _refused(office, subject, errors.AlreadyCleared, scope="partial", invoice_types=["004"])
    with office.database.reading() as session:
        targets = queries.targets(session, office.submit(subject))
    assert [target.device_id for target in targets] == [subject.device_ids[1]]


def test_an_open_request_holds_its_devices_until_it_is_over(office: "Office") -> None:
    subject = office.operator(machines=(0, 1))
    first = office.submit(subject, device_ids=[subject.device_ids[0]])
    _refused(office, subject, errors.ClearingInProgress)
    office.submit(subject, device_ids=[subject.device_ids[1]])
    office.change(
        first,
        lambda session, request: control.cancel(
            session, request, principal=SYSTEM, clock=office.clock
        ),
    )
    again = office.submit(subject, device_ids=[subject.device_ids[0]])
    assert office.state(again) is RequestState.SUBMITTED


def test_ten_at_once_get_one_request(any_office: "Office") -> None:
    subject = any_office.operator()
    barrier = Barrier(10)
    made: list[UUID] = []
    refused: list[QingkaError] = []

    def ask() -> None:
        barrier.wait()
        try:
            made.append(any_office.submit(subject))
        except QingkaError as error:
            refused.append(error)

    threads = [Thread(target=ask) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert {type(error) for error in refused} == {errors.ClearingInProgress}
    assert len(refused) == 9
    assert {error.extensions["request_id"] for error in refused} == {str(made[0])}


@pytest.mark.parametrize(
    "changes",
    [
        {"scope": "partial"},
        {"scope": "full", "invoice_types": ["004"]},
        {"scope": "partial", "invoice_types": ["999"]},
        {"period": "2026-13"},
        {"period": "26-10"},
        {"reason": "   "},
        {"reason": "x" * 501},
        {"contact_phone": "<script>"},
        {"device_ids": []},
        {"mode": "often"},
        {"nonsense": 1},
        {"scheduled_for": "2026-11-10T09:00:00"},
    ],
)
def test_what_makes_no_sense_is_no_request(changes: dict[str, Any]) -> None:
    values = {"operator_id": UUID(int=1), "period": "2026-10", "reason": "按期清卡"}
    RequestCreate.model_validate(values)
    with pytest.raises(ValidationError):
        RequestCreate.model_validate(values | changes)


def _refused(office: "Office", subject: "Subject", fact: type[QingkaError], **changes: Any) -> None:
    """It is refused with this fact, and nothing is kept of it."""
    before = _kept(office)
    with pytest.raises(fact):
        office.submit(subject, **changes)
    assert _kept(office) == before


def _kept(office: "Office") -> tuple[int, ...]:
    with office.database.reading() as session:
        tables = (ClearingRequest, ClearingTarget, AuditRecord)
        return tuple(len(session.exec(select(table)).all()) for table in tables)


def _note_cleared(office: "Office", device_id: UUID, *types: str) -> None:
    """Leave the marks of an earlier clearing."""
    with office.database.transaction() as session:
        record = office.add_record(session, device_id)
        session.add_all(
            ClearedType(
                device_id=device_id, period="2026-10", invoice_type=kind, record_id=record.id
            )
            for kind in types
        )
