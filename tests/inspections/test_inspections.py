"""Inspections: by calendar and by hand, what they find, and going on after a restart."""

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import select

from app.accounts.principal import Principal
from app.audit.actions import AuditAction
from app.audit.models import AuditRecord
from app.backups import service as backups_service
from app.backups.models import Backup
from app.clearing.models import ClearingRecord, ClearingRequest
from app.clearing.states import Kind, Mode, Result, Scope
from app.contracts.devices import DeviceKind
from app.contracts.periods import Period
from app.core.db import Database
from app.core.process import Process
from app.devices.models import Device, DeviceState
from app.enterprises.models import Enterprise
from app.inspections import database_health, examinations, queries, service
from app.inspections.examinations import EXAMINATIONS
from app.inspections.models import Inspection, InspectionKind, InspectionState
from app.inspections.section import Section, Severity, table, worst
from app.notifications.kinds import EventKind
from app.notifications.models import Event
from app.operators.models import Operator
from app.settings import Settings


@pytest.fixture
def requested(context: Process, admin: Principal) -> UUID:
    """An inspection that waits."""
    with context.database.transaction() as session:
        return service.request_inspection(session, principal=admin, clock=context.clock).id


def _inspection(database: Database, inspection_id: UUID) -> Inspection:
    with database.reading() as session:
        return queries.inspection(session, inspection_id)


@pytest.fixture
def add_device(context: Process) -> Callable[..., Device]:
    """Adds a device of an operator of its own."""
    numbers = iter(range(10**6))

    def add(**values: Any) -> Device:
        number, now = next(numbers), context.clock()
        with context.database.transaction() as session:
            enterprise = Enterprise(
                tax_no=f"{number:015d}", name=f"企业{number}", created_at=now, updated_at=now
            )
            session.add(enterprise)
            session.flush()
            operator = Operator(
                code=f"KP{number}",
                name=f"操作员{number}",
                enterprise_id=enterprise.id,
                created_at=now,
                updated_at=now,
            )
            session.add(operator)
            session.flush()
            device = Device(
                number=f"{661814461322 + number}",
                kind=DeviceKind.TAX_DISK,
                enterprise_id=enterprise.id,
                operator_id=operator.id,
                created_at=now,
                updated_at=now,
                **values,
            )
            session.add(device)
            session.flush()
            session.expunge_all()
        return device

    return add


@pytest.fixture
def add_failure(context: Process) -> Callable[..., None]:
    """Adds a failed execution on a device."""
    numbers = iter(range(10**6))

    def add(device: Device, code: str, at: datetime, period: str = "2026-11") -> None:
        chosen: dict[str, Any] = {
            "mode": Mode.REGULAR,
            "kind": Kind.DEVICE,
            "scope": Scope.FULL,
            "period": period,
            "invoice_types": [],
            "operator_id": device.operator_id,
            "enterprise_id": device.enterprise_id,
        }
        with context.database.transaction() as session:
            request = ClearingRequest(
                number=f"QK202612-{next(numbers):04d}",
                clearing_date=at.date(),
                reason="测试",
                requested_by="a",
                requested_by_name="a",
                created_at=at,
                updated_at=at,
                **chosen,
            )
            session.add(request)
            session.flush()
            record = ClearingRecord(
                request_id=request.id,
                attempt=1,
                operator_name="赵伟",
                device_id=device.id,
                device_number=device.number,
                result=Result.FAILED,
                error_code=code,
                error_message="税务端未申报",
                started_at=at,
                finished_at=at,
                executed_by="a",
                executed_by_name="a",
                evidence={},
                **chosen,
            )
            session.add(record)

    return add


def test_one_by_hand_from_request_to_report(context: Process, requested: UUID) -> None:
    assert _inspection(context.database, requested).state is InspectionState.PENDING
    assert service.run_waiting(context) == 1
    assert service.run_waiting(context) == 0
    done = _inspection(context.database, requested)
    assert (done.state, list(done.sections)) == (InspectionState.DONE, list(EXAMINATIONS))
    assert done.severity == "warning", "there is no backup yet"
    with context.database.reading() as session:
        actions = session.exec(
            select(AuditRecord.action).where(AuditRecord.object_id == str(requested))
        ).all()
        event = session.exec(select(Event)).one()
    assert actions == [AuditAction.INSPECTION_RUN] * 2, "asked for, and done"
    assert event.kind is EventKind.INSPECTION_FINISHED
    assert event.data["outcome"] == "1 项需要处理"


