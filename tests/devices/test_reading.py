"""更新设备信息: what a reading changes, and what a failed one leaves, on both databases."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlmodel import select

from app.accounts.principal import Principal
from app.audit.models import AuditRecord
from app.contracts.devices import DeviceReading, LinkState, Monitor
from app.contracts.faults import fault
from app.core.db import Database
from app.devices import queries, service
from app.devices.agent_client import AgentFault
from app.devices.models import Device, DeviceState
from app.operators.models import Operator
from app.settings import Settings

NUMBER = "661814461322"
AddOperator = Callable[..., Operator]
AddDevice = Callable[..., Device]
MakeReading = Callable[..., DeviceReading]
MakeMonitor = Callable[..., Monitor]


def test_a_first_reading_fills_the_rows_and_is_no_difference(
    any_database: Database,
    now: datetime,
    add_operator: AddOperator,
    add_device: AddDevice,
    make_reading: MakeReading,
    make_monitor: MakeMonitor,
) -> None:
    monitors = (make_monitor("004", lock_date=date(2027, 1, 18)), make_monitor("007"))
    with any_database.transaction() as session:
        operator = add_operator(session)
        device = add_device(session, operator, number=NUMBER)
        reading = make_reading(monitors=monitors)
        assert service.store_reading(session, device, reading, now) == []
        device_id = device.id
    with any_database.reading() as session:
        device = session.get_one(Device, device_id)
        assert device.state is DeviceState.CONNECTED
        assert device.tax_no == "91320118MA20LU6N3P"
        assert (device.machine_no, device.version, device.simulated) == (0, "V2.0.1", True)
        assert (device.clock_at, device.clock_drift_seconds) == (reading.info.clock_at, 3)
        assert device.read_at == reading.read_at
        assert device.last_reported_at == datetime(2026, 11, 4, 1, 30, tzinfo=UTC)
        assert device.lock_date == date(2026, 12, 15)
        stored = queries.monitors_of(session, [device_id])[device_id]
        assert [Monitor.model_validate(row, from_attributes=True) for row in stored] == list(
            monitors
        )
        operator = session.get_one(Operator, device.operator_id)
        assert operator.lock_date == operator.urgency == date(2026, 12, 15)


def test_differences_are_told_and_saved(
    any_database: Database,
    now: datetime,
    add_operator: AddOperator,
    add_device: AddDevice,
    make_reading: MakeReading,
    make_monitor: MakeMonitor,
) -> None:
    with any_database.transaction() as session:
        device = add_device(session, add_operator(session), number=NUMBER)
        service.store_reading(session, device, make_reading(), now)
        later = (
            make_monitor("007", lock_date=date(2027, 1, 18), single_limit=Decimal("999999.99")),
            make_monitor("026"),
        )
        changes = service.store_reading(
            session, device, make_reading(monitors=later, version="V3"), now
        )
        assert [(change.field, change.before, change.after) for change in changes] == [
            ("version", "V2.0.1", "V3"),
            ("invoice_types", "004、007", "007、026"),
            ("007.lock_date", "2026-12-15", "2027-01-18"),
            ("007.single_limit", "100000.00", "999999.99"),
        ]
        assert changes[2].label == "007 锁死日期"
        session.flush()
        stored = queries.monitors_of(session, [device.id])[device.id]
        assert [row.invoice_type for row in stored] == ["007", "026"]
        assert (
            service.store_reading(session, device, make_reading(monitors=later, version="V3"), now)
            == []
        )


def test_a_machine_number_another_device_holds_is_not_taken_over(
    any_database: Database,
    now: datetime,
    add_operator: AddOperator,
    add_device: AddDevice,
    make_reading: MakeReading,
) -> None:
    with any_database.transaction() as session:
        operator = add_operator(session)
        add_device(session, operator, number="100000000000", machine_no=0)
        device = add_device(session, operator, number=NUMBER, machine_no=1)
        (change,) = service.store_reading(session, device, make_reading(machine_no=0), now)
        assert (change.field, change.before, change.after, change.saved) == (
            "machine_no",
            "1",
            "0",
            False,
        )
        assert device.machine_no == 1


@pytest.mark.parametrize(
    ("link", "lock", "state"),
    [
        (LinkState.CONNECTED, date(2026, 12, 15), DeviceState.CONNECTED),
        (LinkState.CONNECTED, date(2026, 12, 8), DeviceState.LOCKED),
        (LinkState.LOCKED, date(2026, 12, 15), DeviceState.LOCKED),
        (LinkState.FAULT, date(2026, 12, 8), DeviceState.FAULT),
    ],
)
def test_the_state_of_a_device_that_was_read(
    database: Database,
    now: datetime,
    add_operator: AddOperator,
    add_device: AddDevice,
    make_reading: MakeReading,
    make_monitor: MakeMonitor,
    link: LinkState,
    lock: date,
    state: DeviceState,
) -> None:
    with database.transaction() as session:
        device = add_device(session, add_operator(session), number=NUMBER)
        reading = make_reading(state=link, monitors=(make_monitor(lock_date=lock),))
        service.store_reading(session, device, reading, now)
        assert device.state is state


@pytest.fixture
def registered(
    any_database: Database,
    admin: Principal,
    settings: Settings,
    now: datetime,
    agent: Any,
    add_operator: AddOperator,
    add_device: AddDevice,
) -> Any:
    """The id of a device behind the mounted agent."""
    with any_database.transaction() as session:
        mounted = service.ensure_mounted(session, token=agent.token, settings=settings, at=now)
        operator = add_operator(session)
        return add_device(session, operator, number=NUMBER, agent_id=mounted.id).id


def test_refresh_reads_through_the_agent_and_is_on_record(
    any_database: Database,
    admin: Principal,
    settings: Settings,
    now: datetime,
    agent: Any,
    registered: Any,
    make_reading: MakeReading,
) -> None:
    agent.readings[NUMBER] = make_reading()
    changes = service.refresh_device(
        any_database, registered, principal=admin, settings=settings, clock=lambda: now
    )
    assert changes == []
    with any_database.reading() as session:
        assert session.get_one(Device, registered).lock_date == date(2026, 12, 15)
        record = session.exec(select(AuditRecord).where(AuditRecord.action == "device.read")).one()
        assert (record.actor_name, record.object_id) == ("lin", str(registered))


@pytest.mark.parametrize(
    ("code", "state"),
    [
        ("device.disconnected", DeviceState.DISCONNECTED),
        ("device.not_found", DeviceState.DISCONNECTED),
        ("device.locked", DeviceState.LOCKED),
        ("device.password_wrong", DeviceState.FAULT),
        ("device.busy", DeviceState.CONNECTED),
    ],
)
def test_a_device_that_cannot_be_read_is_marked_and_keeps_what_was_read(
    any_database: Database,
    admin: Principal,
    settings: Settings,
    now: datetime,
    agent: Any,
    registered: Any,
    make_reading: MakeReading,
    code: str,
    state: DeviceState,
) -> None:
    with any_database.transaction() as session:
        service.store_reading(session, session.get_one(Device, registered), make_reading(), now)
    agent.faults[NUMBER] = fault(code)
    with pytest.raises(service.DeviceUnreadable) as failed:
        service.refresh_device(
            any_database, registered, principal=admin, settings=settings, clock=lambda: now
        )
    assert (failed.value.status, failed.value.code) == (502, code)
    with any_database.reading() as session:
        device = session.get_one(Device, registered)
        assert (device.state, device.fault_code) == (state, code)
        assert device.lock_date == date(2026, 12, 15)


def test_another_device_at_the_same_place_is_not_taken_for_it(
    any_database: Database,
    admin: Principal,
    settings: Settings,
    now: datetime,
    agent: Any,
    registered: Any,
    make_reading: MakeReading,
) -> None:
    agent.readings[NUMBER] = make_reading("539912237528")
    with pytest.raises(AgentFault, match="539912237528") as failed:
        service.refresh_device(
            any_database, registered, principal=admin, settings=settings, clock=lambda: now
        )
    assert failed.value.code == "device.number_mismatch"
    with any_database.reading() as session:
        assert session.get_one(Device, registered).read_at is None


def test_all_devices_of_an_operator_one_failing(
    any_database: Database,
    admin: Principal,
    settings: Settings,
    now: datetime,
    agent: Any,
    registered: Any,
    add_device: AddDevice,
    make_reading: MakeReading,
) -> None:
    agent.readings[NUMBER] = make_reading()
    with any_database.transaction() as session:
        operator = session.get_one(Operator, session.get_one(Device, registered).operator_id)
        add_device(session, operator, number="100000000000")
        operator_id = operator.id
    done = service.compare_devices_of(
        any_database, operator_id, principal=admin, settings=settings, clock=lambda: now
    )
    assert [one is not None for one in done.values()] == [False, True], "by number"
    assert done[registered] is not None


def test_refused_without_an_agent_and_when_retired(
    database: Database,
    admin: Principal,
    settings: Settings,
    now: datetime,
    add_operator: AddOperator,
    add_device: AddDevice,
) -> None:
    with database.transaction() as session:
        operator = add_operator(session)
        alone = add_device(session, operator).id
        gone = add_device(session, operator, state=DeviceState.RETIRED, retired_at=now).id
    expected = {alone: service.DeviceHasNoAgent, gone: service.DeviceRetired}
    for device_id, error in expected.items():
        with pytest.raises(error):
            service.refresh_device(
                database, device_id, principal=admin, settings=settings, clock=lambda: now
            )
