"""Turns: one at a time, first come first served, and never kept by who is gone."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.core.db import Database, Session
from app.core.turns import Turns

COUNT = sa.text("SELECT value FROM counter")
ADD = sa.text("UPDATE counter SET value = value + 1")


def test_first_come_first_served() -> None:
    turns = Turns()
    served: list[int] = []
    assert turns.take(0)

    def work(place: int) -> None:
        assert turns.take(60)
        served.append(place)
        turns.give()

    threads = []
    for place in range(8):
        threads.append(threading.Thread(target=work, args=(place,)))
        threads[-1].start()
        while len(turns._row) <= place:  # in the row before the next one comes
            time.sleep(0.001)
    turns.give()
    for thread in threads:
        thread.join(60)
    assert served == list(range(8))
    assert turns.take(0)


def test_who_gives_up_is_passed_over() -> None:
    turns = Turns()
    assert turns.take(0)
    assert not turns.take(0.01)
    turns.give()
    assert turns.take(0)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'turns.db'}", busy_seconds=0.2)
    with database.transaction() as session:
        session.execute(sa.text("CREATE TABLE counter (value INTEGER)"))
        session.execute(sa.text("INSERT INTO counter VALUES (0)"))
    yield database
    database.dispose()


def _counted(database: Database) -> int:
    with database.reading() as session:
        return int(session.execute(COUNT).scalar_one())


def test_who_has_the_turn_keeps_others_waiting_for_so_long_only(database: Database) -> None:
    with database.transaction() as session:
        session.execute(ADD)
        with (
            pytest.raises(sa.exc.OperationalError, match="database is locked"),
            database.transaction() as second,
        ):
            second.execute(ADD)
        assert _counted(database) == 0, "reading waits for nobody"
    with database.transaction() as session:
        session.execute(ADD)
    assert _counted(database) == 2


def _broken_statement(session: Session) -> None:
    session.execute(sa.text("UPDATE nothing SET value = 1"))


def _broken_work(session: Session) -> None:
    session.execute(ADD)
    raise sa.exc.OperationalError("work", None, Exception("broken"))


def _lost_connection(session: Session) -> None:
    session.execute(ADD)
    session.connection().invalidate()
    raise sa.exc.OperationalError("work", None, Exception("gone"))


def _rolled_back(session: Session) -> None:
    session.execute(ADD)
    session.rollback()
    raise sa.exc.OperationalError("work", None, Exception("rolled back"))


@pytest.mark.parametrize("work", [_broken_statement, _broken_work, _lost_connection, _rolled_back])
def test_however_a_transaction_ends_the_turn_comes_back(
    database: Database, work: Callable[[Session], None]
) -> None:
    with pytest.raises(sa.exc.OperationalError), database.transaction() as session:
        work(session)
    with database.transaction() as session:
        session.execute(ADD)
    assert _counted(database) == 1


def test_another_process_that_writes_is_waited_for_and_keeps_no_turn(database: Database) -> None:
    other = Database(str(database.url), busy_seconds=0.2)
    try:
        with other.transaction() as elsewhere:
            elsewhere.execute(ADD)
            with (
                pytest.raises(sa.exc.OperationalError, match="locked"),
                database.transaction() as session,
            ):
                session.execute(ADD)
        with database.transaction() as session:
            session.execute(ADD)
    finally:
        other.dispose()
    assert _counted(database) == 2


def test_many_writers_lose_nothing(database: Database) -> None:
    patient = Database(str(database.url))
    errors: list[Exception] = []

    def work() -> None:
        try:
            for _ in range(20):
                with patient.transaction() as session:
                    session.execute(ADD)
        except sa.exc.OperationalError as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    patient.dispose()
    assert errors == []
    assert _counted(database) == 24 * 20
