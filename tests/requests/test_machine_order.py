"""分机 before 主机: which requests start, what a main machine's request waits for, what its pre-check is told."""

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from sqlmodel import Session as SqlSession

from app import prechecks
from app.accounts.principal import SYSTEM
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.clearing import queries
from app.clearing.states import Kind, Mode, RequestState, Scope
from app.contracts.devices import LinkState
from app.contracts.periods import Period
from app.devices.models import Device, DeviceState
from app.prechecks import case, kept_checks
from app.prechecks import subject as facts
from app.prechecks.choice import Choice
from app.prechecks.readings import Look, Read, Space
from app.requests.service import control
from tests.office import reading_of

if TYPE_CHECKING:
    from tests.office import Office, Subject

DUE = Period("2026-10")
REPORTED = {"last_reported_at": datetime(2026, 11, 9, 9, 0)}


@pytest.fixture
def pair(any_office: "Office") -> tuple["Subject", "Subject"]:
    """The operators of the main machine and of a sub machine of one taxpayer."""
    return any_office.operator(), any_office.operator(machines=(1,))


def _scheduled(office: "Office", subject: "Subject", *, minutes: int = 0) -> UUID:
    request_id = office.submit(subject)
    at = office.clock() + timedelta(minutes=minutes)
    office.change(
        request_id,
        lambda session, request: control.schedule(
            session, request, at, principal=SYSTEM, clock=office.clock
        ),
    )
    return request_id


def _due(office: "Office") -> set[UUID]:
    with office.database.reading() as session:
        found = {one for one, _ in queries.due(session, office.clock(), limit=10)}
        for request_id in found:
            assert queries.due_locked(session, request_id, office.clock()) is not None
        return found


def test_a_main_machine_is_started_after_its_sub_machines(
    any_office: "Office", pair: tuple["Subject", "Subject"]
) -> None:
    main, sub = (_scheduled(any_office, subject) for subject in pair)
    assert _due(any_office) == {sub}
    with any_office.database.reading() as session:
        assert queries.due_locked(session, main, any_office.clock()) is None
    any_office.put(sub, RequestState.RUNNING)
    assert _due(any_office) == set()
    any_office.put(sub, RequestState.SUCCEEDED)
    assert _due(any_office) == {main}


def test_it_does_not_wait_for_what_is_not_to_start_now(
    any_office: "Office", pair: tuple["Subject", "Subject"]
) -> None:
    """A sub machine's request that is for later, waits for a review, or is over, holds nothing up."""
    main, sub = _scheduled(any_office, pair[0]), _scheduled(any_office, pair[1], minutes=5)
    assert _due(any_office) == {main}
    any_office.clock.move(minutes=5)
    assert _due(any_office) == {sub}
    for state in (RequestState.SUBMITTED, RequestState.NEEDS_ATTENTION):
        any_office.put(sub, state)
        assert _due(any_office) == {main}


def test_sub_machines_of_another_taxpayer_or_retired_ones_do_not_count(
    any_office: "Office", pair: tuple["Subject", "Subject"]
) -> None:
    main, sub = (_scheduled(any_office, subject) for subject in pair)
    with any_office.database.transaction() as session:
        device = session.get_one(Device, pair[1].device_ids[0])
        device.state, device.retired_at = DeviceState.RETIRED, any_office.clock()
    assert _due(any_office) == {main, sub}


def test_one_that_runs_waits_for_sub_machines_that_run(
    any_office: "Office", pair: tuple["Subject", "Subject"]
) -> None:
    main, sub = (_scheduled(any_office, subject) for subject in pair)

    def running(request_id: UUID) -> list[str]:
        with any_office.database.reading() as session:
            return queries.order.running_subs(session, request_id)

    assert running(main) == []
    any_office.put(sub, RequestState.RUNNING)
    with any_office.database.reading() as session:
        number = session.get_one(Device, pair[1].device_ids[0]).number
    assert (running(main), running(sub)) == ([number], [])


def test_failed_ones_are_tried_again_sub_machines_first(
    any_office: "Office", pair: tuple["Subject", "Subject"]
) -> None:
    ids = [
        _scheduled(any_office, subject) for subject in (*pair, any_office.operator(machines=(2,)))
    ]
    with any_office.database.reading() as session:
        found = queries.order.subs_first(session, [queries.request(session, one) for one in ids])
    assert [one.id for one in found] == [ids[1], ids[2], ids[0]]


def _usual(period: Period) -> Choice:
    """What most requests ask for."""
    return Choice(Mode.REGULAR, Kind.DEVICE, Scope.FULL, (), period)


def _number(session: SqlSession, device_id: UUID) -> str:
    return session.get_one(Device, device_id).number


def _checked(
    office: "Office", subject: "Subject", subs: dict[UUID, Read] | None = None
) -> prechecks.Check:
    """The pre-check of a main machine that is well, with sub machines as just read."""
    with office.database.reading() as session:
        wanted = facts.subject_of_operator(session, subject.operator_id, _usual(DUE))
        (device,) = wanted.devices
        look = Look(
            {device.device_id: Read(reading_of(device.number))},
            subs or {},
            Space(10 << 30),
            ("0013", "0013"),
        )
        found = case.collect(session, wanted, look, office.settings, office.clock)
        return next(one for one in prechecks.run(found) if one.code == "machines.order")


