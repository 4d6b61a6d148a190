"""Which enterprises a text may mean, and which one person may choose."""

from datetime import UTC, datetime

import pytest

from app.accounts.principal import SYSTEM
from app.core.db import Database
from app.enterprises import queries
from app.enterprises.models import Enterprise

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
ROWS = (
    ("北京甲商贸有限公司", "91310115MA1K4B2X7C"),
    ("北京甲商贸有限公司分公司", "110105000012345"),
    ("上海乙商贸有限公司", "310115000054321"),
)


@pytest.fixture
def filled(any_database: Database) -> Database:
    with any_database.transaction() as session:
        for name, tax_no in ROWS:
            session.add(Enterprise(name=name, tax_no=tax_no, created_at=NOW, updated_at=NOW))
    return any_database


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("北京甲商贸有限公司", {0}),
        ("91310115ma1k4b2x7c", {0}),
        ("９１３１０１１５ＭＡ１Ｋ４Ｂ２Ｘ７Ｃ", {0}),
        ("9131", {0}),
        ("商贸", {0, 1, 2}),
        ("商贸 北京", {0, 1}),
        ("商贸 1101", {1}),
        ("100%", set()),
        ("_", set()),
    ],
)
def test_the_exact_name_or_number_first_else_every_word(
    filled: Database, text: str, found: set[int]
) -> None:
    with filled.reading() as session:
        meant = queries.names_like(session, text, principal=SYSTEM, limit=10)
    assert {(one.name, one.tax_no) for one in meant} == {ROWS[place] for place in found}


def test_no_more_than_asked_for(filled: Database) -> None:
    with filled.reading() as session:
        assert len(queries.names_like(session, "商贸", principal=SYSTEM, limit=2)) == 2
        assert len(queries.few_names(session, principal=SYSTEM) or ()) == 3
