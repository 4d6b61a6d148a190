"""Registering and changing enterprises, on both databases."""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlmodel import select

from app.accounts.principal import Principal
from app.audit.models import AuditRecord
from app.core.db import Database
from app.core.pagination import InvalidCursor, PageRequest, encode_cursor
from app.enterprises import queries, service
from app.enterprises.models import Enterprise, FilingCycle
from app.enterprises.schemas import EnterpriseCreate, EnterpriseUpdate
from app.errors import NotFound, PreconditionFailed

NANJING = "91320118MA20LU6N3P"


def _create(database: Database, admin: Principal, at: datetime, tax_no: str, name: str) -> UUID:
    with database.transaction() as session:
        data = EnterpriseCreate(tax_no=tax_no, name=name)
        return service.create_enterprise(session, data=data, principal=admin, at=at).id


def test_created_with_review_required_and_on_record(
    any_database: Database, admin: Principal, now: datetime
) -> None:
    enterprise_id = _create(any_database, admin, now, "110000000000001", "南京德茂商贸有限公司")
    with any_database.reading() as session:
        enterprise = queries.get_enterprise(session, enterprise_id, principal=admin)
        assert enterprise.review_required is True
        assert enterprise.filing_cycle is FilingCycle.MONTHLY
        assert enterprise.created_at == now
        record = session.exec(select(AuditRecord)).one()
    assert (record.action, record.object_id) == ("enterprise.created", str(enterprise_id))


def test_one_taxpayer_is_one_enterprise(
    any_database: Database, admin: Principal, now: datetime
) -> None:
    _create(any_database, admin, now, "110000000000001", "甲")
    with pytest.raises(service.TaxNoTaken):
        _create(any_database, admin, now, " １１0000000000001 ", "乙")


def test_the_database_itself_refuses_a_second_one(
    any_database: Database, admin: Principal, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    _create(any_database, admin, now, "110000000000001", "甲")
    monkeypatch.setattr(queries, "tax_no_taken", lambda *_, **__: False)
    with pytest.raises(service.TaxNoTaken):
        _create(any_database, admin, now, "110000000000001", "乙")


def test_change_keeps_what_was_not_sent_and_tells_before_and_after(
    any_database: Database, admin: Principal, now: datetime
) -> None:
    enterprise_id = _create(any_database, admin, now, "110000000000001", "甲")
    with any_database.transaction() as session:
        changed = service.change_enterprise(
            session,
            enterprise_id,
            data=EnterpriseUpdate(name="乙", review_required=False),
            principal=admin,
            at=now,
            if_match='"1"',
        )
        assert (changed.name, changed.review_required, changed.revision) == ("乙", False, 2)
        assert changed.tax_no == "110000000000001"
    with any_database.reading() as session:
        record = session.exec(
            select(AuditRecord).where(AuditRecord.action == "enterprise.changed")
        ).one()
    assert record.details == '{"name":["甲","乙"],"review_required":[true,false]}'


def test_change_of_an_old_revision_is_refused(
    any_database: Database, admin: Principal, now: datetime
) -> None:
    enterprise_id = _create(any_database, admin, now, "110000000000001", "甲")
    update = EnterpriseUpdate(name="乙")
    with any_database.transaction() as session:
        service.change_enterprise(session, enterprise_id, data=update, principal=admin, at=now)
    with any_database.transaction() as session, pytest.raises(PreconditionFailed):
        service.change_enterprise(
            session, enterprise_id, data=update, principal=admin, at=now, if_match='"1"'
        )


def test_a_change_that_changes_nothing_is_none(
    any_database: Database, admin: Principal, now: datetime
) -> None:
    enterprise_id = _create(any_database, admin, now, "110000000000001", "甲")
    with any_database.transaction() as session:
        same = service.change_enterprise(
            session, enterprise_id, data=EnterpriseUpdate(name="甲"), principal=admin, at=now
        )
        assert same.revision == 1
        assert len(session.exec(select(AuditRecord)).all()) == 1


def test_a_limited_principal_sees_and_changes_only_its_own(
    any_database: Database, admin: Principal, now: datetime
) -> None:
    own = _create(any_database, admin, now, "110000000000001", "甲")
    other = _create(any_database, admin, now, "110000000000002", "乙")
    limited = _limited(admin, own)
    with any_database.transaction() as session:
        page = queries.list_enterprises(session, principal=limited, page=PageRequest())
        assert [item.id for item in page.items] == [own]
        assert queries.names_for_choice(session, principal=limited) == [(own, "甲")]
        with pytest.raises(NotFound):
            queries.get_enterprise(session, other, principal=limited)
        with pytest.raises(NotFound):
            service.change_enterprise(
                session, other, data=EnterpriseUpdate(name="丙"), principal=limited, at=now
            )
        with pytest.raises(service.EnterpriseLimited):
            service.create_enterprise(
                session,
                data=EnterpriseCreate(tax_no=NANJING, name="丙"),
                principal=limited,
                at=now,
            )


def test_pages_hold_every_enterprise_once(
    any_database: Database, admin: Principal, now: datetime
) -> None:
    names = ["丙", "甲", "甲", "乙", "A"]
    for index, name in enumerate(names):
        _create(any_database, admin, now, f"1100000000000{index:02d}", name)
    seen: list[str] = []
    cursor: str | None = None
    with any_database.reading() as session:
        while True:
            page = queries.list_enterprises(session, principal=admin, page=PageRequest(2, cursor))
            seen += [item.tax_no for item in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
    assert sorted(seen) == [f"1100000000000{index:02d}" for index in range(5)]


def test_search_by_name_and_tax_number(
    any_database: Database, admin: Principal, now: datetime
) -> None:
    _create(any_database, admin, now, NANJING, "南京德茂商贸有限公司")
    _create(any_database, admin, now, "110000000000001", "100%纯棉_厂")
    found = {
        "德茂 南京": 1,
        "91320118ma": 1,
        "%": 1,
        "_": 1,
        "无锡": 0,
        "' OR 1=1 --": 0,
        "\x00": 2,
    }
    with any_database.reading() as session:
        for q, count in found.items():
            page = queries.list_enterprises(session, principal=admin, page=PageRequest(), q=q)
            assert len(page.items) == count, q


@pytest.mark.parametrize("key", [("甲", "not-an-id"), ("甲", None)])
def test_a_tampered_cursor_is_refused(
    database: Database, admin: Principal, key: tuple[str, str | None]
) -> None:
    with database.reading() as session, pytest.raises(InvalidCursor):
        queries.list_enterprises(
            session, principal=admin, page=PageRequest(10, encode_cursor(*key))
        )


def test_the_table_refuses_what_breaks_a_rule(any_database: Database, now: datetime) -> None:
    for broken in ({"tax_no": "123"}, {"name": ""}):
        values: dict[str, Any] = {"tax_no": "110000000000001", "name": "甲"} | broken
        with pytest.raises(sa.exc.IntegrityError), any_database.transaction() as session:
            session.add(Enterprise(**values, created_at=now, updated_at=now))


def _limited(admin: Principal, enterprise_id: UUID) -> Principal:
    return replace(admin, enterprise_ids=frozenset({enterprise_id}))
