"""Sessions and column types on both databases."""

import sqlalchemy as sa

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


def test_looking_up_leaves_its_connection_as_it_was(any_database: Database) -> None:
    """The next one to have it, of one connection here, still has transactions."""
    database = Database(any_database.url.render_as_string(hide_password=False), connections=1)
    add = sa.text(
        "INSERT INTO settings (name, value, updated_by, updated_at) "
        "VALUES ('a', '1', 'test', CURRENT_TIMESTAMP)"
    )
    count = sa.text("SELECT count(*) FROM settings")
    with database.looking_up() as connection:
        assert connection.execute(count).scalar_one() == 0
    with database.transaction() as session:
        session.execute(add)
        session.rollback()
    with database.looking_up() as connection:
        assert connection.execute(count).scalar_one() == 0
    database.dispose()
