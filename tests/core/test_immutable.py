"""A table made append-only, whatever its keys."""

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from app.core import immutable
from app.core.db import Database

REFUSED = [
    "UPDATE notes SET text = 'x'",
    "DELETE FROM notes",
    "INSERT INTO notes VALUES (1, 'c', 'again')",
    "INSERT INTO notes VALUES (3, 'a', 'again')",
]
REFUSED_BY_SQLITE = [
    "REPLACE INTO notes VALUES (1, 'c', 'again')",
    "REPLACE INTO notes VALUES (3, 'a', 'again')",
]


def test_append_only(any_database: Database) -> None:
    dialect = any_database.engine.dialect.name
    with any_database.transaction() as session:
        session.execute(
            sa.text("CREATE TABLE notes (id INTEGER PRIMARY KEY, name TEXT UNIQUE, text TEXT)")
        )
        for statement in immutable.statements("notes", dialect, keys=("id", "name")):
            session.execute(sa.text(statement))
        session.execute(sa.text("INSERT INTO notes VALUES (1, 'a', 'one'), (2, 'b', 'two')"))
    more = REFUSED_BY_SQLITE if any_database.is_sqlite else ["TRUNCATE notes"]
    for refused in REFUSED + more:
        with pytest.raises(IntegrityError), any_database.transaction() as session:
            session.execute(sa.text(refused))
    with any_database.reading() as session:
        rows = session.execute(sa.text("SELECT id, name, text FROM notes ORDER BY id")).all()
    assert [tuple(row) for row in rows] == [(1, "a", "one"), (2, "b", "two")]


def test_other_databases_are_refused() -> None:
    with pytest.raises(ValueError, match="oracle"):
        immutable.statements("notes", "oracle")
