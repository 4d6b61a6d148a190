"""Registering and changing operators, and the facts kept in their rows, on both databases."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from uuid import UUID

import pytest
from sqlmodel import select

from app.accounts.principal import Principal
from app.audit.models import AuditRecord
from app.core.db import Database, Session
from app.core.pagination import PageRequest
from app.errors import Invalid, NotFound, PreconditionFailed
from app.operators import queries, service
from app.operators.models import NEVER_READ, Attention, Operator
from app.operators.schemas import OperatorCreate, OperatorUpdate

AddEnterprise = Callable[[Session], UUID]
AddOperator = Callable[..., Operator]


def _found(session: Session, principal: Principal, q: str) -> list[str]:
    page = queries.list_operators(
        session, principal=principal, today=date(2026, 12, 9), page=PageRequest(), q=q
    )
    return [row.code for row in page.items]


def test_created_found_and_on_record(
    any_database: Database, admin: Principal, now: datetime, add_enterprise: AddEnterprise
) -> None:
    with any_database.transaction() as session:
        data = OperatorCreate(code="KP1", name="王晓梅", enterprise_id=add_enterprise(session))
        operator = service.create_operator(session, data=data, principal=admin, at=now)
        assert (operator.urgency, operator.attention) == (NEVER_READ, Attention.NONE)
    with any_database.reading() as session:
        assert _found(session, admin, "xiaomei") == ["KP1"]
        assert session.exec(select(AuditRecord.action)).all() == ["operator.created"]


def test_a_code_is_one_operators(
    any_database: Database,
    admin: Principal,
    now: datetime,
    add_enterprise: AddEnterprise,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with any_database.transaction() as session:
        enterprise = add_enterprise(session)
        data = OperatorCreate(code="KP1", name="甲", enterprise_id=enterprise)
        service.create_operator(session, data=data, principal=admin, at=now)
        with pytest.raises(service.OperatorCodeTaken):
            service.create_operator(session, data=data, principal=admin, at=now)
    monkeypatch.setattr(queries, "by_code", lambda *_: None)
    with pytest.raises(service.OperatorCodeTaken), any_database.transaction() as session:
        service.create_operator(session, data=data, principal=admin, at=now)


def test_the_enterprise_has_to_be_one_the_principal_sees(
    any_database: Database, admin: Principal, now: datetime, add_enterprise: AddEnterprise
) -> None:
    with any_database.transaction() as session:
        own, other = add_enterprise(session), add_enterprise(session)
        limited = replace(admin, enterprise_ids=frozenset({own}))
        data = OperatorCreate(code="KP1", name="甲", enterprise_id=other)
        with pytest.raises(Invalid) as refused:
            service.create_operator(session, data=data, principal=limited, at=now)
    assert list(refused.value.errors) == ["enterprise_id"]


def test_a_new_name_is_found_and_the_old_one_not(
    any_database: Database, admin: Principal, now: datetime, add_enterprise: AddEnterprise
) -> None:
    with any_database.transaction() as session:
        data = OperatorCreate(code="KP1", name="王晓梅", enterprise_id=add_enterprise(session))
        operator = service.create_operator(session, data=data, principal=admin, at=now)
        update = OperatorUpdate(name="赵伟", department="仓储")
        service.change_operator(session, operator.id, data=update, principal=admin, at=now)
    with any_database.reading() as session:
        assert _found(session, admin, "晓梅") == []
        assert _found(session, admin, "zhaowei cc") == ["KP1"]
        record = session.exec(
            select(AuditRecord).where(AuditRecord.action == "operator.changed")
        ).one()
    assert record.details == '{"department":["","仓储"],"name":["王晓梅","赵伟"]}'


def test_changes_are_checked(
    any_database: Database,
    admin: Principal,
    now: datetime,
    add_enterprise: AddEnterprise,
    add_operator: AddOperator,
) -> None:
    with any_database.transaction() as session:
        enterprise, other = add_enterprise(session), add_enterprise(session)
        operator = add_operator(session, enterprise, code="KP1", devices="661814461322")
        add_operator(session, enterprise, code="KP2")

        def change(data: OperatorUpdate, if_match: str | None = None) -> Operator:
            return service.change_operator(
                session, operator.id, data=data, principal=admin, at=now, if_match=if_match
            )

        with pytest.raises(service.OperatorCodeTaken):
            change(OperatorUpdate(code="KP2"))
        with pytest.raises(service.OperatorHasDevices):
            change(OperatorUpdate(enterprise_id=other))
        with pytest.raises(PreconditionFailed):
            change(OperatorUpdate(name="乙"), if_match='"9"')
        with pytest.raises(NotFound):
            queries.locked(session, UUID(int=1))
        assert change(OperatorUpdate(code="KP1")).revision == 1


def test_device_facts_move_the_operator_and_its_search(
    any_database: Database,
    admin: Principal,
    now: datetime,
    add_enterprise: AddEnterprise,
    add_operator: AddOperator,
) -> None:
    lock = date(2026, 12, 15)
    with any_database.transaction() as session:
        operator = add_operator(session, add_enterprise(session), code="KP1")
        facts = service.DeviceFacts(("539912237528", "661814461322"), lock, now)
        service.set_device_facts(session, operator.id, facts=facts, at=now)
        assert (operator.lock_date, operator.urgency, operator.device_count) == (lock, lock, 2)
        assert _found(session, admin, "7528") == ["KP1"]
        earlier = now - timedelta(days=30)
        fewer = service.DeviceFacts(("661814461322",), None, earlier)
        service.set_device_facts(session, operator.id, facts=fewer, at=now)
        assert (operator.urgency, operator.last_cleared_at) == (NEVER_READ, now)
        assert _found(session, admin, "7528") == []
        assert _found(session, admin, "1322") == ["KP1"]
        revision = operator.revision
        service.set_device_facts(session, operator.id, facts=fewer, at=now)
        assert operator.revision == revision


def test_attention(
    any_database: Database, add_enterprise: AddEnterprise, add_operator: AddOperator
) -> None:
    with any_database.transaction() as session:
        operator = add_operator(session, add_enterprise(session))
        service.set_attention(session, operator.id, Attention.RUNNING)
        assert (operator.attention, operator.revision) == (Attention.RUNNING, 2)
        service.set_attention(session, operator.id, Attention.RUNNING)
        assert operator.revision == 2
