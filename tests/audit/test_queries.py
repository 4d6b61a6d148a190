"""Filters and pages of the trail, on both databases."""

from collections.abc import Callable
from datetime import date

import pytest

from app.audit import queries
from app.audit.queries import AuditFilter
from app.core.db import Database, Session
from app.core.pagination import InvalidCursor, PageRequest

Append = Callable[[Session, int], None]


@pytest.fixture
def filled(any_database: Database, append: Append) -> Database:
    with any_database.transaction() as session:
        append(session, 12)
    return any_database


def _seqs(database: Database, wanted: AuditFilter, limit: int = 50) -> list[int]:
    with database.reading() as session:
        return [row.seq for row in queries.list_records(session, wanted, PageRequest(limit))[0]]


def test_pages_by_cursor_newest_first(filled: Database) -> None:
    pages, cursor = [], None
    with filled.reading() as session:
        while True:
            page = PageRequest(5, cursor)
            rows, cursor = queries.list_records(session, AuditFilter(), page)
            pages.append([row.seq for row in rows])
            if cursor is None:
                break
    assert pages == [[12, 11, 10, 9, 8], [7, 6, 5, 4, 3], [2, 1]]


def test_a_foreign_cursor_is_refused(filled: Database) -> None:
    with filled.reading() as session, pytest.raises(InvalidCursor):
        queries.list_records(session, AuditFilter(), PageRequest(5, "WyJ4Il0"))


@pytest.mark.parametrize(
    ("wanted", "seqs"),
    [
        (AuditFilter(action="account.signed_in"), [8, 1]),
        (AuditFilter(actor="张三"), list(range(12, 0, -1))),
        (AuditFilter(actor="0190c0de-0000-7000-8000-000000000001", object_id="request-3"), [4]),
        (AuditFilter(actor="李四"), []),
        (AuditFilter(object_type="clearing_request", object_id="request-11"), [12]),
        (AuditFilter(object_type="device"), []),
        (AuditFilter(q="REQUEST-1"), [12, 11, 2]),
        (AuditFilter(q="661814461322", action="account.locked"), [10, 3]),
        (AuditFilter(q="设备"), list(range(12, 0, -1))),
        (AuditFilter(q="%"), []),
        (AuditFilter(q="192.168.1.23"), list(range(12, 0, -1))),
        (AuditFilter(from_day=date(2026, 11, 2), to_day=date(2026, 11, 2)), list(range(12, 0, -1))),
        (AuditFilter(from_day=date(2026, 11, 3)), []),
        (AuditFilter(to_day=date(2026, 11, 1)), []),
    ],
)
def test_filters(filled: Database, wanted: AuditFilter, seqs: list[int]) -> None:
    assert _seqs(filled, wanted) == seqs


def test_for_one_object(filled: Database) -> None:
    with filled.reading() as session:
        rows = queries.for_object(session, "clearing_request", "request-4")
        assert [(row.seq, row.action_label, row.actor_label) for row in rows] == [
            (5, "退出登录", "张三")
        ]
        found = queries.by_seq(session, 5)
        assert found is not None
        assert queries.details_of(found)["设备"] == ["661814461322"]
        assert queries.by_seq(session, 99) is None


def test_oldest_first_in_chunks(filled: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "_CHUNK", 5)
    with filled.reading() as session:
        rows = queries.oldest_first(session, AuditFilter(), until=11)
        assert [row.seq for row in rows] == list(range(1, 12))


@pytest.mark.parametrize("details", ["not json", "[1]", ""])
def test_tampered_rows_can_still_be_listed(
    trail: Database, tamper: Callable[[Database, str], None], details: str
) -> None:
    tamper(trail, f"UPDATE audit_records SET details = '{details}', at = 'then', action = 'x.y'")
    with trail.reading() as session:
        row = queries.list_records(session, AuditFilter(), PageRequest(1))[0][0]
    assert queries.details_of(row) == {"raw": details}
    assert (row.at.year, row.action_label) == (1, "x.y")
