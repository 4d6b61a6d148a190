"""100,000 operators: searches are right, served by an index, and count nothing."""

import random
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from app.accounts.principal import SYSTEM
from app.core.db import Database
from app.core.ids import new_id
from app.core.pagination import PageRequest, encode_cursor
from app.enterprises.models import Enterprise
from app.operators import queries, search_index
from app.operators.models import Attention, Operator
from app.operators.search import query_words, search_terms
from app.operators.states import ClearingState, state_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

COUNT = 100_000
TODAY = date(2026, 12, 9)
NOW = datetime(2026, 12, 9, 2, 0, tzinfo=UTC)
SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
GIVEN = "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超兰"


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    """Their columns, and under `terms` what they are found by."""
    chance = random.Random(7)  # noqa: S311
    rows: list[dict[str, Any]] = [
        {
            "id": new_id(),
            "code": f"KP{index:07d}",
            "name": chance.choice(SURNAMES) + chance.choice(GIVEN) + chance.choice(GIVEN),
            "department": "财务部" if index % 2 else "业务部",
            "phone": "",
            "email": "",
            "active": True,
            "attention": "none",
            "lock_date": (lock := TODAY + timedelta(days=chance.randint(-3, 45))),
            "urgency": lock,
            "device_count": 1,
            "device_numbers": f"{661000000000 + index * 7919:012d}",
            "revision": 1,
            "created_at": NOW,
            "updated_at": NOW,
        }
        for index in range(COUNT)
    ]
    for row in rows:
        row["terms"] = search_terms(
            code=row["code"],
            name=row["name"],
            department=row["department"],
            device_numbers=[row["device_numbers"]],
        )
    return rows


def _fill(database: Database, rows: list[dict[str, Any]]) -> None:
    with database.transaction() as session:
        enterprise = Enterprise(tax_no="110000000000001", name="甲", created_at=NOW, updated_at=NOW)
        session.add(enterprise)
        session.flush()
        for row in rows:
            row["enterprise_id"] = enterprise.id
        values = [{name: row[name] for name in row if name != "terms"} for row in rows]
        session.execute(sa.insert(Operator), values)
        assert search_index.rebuild(session) == COUNT
    if not database.is_sqlite:
        with database.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as plain:
            plain.exec_driver_sql("VACUUM ANALYZE")


@pytest.fixture(scope="module")
def on_sqlite(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]
) -> Iterator[Database]:
    """Filled once: the tests only read."""
    path = tmp_path_factory.mktemp("scale") / "qingka.db"
    shutil.copy(sqlite_template, path)
    database = Database(f"sqlite:///{path}")
    _fill(database, rows)
    yield database
    database.dispose()


@pytest.fixture
def on_postgresql(postgres_url: str, rows: list[dict[str, Any]]) -> Iterator[Database]:
    database = Database(postgres_url)
    _fill(database, rows)
    yield database
    database.dispose()


@contextmanager
def _statements(database: Database) -> Iterator[list[tuple[str, Any]]]:
    """The statements sent while the block runs, with their parameters."""
    sent: list[tuple[str, Any]] = []

    def keep(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if statement.lstrip().upper().startswith("SELECT"):
            sent.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", keep)
    yield sent
    event.remove(database.engine, "before_cursor_execute", keep)


def _codes(database: Database, q: str, state: ClearingState | None = None) -> list[str]:
    with database.reading() as session:
        page = queries.list_operators(
            session, principal=SYSTEM, today=TODAY, page=PageRequest(50), q=q, state=state
        )
        return [row.code for row in page.items]


def _expected(rows: list[dict[str, Any]], q: str, state: ClearingState | None = None) -> list[str]:
    """What a plain look at every row finds."""
    words = query_words(q)
    found = [
        row
        for row in rows
        if state in (None, state_of(Attention.NONE, row["lock_date"], TODAY))
        and _has(row["terms"], words)
    ]
    found.sort(key=lambda row: (row["urgency"], row["id"]))
    return [row["code"] for row in found[:50]]


def _has(terms: list[str], words: list[str]) -> bool:
    return all(any(term.startswith(word) for term in terms) for word in words)


QUERIES = ["王伟芳", "伟芳", "lijun", "wwf", "kp0004711", "4711", "财务 王", "kp", "cwb", "不在"]
"""From one hit to all of them."""


@pytest.mark.parametrize("kind", ["on_sqlite", "on_postgresql"])
def test_searches_are_right_and_served_by_an_index(
    request: pytest.FixtureRequest, kind: str, rows: list[dict[str, Any]]
) -> None:
    database: Database = request.getfixturevalue(kind)
    for q in QUERIES:
        for state in (None, ClearingState.CLEARED):
            with _statements(database) as sent:
                found = _codes(database, q, state)
            assert found == _expected(rows, q, state), (q, state)
            for statement, parameters in sent:
                _check_plan(database, statement, parameters)


def _check_plan(database: Database, statement: str, parameters: Any) -> None:
    """No look at every row of the operators, and no count of all hits."""
    if "count(*)" in statement:
        assert "LIMIT" in statement
    with database.engine.connect() as connection:
        explain = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
        plan = connection.exec_driver_sql(f"{explain} {statement}", parameters).all()
    lines = [str(row[-1]) for row in plan]
    assert not any(line.startswith("SCAN operators") and "USING" not in line for line in lines)
    assert not any("Seq Scan on operators" in line for line in lines)
    assert not any("Seq Scan on operator_search" in line for line in lines)


def test_a_page_at_any_depth_walks_the_index(
    on_sqlite: Database, rows: list[dict[str, Any]]
) -> None:
    by_urgency = sorted(rows, key=lambda row: (row["urgency"], row["id"]))
    deep = by_urgency[90_000]
    cursor = encode_cursor(deep["urgency"].isoformat(), deep["id"].hex)
    with on_sqlite.reading() as session, _statements(on_sqlite) as sent:
        page = queries.list_operators(
            session, principal=SYSTEM, today=TODAY, page=PageRequest(50, cursor)
        )
    assert [row.code for row in page.items] == [row["code"] for row in by_urgency[90_001:90_051]]
    ((statement, parameters),) = sent
    with on_sqlite.engine.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
    lines = [str(row[-1]) for row in plan]
    assert any("ix_operators_urgency_id" in line and "SEARCH" in line for line in lines)
    assert not any("TEMP B-TREE" in line for line in lines)


def test_counting_by_state_is_one_query_of_an_index(
    on_sqlite: Database, rows: list[dict[str, Any]]
) -> None:
    with on_sqlite.reading() as session, _statements(on_sqlite) as sent:
        counts = queries.count_by_state(session, principal=SYSTEM, today=TODAY)
    states = Counter(state_of(Attention.NONE, row["lock_date"], TODAY) for row in rows)
    assert counts == {state: states[state] for state in ClearingState}
    ((statement, parameters),) = sent
    with on_sqlite.engine.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
    looks = [str(row[-1]) for row in plan if "operators" in str(row[-1])]
    assert looks
    assert all("COVERING INDEX" in look for look in looks)