def test_what_was_read_last_counts_where_nothing_was_read_now(
    any_office: "Office", pair: tuple["Subject", "Subject"]
) -> None:
    assert _checked(any_office, pair[0]).severity is prechecks.Severity.BLOCKING
    with any_office.database.transaction() as session:
        device = session.get_one(Device, pair[1].device_ids[0])
        device.state, device.fault_code = DeviceState.LOCKED, "device.locked"
    assert _checked(any_office, pair[0]).severity is prechecks.Severity.WARNING
    sub_id = pair[1].device_ids[0]
    with any_office.database.reading() as session:
        number = _number(session, sub_id)
    for more, severity in (
        ({"monitor": REPORTED}, prechecks.Severity.OK),
        ({"monitor": {"lock_date": date(2026, 12, 15)}}, prechecks.Severity.OK),
        ({}, prechecks.Severity.BLOCKING),
        ({"summary": {"state": LinkState.LOCKED}}, prechecks.Severity.WARNING),
    ):
        read = reading_of(number, info={"machine_no": 1}, **more)
        assert _checked(any_office, pair[0], {sub_id: Read(read)}).severity is severity
    assert f"分机 1 {number}" in {
        one.label
        for one in _checked(
            any_office, pair[0], {sub_id: Read(reading_of(number, info={"machine_no": 1}))}
        ).evidence
    }


def test_only_open_sub_machines_outside_the_request_are_looked_at(any_office: "Office") -> None:
    """One that was reported as last read is not read again; those of the same operator go first anyway."""
    both = any_office.operator(machines=(0, 1))
    other = any_office.operator(machines=(2,))
    request_id = any_office.submit(both)
    with any_office.database.reading() as session:
        (sub,) = facts.subject_of_operator(session, both.operator_id, _usual(DUE)).subs
        assert sub.device.device_id == other.device_ids[0]
        assert sub.is_open
        assert facts.subject_of_operator(session, other.operator_id, _usual(DUE)).subs == ()
        request = facts.subject_of_request(session, request_id)
        assert [one.device.device_id for one in request.subs] == list(other.device_ids)
        (later,) = facts.subject_of_operator(session, both.operator_id, _usual(DUE.plus(-1))).subs
        assert not later.is_open


def test_the_trail_tells_of_alarms(any_office: "Office") -> None:
    """The newest record of each pair decides."""
    subject = any_office.operator()

    def said(action: AuditAction) -> None:
        with any_office.database.transaction() as session:
            audit.record(
                session,
                actor=SYSTEM.actor,
                action=action,
                object_type="audit",
                object_id="",
                at=any_office.clock(),
                details={},
            )

    def alarms() -> list[str]:
        with any_office.database.reading() as session:
            wanted = facts.subject_of_operator(session, subject.operator_id, _usual(DUE))
            look = Look({wanted.devices[0].device_id: Read()}, {}, Space(None), ("1", "1"))
            found = case.collect(session, wanted, look, any_office.settings, any_office.clock)
            return [name for name, _ in found.system.alarms]

    assert alarms() == []
    said(AuditAction.AUDIT_VERIFICATION_FAILED)
    said(AuditAction.BACKUP_FAILED)
    said(AuditAction.BACKUP_VERIFICATION_FAILED)
    assert alarms() == ["审计链验证失败", "最近一次备份失败", "最近一次备份校验失败"]
    said(AuditAction.BACKUP_CREATED)
    said(AuditAction.AUDIT_VERIFIED)
    assert alarms() == ["最近一次备份校验失败"]


def test_checks_are_kept_with_what_they_looked_at_and_whether_they_were_accepted(
    any_office: "Office", pair: tuple["Subject", "Subject"]
) -> None:
    found = [
        prechecks.Check(
            "device.clock",
            prechecks.Severity.WARNING,
            "设备时钟与系统相差 7 分钟",
            "可以继续",
            evidence=(prechecks.Evidence("相差", "7 分钟"),),
            device_number="6" * 12,
        ),
        prechecks.Check(
            "clearing.recent", prechecks.Severity.WARNING, "距上次清卡 3 天", "可以继续"
        ),
        prechecks.Check("backup.space", prechecks.Severity.OK, "备份空间充足"),
    ]
    request_id = any_office.submit(pair[1], accepted_warnings=["device.clock"])

    def keep(checks: list[prechecks.Check]) -> None:
        any_office.change(
            request_id,
            lambda session, request: kept_checks.keep(
                session, request, checks, at=any_office.clock()
            ),
        )

    keep(found)
    any_office.execute(request_id)
    keep(found[:1])
    keep(found)
    with any_office.database.reading() as session:
        kept = queries.checks.newest_of_request(session, request_id)
    assert [(one.attempt, one.code, one.accepted) for one in kept] == [
        (1, "device.clock", True),
        (1, "clearing.recent", False),
        (1, "backup.space", False),
    ]
    assert kept[0].evidence == [{"label": "相差", "value": "7 分钟"}]
    assert (kept[0].device_number, kept[0].remedy) == ("6" * 12, "可以继续")
