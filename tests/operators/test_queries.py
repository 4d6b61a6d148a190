"""The list of operators: order, pages, filters, search and rights, on both databases."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from app.accounts.principal import Principal
from app.core.db import Database, Session
from app.core.pagination import InvalidCursor, PageRequest, encode_cursor
from app.errors import NotFound
from app.operators import listing, queries, search_index
from app.operators.models import Attention, Operator
from app.operators.states import ClearingState

AddEnterprise = Callable[[Session], UUID]
AddOperator = Callable[..., Operator]


def _names(session: Session, principal: Principal, today: date, **wanted: object) -> list[str]:
    """The names of all pages of three rows, in order."""
    names: list[str] = []
    cursor: str | None = None
    while True:
        page = queries.list_operators(
            session,
            principal=principal,
            today=today,
            page=PageRequest(3, cursor),
            **wanted,  # type: ignore[arg-type]
        )
        names += [row.name for row in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return names


def test_the_most_urgent_first_and_the_unread_last(
    any_database: Database,
    admin: Principal,
    today: date,
    add_enterprise: AddEnterprise,
    add_operator: AddOperator,
) -> None:
    offsets = [30, 0, None, -2, 6, 0, None, 31, 6, -40]
    with any_database.transaction() as session:
        enterprise = add_enterprise(session)
        for index, offset in enumerate(offsets):
            lock = None if offset is None else today + timedelta(days=offset)
            add_operator(session, enterprise, name=str(index), lock_date=lock)
        assert _names(session, admin, today) == ["9", "3", "1", "5", "4", "8", "0", "7", "2", "6"]


def test_filter_by_state_agrees_with_what_the_rows_say(
    any_database: Database,
    admin: Principal,
    today: date,
    add_enterprise: AddEnterprise,
    add_operator: AddOperator,
) -> None:
    with any_database.transaction() as session:
        enterprise = add_enterprise(session)
        for index, offset in enumerate([None, -1, 0, 3, 22, 23, 60, None, -30, 5]):
            lock = None if offset is None else today + timedelta(days=offset)
            add_operator(session, enterprise, name=str(index), lock_date=lock)
        add_operator(session, enterprise, name="r", lock_date=today, attention=Attention.RUNNING)
        add_operator(session, enterprise, name="f", attention=Attention.FAILED)
        add_operator(session, enterprise, name="gone", lock_date=today, active=False)
        assert _names(session, admin, today, state=ClearingState.LOCKED) == ["8", "1"]
        due = ["2", "gone", "3", "9", "4", "0", "7"]
        assert _names(session, admin, today, state=ClearingState.DUE) == due
        assert _names(session, admin, today, state=ClearingState.DUE, q="kp") == due
        assert _names(session, admin, today, state=ClearingState.CLEARED) == ["5", "6"]
        assert _names(session, admin, today, state=ClearingState.RUNNING) == ["r"]
        assert _names(session, admin, today, state=ClearingState.FAILED) == ["f"]
        due.remove("gone")
        assert _names(session, admin, today, state=ClearingState.DUE, active=True) == due
        counts = queries.count_by_state(session, principal=admin, today=today)
    assert counts == {
        ClearingState.DUE: 6,
        ClearingState.RUNNING: 1,
        ClearingState.CLEARED: 2,
        ClearingState.FAILED: 1,
        ClearingState.LOCKED: 2,
    }


def test_a_limited_principal_sees_only_its_enterprises(
    any_database: Database,
    admin: Principal,
    today: date,
    add_enterprise: AddEnterprise,
    add_operator: AddOperator,
) -> None:
    with any_database.transaction() as session:
        own, other = add_enterprise(session), add_enterprise(session)
        mine = add_operator(session, own, name="甲", lock_date=today)
        theirs = add_operator(session, other, name="乙", lock_date=today)
        limited = replace(admin, enterprise_ids=frozenset({own}))
        nobody = replace(admin, enterprise_ids=frozenset[UUID]())
        assert _names(session, limited, today) == ["甲"]
        assert _names(session, limited, today, q="kp") == ["甲"]
        assert _names(session, limited, today, enterprise_id=other) == []
        assert _names(session, nobody, today) == []
        counts = queries.count_by_state(session, principal=limited, today=today)
        assert counts[ClearingState.DUE] == 1
        assert queries.visible(session, mine.id, limited) is mine
        with pytest.raises(NotFound):
            queries.visible(session, theirs.id, limited)


def test_search_finds_by_everything_and_all_words(
    any_database: Database,
    admin: Principal,
    today: date,
    add_enterprise: AddEnterprise,
    add_operator: AddOperator,
) -> None:
    with any_database.transaction() as session:
        enterprise = add_enterprise(session)
        add_operator(
            session,
            enterprise,
            name="王晓梅",
            code="A-0012",
            department="财务部",
            devices="661814461322",
        )
        add_operator(session, enterprise, name="王小明", code="B-0034", department="财务部")
        add_operator(session, enterprise, name="𫠆乐", code="C9", department="O'Neil \\ 部")
        expected = {
            "晓梅": ["王晓梅"],
            "wang": ["王晓梅", "王小明"],
            "wxm": ["王晓梅", "王小明"],
            "王 1322": ["王晓梅"],
            "cwb 34": ["王小明"],
            "𫠆": ["𫠆乐"],
            "o'neil": ["𫠆乐"],
            "xiaomei 34": [],
            "不在": [],
        }
        for q, names in expected.items():
            assert _names(session, admin, today, q=q) == names, q


HOSTILE = [
    "'",
    '"',
    "''';--",
    "a' | b",
    "a:*",
    "a & !b",
    "NEAR(a b)",
    "terms:a",
    "*",
    "^a",
    "a* OR b*",
    "\\",
    "\x00",
    "%_",
    "$1 :q",
    "(((",
    "AND",
    "NOT",
    "﷽" * 30,
    "a " * 100,
    "😀",
]


@pytest.mark.parametrize("q", HOSTILE)
def test_any_input_is_a_search_and_never_an_error(
    any_database: Database,
    admin: Principal,
    today: date,
    add_enterprise: AddEnterprise,
    add_operator: AddOperator,
    q: str,
) -> None:
    with any_database.transaction() as session:
        add_operator(session, add_enterprise(session), name="王")
        assert _names(session, admin, today, q=q) in ([], ["王"])


def test_ways_of_searching_agree(
    any_database: Database,
    admin: Principal,
    today: date,
    add_enterprise: AddEnterprise,
    add_operator: AddOperator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with any_database.transaction() as session:
        enterprise = add_enterprise(session)
        for index in range(40):
            lock = None if index % 7 == 0 else today + timedelta(days=index % 50 - 5)
            add_operator(session, enterprise, name="王梅" if index % 3 else "李梅", lock_date=lock)
        states: list[ClearingState | None] = [None, *ClearingState]
        monkeypatch.setattr(search_index, "finds_many", lambda *_: False)
        by_hits = [_names(session, admin, today, q="wang", state=state) for state in states]
        monkeypatch.setattr(search_index, "finds_many", lambda *_: True)
        walked = [_names(session, admin, today, q="wang", state=state) for state in states]
        monkeypatch.setattr(listing, "_FAR_ENOUGH", {"sqlite": 4, "postgresql": 4})
        given_up = [_names(session, admin, today, q="wang", state=state) for state in states]
    assert by_hits == walked == given_up
    assert len(by_hits[0]) == 26


@pytest.mark.parametrize("key", [("2026-12-09", "x"), ("soon", "0" * 32), (None, None), (1, 2), ()])
def test_a_tampered_cursor_is_refused(
    database: Database, admin: Principal, today: date, key: tuple[object, ...]
) -> None:
    page = PageRequest(10, encode_cursor(*key))
    with database.reading() as session, pytest.raises(InvalidCursor):
        queries.list_operators(session, principal=admin, today=today, page=page)


def test_ids_for_a_batch(
    any_database: Database,
    admin: Principal,
    today: date,
    add_enterprise: AddEnterprise,
    add_operator: AddOperator,
) -> None:
    with any_database.transaction() as session:
        enterprise = add_enterprise(session)
        added = [add_operator(session, enterprise, lock_date=today).id for _ in range(4)]
        wanted = queries.OperatorFilter(state=ClearingState.DUE)
        ids = queries.ids_of(session, principal=admin, wanted=wanted, today=today, limit=3)
    assert ids == sorted(added)[:3]


def test_rebuilding_the_index_finds_all_again(
    any_database: Database,
    admin: Principal,
    today: date,
    add_enterprise: AddEnterprise,
    add_operator: AddOperator,
) -> None:
    with any_database.transaction() as session:
        enterprise = add_enterprise(session)
        for index in range(7):
            add_operator(session, enterprise, name=f"王{index}")
        if any_database.is_sqlite:
            session.execute(sa.text("DELETE FROM operator_search_terms"))
        else:
            session.execute(sa.text("DELETE FROM operator_search"))
        assert _names(session, admin, today, q="王") == []
        assert search_index.rebuild(session, batch=3) == 7
        assert len(_names(session, admin, today, q="王")) == 7


def test_a_page_takes_two_queries_at_most(
    database: Database,
    admin: Principal,
    today: date,
    add_enterprise: AddEnterprise,
    add_operator: AddOperator,
) -> None:
    with database.transaction() as session:
        enterprise = add_enterprise(session)
        for _ in range(20):
            add_operator(session, enterprise, lock_date=today)
        statements: list[str] = []

        def count(*call: object) -> None:
            statements.append(str(call[2]))

        event.listen(database.engine, "before_cursor_execute", count)
        queries.list_operators(session, principal=admin, today=today, page=PageRequest(10))
        assert len(statements) == 1
        queries.count_by_state(session, principal=admin, today=today)
        assert len(statements) == 2