def test_a_restart_goes_on_where_it_was(
    context: Process, requested: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def counted(name: str, work: Callable[[Process], Section]) -> Callable[[Process], Section]:
        def examine(context: Process) -> Section:
            made.append(name)
            if name == "database" and made.count(name) == 1:
                raise KeyboardInterrupt  # the process dies here
            return work(context)

        return examine

    for name, work in list(EXAMINATIONS.items()):
        monkeypatch.setitem(EXAMINATIONS, name, counted(name, work))
    with pytest.raises(KeyboardInterrupt):
        service.run_waiting(context)
    assert list(_inspection(context.database, requested).sections) == list(EXAMINATIONS)[:4]
    assert service.run_waiting(context) == 0, "the dead process still holds it"
    _end_lease(context.database, requested)
    assert service.run_waiting(context) == 1
    assert made.count("uncleared") == 1
    assert made.count("database") == 2
    assert _inspection(context.database, requested).state is InspectionState.DONE


def _end_lease(database: Database, inspection_id: UUID) -> None:
    with database.transaction() as session:
        row = session.get_one(Inspection, inspection_id)
        assert row.leased_until is not None
        row.leased_until -= service.LEASE
        session.add(row)


@pytest.mark.parametrize("any_database", ["postgresql"], indirect=True)
@pytest.mark.parametrize(("holder", "other"), [(0, 300), (-300, 0)])
def test_a_process_whose_clock_is_wrong_takes_nobodys_inspection_and_loses_none(
    context: Process,
    requested: UUID,
    clock: Any,
    monkeypatch: pytest.MonkeyPatch,
    holder: int,
    other: int,
) -> None:
    monkeypatch.setattr(service, "LEASE", timedelta(minutes=1))

    def off_by(seconds: int) -> Process:
        return replace(context, clock=lambda: clock() + timedelta(seconds=seconds))

    second, meanwhile = off_by(other), list[int]()
    name, work = next(iter(EXAMINATIONS.items()))

    def examine(process: Process) -> Section:
        if not meanwhile:
            meanwhile.append(service.run_waiting(second))
        return work(process)

    monkeypatch.setitem(EXAMINATIONS, name, examine)
    assert service.run_waiting(off_by(holder)) == 1
    assert meanwhile == [0]


def test_a_broken_section_is_a_finding_and_the_rest_goes_on(
    context: Process, requested: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(context: Process) -> Section:
        raise ZeroDivisionError

    monkeypatch.setitem(EXAMINATIONS, "drift", broken)
    assert service.run_waiting(context) == 1
    section = Section.from_json(_inspection(context.database, requested).sections["drift"])
    assert (section.title, section.severity) == ("时钟偏差", Severity.WARNING)
    assert section.summary == "检查未能完成：ZeroDivisionError"


def test_calendar_enters_each_month_and_quarter_once(
    context: Process, settings: Settings, clock: Any
) -> None:
    since = date(2026, 12, 9)

    def enter() -> list[tuple[InspectionKind, str]]:
        with context.database.transaction() as session:
            entered = service.enter_scheduled(session, settings, now=clock(), since=since)
            return [(one.kind, one.label) for one in entered]

    assert enter() == [], "December began before anybody asked"
    clock.now = datetime(2027, 1, 3, 2, 0, tzinfo=clock.now.tzinfo)
    assert enter() == [
        (InspectionKind.MONTHLY, "2027-01"),
        (InspectionKind.QUARTERLY, "2027-Q1"),
    ]
    assert enter() == []
    clock.move(days=30)
    assert enter() == [(InspectionKind.MONTHLY, "2027-02")]
    settings.inspection_schedule = ""
    clock.move(days=90)
    assert enter() == []


def test_devices_not_cleared(context: Process, add_device: Callable[..., Device]) -> None:
    add_device(lock_date=date(2026, 12, 15))
    add_device(lock_date=date(2026, 12, 8))
    add_device(lock_date=date(2027, 1, 18))
    add_device(lock_date=date(2026, 12, 1), state=DeviceState.RETIRED, retired_at=context.clock())
    section = examinations.uncleared(context)
    assert section.severity is Severity.BLOCKING
    assert section.summary == "2 台设备尚未清卡（共 3 台），其中 1 台已到锁死日期"
    assert [row[3:5] for row in section.rows] == [("2026-12-08", "-1"), ("2026-12-15", "6")]


def test_causes_of_failure_over_time(
    context: Process, add_device: Callable[..., Device], add_failure: Callable[..., None]
) -> None:
    one, other = add_device(), add_device()
    now = context.clock()
    for device, code, days, period in [
        (one, "bureau.not_filed", 1, "2026-11"),
        (one, "bureau.not_filed", 2, "2026-11"),
        (other, "device.timeout", 30, "2026-10"),
        (other, "device.timeout", 200, "2026-05"),
    ]:
        add_failure(device, code, now - timedelta(days=days), period)
    section = examinations.failures(context)
    assert section.severity is Severity.WARNING
    assert [row[:2] + row[3:5] for row in section.rows] == [
        ("2026-11", "bureau.not_filed", "2", "1"),
        ("2026-10", "device.timeout", "1", "1"),
    ]
    assert f"{one.number}（赵伟，2 次）" in section.summary


@pytest.mark.parametrize(
    ("seconds", "severity"),
    [
        (300, Severity.OK),
        (-301, Severity.WARNING),
        (86400, Severity.WARNING),
        (-86401, Severity.BLOCKING),
    ],
)
def test_drifting_clocks(
    context: Process, add_device: Callable[..., Device], seconds: int, severity: Severity
) -> None:
    add_device(clock_drift_seconds=seconds)
    assert examinations.drift(context).severity is severity


def test_backups_are_read_back(
    context: Process, add_device: Callable[..., Device], admin: Principal, settings: Settings
) -> None:
    assert examinations.backups(context).severity is Severity.WARNING, "there is none"
    operator_id = add_device().operator_id
    made = backups_service.back_up_operator(
        context.database,
        backups_service.storage_of(settings),
        operator_id=operator_id,
        period=Period("2026-11"),
        principal=admin,
        clock=context.clock,
    )
    good = examinations.backups(context)
    assert good.severity is Severity.OK, good
    with context.database.reading() as session:
        path = settings.resolved_backup_dir / session.get_one(Backup, made.id).path
    path.write_bytes(path.read_bytes()[:-10])
    assert examinations.backups(context).severity is Severity.BLOCKING


def test_whole_database(context: Process) -> None:
    section = database_health.examine(context.database)
    assert section.severity is Severity.OK, section
    kind = "SQLite" if context.database.is_sqlite else "PostgreSQL"
    assert ("类型", kind) in section.rows


def test_damaged_sqlite_file_is_found(sqlite_url: str, tmp_path: Path) -> None:
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    connection = sqlite3.connect(path)
    root = connection.execute(
        "SELECT rootpage FROM sqlite_master WHERE name = 'ix_notification_events_at'"
    ).fetchone()[0]
    size = connection.execute("PRAGMA page_size").fetchone()[0]
    connection.close()
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * 64)
    database = Database(sqlite_url)
    section = database_health.examine(database)
    database.dispose()
    assert section.severity is Severity.BLOCKING
    assert section.summary == "数据库文件损坏"


def test_slow_responses(context: Process) -> None:
    for _ in range(20):
        context.metrics.observe("GET", "/fast", 200, 0.004)
    assert examinations.performance(context).severity is Severity.OK
    for _ in range(20):
        context.metrics.observe("GET", "/slow", 200, 3.0)
    section = examinations.performance(context)
    assert section.severity is Severity.WARNING
    assert ("GET /slow", "20", "3000 ms", "5000 ms", "5000 ms", "5000 ms") in section.rows


def test_altered_audit_trail_is_found(
    context: Process, requested: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert examinations.audit_trail(context).severity is Severity.OK
    if not context.database.is_sqlite:
        return
    connection = sqlite3.connect(str(context.database.url.database))
    connection.execute("DROP TRIGGER audit_records_no_update")
    connection.execute("UPDATE audit_records SET actor_name = 'x' WHERE seq = 1")
    connection.commit()
    connection.close()
    section = examinations.audit_trail(context)
    assert section.severity is Severity.BLOCKING
    assert "第 1 条记录与链不符" in section.summary


def test_worst() -> None:
    assert worst([]) is Severity.OK
    assert worst([Severity.WARNING, Severity.BLOCKING, Severity.OK]) is Severity.BLOCKING


def test_long_tables_say_what_is_left_out() -> None:
    section = table("t", Severity.OK, "s", ("a",), [(number,) for number in range(203)])
    assert (len(section.rows), section.left_out) == (200, 3)
    assert Section.from_json(section.to_json()) == section
