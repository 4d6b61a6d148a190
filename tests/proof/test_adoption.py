"""Rows of before their digests were kept are taken into the chain once, with the upgrade, and it says so."""

from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from alembic import command
from sqlmodel import col, select

from app.audit.actions import AuditAction
from app.audit.models import AuditRecord
from app.core import migrate
from app.core.db import Database
from app.proof.service import prove
from app.settings import Settings
from tests.proof.conftest import Owner

AT = datetime(2026, 10, 9, 2, 0)
IDS = {name: UUID(int=number) for number, name in enumerate(("none", "request", "record"))}
BEFORE = "0013"


@pytest.fixture
def old_database(request: pytest.FixtureRequest, tmp_path: Any) -> Database:
    """A database as the release before left it, with a request and its record."""
    database = Database(f"sqlite:///{tmp_path / 'old.db'}")
    command.upgrade(migrate.alembic_config(database), BEFORE)
    meta = sa.MetaData()
    plain = sa.create_engine(database.url)  # asks for no foreign keys
    meta.reflect(plain)
    with plain.begin() as connection:
        for table, row_id in (("clearing_requests", "request"), ("clearing_records", "record")):
            values = _values(meta.tables[table]) | {"id": IDS[row_id].hex}
            connection.execute(meta.tables[table].insert().values(values))
    plain.dispose()
    return database


def _values(table: sa.Table) -> dict[str, Any]:
    """Something for every column that needs something."""
    known = {
        "mode": "regular",
        "kind": "device",
        "scope": "full",
        "state": "succeeded",
        "stage": "done",
        "result": "succeeded",
        "period": "2026-09",
        "progress": 100,
        "request_id": IDS["request"].hex,
    }
    made: dict[str, Any] = {}
    for column in table.columns:
        if column.nullable:
            continue
        made[column.name] = known.get(column.name, _something(column))
    return made


def _something(column: sa.Column[Any]) -> Any:
    kind = column.type
    if isinstance(kind, sa.Boolean):
        return False
    if isinstance(kind, sa.DateTime):
        return AT
    if isinstance(kind, sa.Date):
        return AT.date()
    if isinstance(kind, sa.Integer):
        return 1
    if isinstance(kind, sa.JSON):
        return []
    return "0" * 32 if str(kind) == "CHAR(32)" else "x"


def _adoptions(database: Database) -> list[str]:
    with database.reading() as session:
        return list(
            session.exec(
                select(AuditRecord.details).where(
                    col(AuditRecord.action) == AuditAction.AUDIT_EVIDENCE_ADOPTED
                )
            )
        )


def test_an_upgrade_takes_earlier_rows_into_the_chain_once_and_says_from_when(
    old_database: Database, settings: Settings, as_owner: Owner
) -> None:
    migrate.upgrade(old_database)
    assert len(_adoptions(old_database)) == 2
    proof = prove(old_database, settings)
    assert proof.ok, proof.sentence
    assert "2 条资料于" in proof.sentence
    assert "升级时纳入，此前的改动无从证明" in proof.sentence
    as_owner(old_database, "UPDATE clearing_records SET executed_by_name = 'y'")
    migrate.upgrade(old_database)
    assert len(_adoptions(old_database)) == 2
    found = [one.code for one in prove(old_database, settings).findings]
    assert found == ["evidence.altered"]


def test_a_new_installation_adopts_nothing(database: Database, settings: Settings) -> None:
    assert _adoptions(database) == []
    assert "升级时纳入" not in prove(database, settings).sentence
