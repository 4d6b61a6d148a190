"""Registering, changing, handing over and retiring devices, on both databases."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlmodel import select

from app.accounts.principal import Principal
from app.audit.models import AuditRecord
from app.contracts.devices import DeviceKind, DeviceReading, Monitor
from app.core.db import Database, Session
from app.devices import queries, service
from app.devices.models import Device, DeviceState
from app.devices.schemas import DeviceCreate, DeviceUpdate
from app.devices.service import register
from app.errors import Invalid, NotFound, PreconditionFailed
from app.operators.models import NEVER_READ, Operator

NUMBER = "661814461322"
AddOperator = Callable[..., Operator]
AddDevice = Callable[..., Device]


def _data(operator: Operator, **values: Any) -> DeviceCreate:
    given = {"number": NUMBER, "kind": DeviceKind.TAX_DISK, "operator_id": operator.id}
    return DeviceCreate(**given | values)


def _actions(session: Session) -> list[str]:
    return list(session.exec(select(AuditRecord.action).order_by(sa.text("seq"))))


def test_registered_with_the_operators_enterprise_and_in_its_row(
    any_database: Database, admin: Principal, now: datetime, add_operator: AddOperator
) -> None:
    with any_database.transaction() as session:
        operator = add_operator(session)
        device = service.register_device(session, data=_data(operator), principal=admin, at=now)
        assert device.enterprise_id == operator.enterprise_id
        assert device.state is DeviceState.DISCONNECTED
        assert (operator.device_count, operator.device_numbers) == (1, NUMBER)
        assert _actions(session) == ["device.registered"]


@pytest.mark.parametrize("values", [{"operator_id": UUID(int=1)}, {"agent_id": UUID(int=1)}])
def test_what_it_names_has_to_exist(
    any_database: Database,
    admin: Principal,
    now: datetime,
    add_operator: AddOperator,
    values: dict[str, UUID],
) -> None:
    with any_database.transaction() as session:
        data = _data(add_operator(session), **values)
        with pytest.raises(Invalid) as refused:
            service.register_device(session, data=data, principal=admin, at=now)
    assert list(refused.value.errors) == list(values)


def test_the_enterprise_is_the_operators(
    any_database: Database, admin: Principal, now: datetime, add_operator: AddOperator
) -> None:
    with any_database.transaction() as session:
        operator, other = add_operator(session), add_operator(session)
        with pytest.raises(Invalid):
            service.register_device(
                session,
                data=_data(operator, enterprise_id=other.enterprise_id),
                principal=admin,
                at=now,
            )
        limited = replace(admin, enterprise_ids=frozenset({other.enterprise_id}))
        with pytest.raises(Invalid):
            service.register_device(session, data=_data(operator), principal=limited, at=now)


def test_a_number_is_one_device_in_use(
    any_database: Database,
    admin: Principal,
    now: datetime,
    add_operator: AddOperator,
    add_device: AddDevice,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with any_database.transaction() as session:
        operator = add_operator(session)
        add_device(session, operator, number=NUMBER, state=DeviceState.RETIRED, retired_at=now)
        service.register_device(session, data=_data(operator), principal=admin, at=now)
        data = _data(operator)
        with pytest.raises(service.DeviceNumberTaken):
            service.register_device(session, data=data, principal=admin, at=now)
    monkeypatch.setattr(queries, "in_use_by_number", lambda *_: {})
    with pytest.raises(service.DeviceNumberTaken), any_database.transaction() as session:
        service.register_device(session, data=data, principal=admin, at=now)


def test_a_machine_number_is_one_device_of_the_taxpayer(
    any_database: Database,
    admin: Principal,
    now: datetime,
    add_operator: AddOperator,
    add_device: AddDevice,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with any_database.transaction() as session:
        operator, other = add_operator(session), add_operator(session)
        add_device(session, operator, number="100000000000", machine_no=0)
        add_device(session, other, number="100000000001", machine_no=0)
        data = _data(operator, machine_no=0)
        with pytest.raises(service.MachineNoTaken):
            service.register_device(session, data=data, principal=admin, at=now)
    monkeypatch.setattr(queries, "machine_no_taken", lambda *_: False)
    with pytest.raises(service.MachineNoTaken), any_database.transaction() as session:
        service.register_device(session, data=data, principal=admin, at=now)


def test_a_hand_over_moves_the_device_between_the_rows_of_both(
    any_database: Database,
    admin: Principal,
    now: datetime,
    add_operator: AddOperator,
    add_device: AddDevice,
) -> None:
    with any_database.transaction() as session:
        first = add_operator(session)
        second = add_operator(session, first.enterprise_id)
        stranger = add_operator(session)
        device = add_device(session, first, lock_date=date(2026, 12, 15))
        assert first.urgency == date(2026, 12, 15)
        with pytest.raises(Invalid):
            _change(session, device, DeviceUpdate(operator_id=stranger.id), admin, now)
        _change(session, device, DeviceUpdate(operator_id=second.id), admin, now)
        assert (first.device_count, first.urgency) == (0, NEVER_READ)
        assert (second.device_count, second.urgency) == (1, date(2026, 12, 15))
        assert _actions(session) == ["device.handed_over"]


def test_changes_are_checked_and_counted(
    any_database: Database,
    admin: Principal,
    now: datetime,
    add_operator: AddOperator,
    add_device: AddDevice,
) -> None:
    with any_database.transaction() as session:
        operator = add_operator(session)
        device = add_device(session, operator, machine_no=1)
        changed = _change(session, device, DeviceUpdate(kind=DeviceKind.UKEY), admin, now)
        assert (changed.kind, changed.revision) == (DeviceKind.UKEY, 2)
        _change(session, device, DeviceUpdate(machine_no=None), admin, now)
        assert changed.machine_no is None
        with pytest.raises(PreconditionFailed):
            _change(session, device, DeviceUpdate(kind=DeviceKind.TAX_DISK), admin, now, '"1"')
        limited = replace(admin, enterprise_ids=frozenset({UUID(int=1)}))
        with pytest.raises(NotFound):
            _change(session, device, DeviceUpdate(machine_no=2), limited, now)


def test_retiring_is_refused_until_reported_cleared_and_uploaded(
    any_database: Database,
    admin: Principal,
    now: datetime,
    add_operator: AddOperator,
    add_device: AddDevice,
    make_reading: Callable[..., DeviceReading],
    make_monitor: Callable[..., Monitor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reasons: list[str | None] = ["还有 2 张发票尚未上传"]
    monkeypatch.setattr(register, "retirement_checks", [lambda *_: reasons[0]])
    retire = DeviceUpdate(state="retired")
    with any_database.transaction() as session:
        operator = add_operator(session)
        device = add_device(session, operator, number=NUMBER)
        with pytest.raises(service.NotReadyToRetire, match="从未读取"):
            _change(session, device, retire, admin, now)
        service.store_reading(session, device, make_reading(), now)
        with pytest.raises(service.NotReadyToRetire) as refused:
            _change(session, device, retire, admin, now)
        assert str(refused.value) == ("004 尚未抄报清卡；007 尚未抄报清卡；还有 2 张发票尚未上传")
        cleared = make_reading(monitors=(make_monitor(lock_date=date(2027, 1, 18)),))
        service.store_reading(session, device, cleared, now)
        with pytest.raises(service.NotReadyToRetire, match="尚未上传"):
            _change(session, device, retire, admin, now)
        reasons[0] = None
        retired = _change(session, device, retire, admin, now)
        assert (retired.state, retired.retired_at) == (DeviceState.RETIRED, now)
        assert (operator.device_count, operator.lock_date) == (0, None)
        assert _actions(session) == ["device.retired"]
        with pytest.raises(service.DeviceRetired):
            _change(session, device, DeviceUpdate(machine_no=5), admin, now)


def test_a_clearing_is_kept_with_its_day(
    any_database: Database, now: datetime, add_operator: AddOperator, add_device: AddDevice
) -> None:
    with any_database.transaction() as session:
        operator = add_operator(session)
        device = add_device(session, operator)
        service.record_cleared(session, device, at=now)
        assert device.last_cleared_at == operator.last_cleared_at == now


@pytest.mark.parametrize(
    "values",
    [
        {"number": "123"},
        {"machine_no": -1},
        {"state": DeviceState.RETIRED},
        {"kind": sa.text("'toaster'")},
    ],
)
def test_the_table_refuses_what_breaks_a_rule(
    any_database: Database, now: datetime, add_operator: AddOperator, values: dict[str, Any]
) -> None:
    with any_database.transaction() as session:
        operator = add_operator(session)
        row = {
            "id": UUID(int=5),
            "number": NUMBER,
            "kind": "ukey",
            "state": "connected",
            "enterprise_id": operator.enterprise_id,
            "operator_id": operator.id,
            "revision": 1,
            "created_at": now,
            "updated_at": now,
        }
    with pytest.raises(sa.exc.IntegrityError), any_database.transaction() as session:
        session.execute(sa.insert(Device).values(row | values))


def _change(
    session: Session,
    device: Device,
    data: DeviceUpdate,
    principal: Principal,
    at: datetime,
    if_match: str | None = None,
) -> Device:
    return service.change_device(
        session, device.id, data=data, principal=principal, at=at, if_match=if_match
    )
