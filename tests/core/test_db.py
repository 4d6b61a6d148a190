"""Sessions and column types on both databases."""

from app.core import migrate
from app.core.db import Database, on_commit


def test_migrated_to_head(any_database: Database) -> None:
    assert migrate.current_revision(any_database) == migrate.newest_revision()


def test_on_commit_runs_only_after_a_commit(database: Database) -> None:
    seen: list[str] = []
    with database.transaction() as session:
        on_commit(session, lambda: seen.append("first"))
        assert seen == []
    assert seen == ["first"]
    try:
        with database.transaction() as session:
            on_commit(session, lambda: seen.append("never"))
            raise LookupError
    except LookupError:
        pass
    assert seen == ["first"]
