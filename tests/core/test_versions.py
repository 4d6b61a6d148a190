"""What is remembered is never older than the last commit before it is asked for, whoever committed."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from app.core.db import Database, Session, unchanged
from app.core.versions import Remembered

COUNT = sa.text("SELECT count(*) FROM settings")
ADD = sa.text(
    "INSERT INTO settings (name, value, updated_by, updated_at) "
    "VALUES (:name, :value, 'test', CURRENT_TIMESTAMP)"
)


@pytest.fixture
def fellow(any_database: Database) -> Iterator[Database]:
    """The same database as another process has it."""
    database = Database(any_database.url.render_as_string(hide_password=False))
    yield database
    database.dispose()


class _Counting:
    """Counts the rows, and how often it was asked to."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, session: Session) -> int:
        self.asked += 1
        return int(session.execute(COUNT).scalar_one())


def _add(database: Database, name: str) -> None:
    with database.transaction() as session:
        session.execute(ADD, {"name": name, "value": '"x"'})


def _ask(database: Database, make: _Counting) -> int:
    with database.reading() as session:
        return unchanged(session, "rows", make)


def test_is_made_once_while_nothing_is_committed(any_database: Database) -> None:
    make = _Counting()
    assert [_ask(any_database, make) for _ in range(3)] == [0, 0, 0]
    assert make.asked == 1


def test_is_made_again_after_a_commit_of_ones_own(any_database: Database) -> None:
    make = _Counting()
    assert _ask(any_database, make) == 0
    _add(any_database, "a")
    assert _ask(any_database, make) == 1


def test_is_made_again_after_a_commit_of_another_process(
    any_database: Database, fellow: Database
) -> None:
    make = _Counting()
    assert _ask(any_database, make) == 0
    for count, name in enumerate("abc", start=1):
        _add(fellow, name)
        assert _ask(any_database, make) == count
    assert make.asked == 4


def test_what_an_old_snapshot_saw_is_not_kept_as_new(
    any_database: Database, fellow: Database
) -> None:
    """A session of SQLite sees one state from its first statement on; what it finds later is of then."""
    make = _Counting()
    with any_database.reading() as session:
        session.execute(COUNT)
        _add(fellow, "a")
        assert unchanged(session, "rows", make) == 1
    assert _ask(any_database, make) == 1


def test_a_session_that_writes_sees_what_it_wrote(any_database: Database) -> None:
    make = _Counting()
    assert _ask(any_database, make) == 0
    with any_database.transaction() as session:
        session.execute(ADD, {"name": "a", "value": '"x"'})
        assert unchanged(session, "rows", make) == 1
        session.rollback()
    assert _ask(any_database, make) == 0


def test_is_right_after_the_connections_were_closed(
    any_database: Database, fellow: Database
) -> None:
    """A new connection of SQLite counts commits from the beginning again."""
    make = _Counting()
    _add(fellow, "a")
    assert _ask(any_database, make) == 1
    any_database.dispose()
    _add(fellow, "b")
    assert _ask(any_database, make) == 2


def test_readers_beside_writers_never_see_less_than_was_committed(
    any_database: Database, fellow: Database
) -> None:
    committed = 0
    stop = threading.Event()
    make = _Counting()

    def read() -> bool:
        ok = True
        while not stop.is_set():
            before = committed
            ok = ok and _ask(any_database, make) >= before
        return ok

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        for number in range(60):
            _add(fellow if number % 2 else any_database, f"row {number}")
            committed = number + 1
        stop.set()
        assert all(reader.result() for reader in readers)


def test_the_values_longest_unused_go() -> None:
    remembered = Remembered()
    for key in range(64):
        remembered.keep(key, "v", key)
    assert remembered.get(0, "v") == 0
    remembered.keep(64, "v", 64)
    assert [remembered.get(key, "v") for key in (0, 1, 64)] == [0, None, 64]
    assert remembered.get(0, "w") is None
