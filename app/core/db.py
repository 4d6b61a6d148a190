"""The database: engine, sessions, column types. SQLite by default, PostgreSQL for several processes."""

import sqlite3
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.pool import ConnectionPoolEntry
from sqlmodel import Session, SQLModel

from app.core.clock import Clock
from app.core.turns import Turns
from app.core.versions import Remembered, Versions

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

SQLModel.model_config["defer_build"] = True
"""Rows are not validated (their schemas are), so what pydantic would validate them with need not be built."""

_ON_COMMIT = "qingka_on_commit"
_BEGIN = "qingka_begin"
"""How a transaction begins on SQLite; "" leaves it to the statement, which is one of its own then."""
_WRITING = "BEGIN IMMEDIATE"
POSTGRES_CONNECTIONS = 5
"""What one process opens on PostgreSQL unless told otherwise (Settings.database_connections)."""
_FILE_HANDLES = 90
"""The same for an SQLite file: handles of this process, of which nobody else has fewer."""
_TURN = "qingka_turn"
"""In the notes of a connection: it has the turn to write."""


T = TypeVar("T")


class ReadingSession(Session):
    """A session for reading: what it changes is not kept."""

    def __init__(self, database: "Database") -> None:
        super().__init__(database.engine, autoflush=False)
        self.database = database
        self._version: Hashable | None = None

    @property
    def version(self) -> Hashable:
        """Of everything committed when it was first asked for; see Versions."""
        # Not cached_property: until Python 3.12 it has one lock for all sessions, and who holds it here may
        # wait for a connection that another one holds while waiting for that lock.
        if self._version is None:
            self._version = self.database.versions.current(self)
        return self._version


class Database:
    """An engine with two kinds of sessions.

    On SQLite a transaction that starts reading and then writes can fail half way; writers therefore
    take the write lock first (BEGIN IMMEDIATE) and wait for each other for up to `busy_seconds`: those of
    this process in a row (app.core.turns), the first of them for other processes.

    PostgreSQL gives a limited number of connections to all processes together: this one opens at most
    `connections`, and whoever finds none free waits for up to `busy_seconds`.
    """

    def __init__(
        self, url: str, *, connections: int | None = None, busy_seconds: float = 30.0
    ) -> None:
        self.url = sa.make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        most = connections or (_FILE_HANDLES if self.is_sqlite else POSTGRES_CONNECTIONS)
        options: dict[str, Any] = {
            "pool_size": most,
            "max_overflow": 0,
            "pool_timeout": busy_seconds,
        }
        if self.is_sqlite:
            options["connect_args"] = {
                "timeout": busy_seconds,
                "isolation_level": None,
                "check_same_thread": False,
            }
        else:
            options["pool_pre_ping"] = True
            if self.url.drivername == "postgresql":
                self.url = self.url.set(drivername="postgresql+psycopg")
        self.engine = sa.create_engine(self.url, **options)
        if self.is_sqlite:
            event.listen(self.engine, "connect", _configure_sqlite)
            event.listen(self.engine, "begin", self._begin_sqlite)
            event.listen(self.engine, "checkin", self._give_turn)
            event.listen(self.engine, "invalidate", self._give_turn)
        self._turns = Turns()
        self._busy_seconds = busy_seconds
        self._writer = self.engine.execution_options(**{_BEGIN: _WRITING})
        self.versions = Versions(self.engine)
        self.remembered = Remembered()
        alone = {_BEGIN: ""} if self.is_sqlite else {"isolation_level": "AUTOCOMMIT"}
        self._looker = self.engine.execution_options(**alone)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session for reading; what it changes is not kept."""
        with self.open_reading() as session:
            yield session

    def open_reading(self) -> "ReadingSession":
        """The same for a caller that closes it; takes a connection only when it is first used."""
        return ReadingSession(self)

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """A session for reading in which every select sees the same moment."""
        if self.is_sqlite:  # where every reading is one
            with self.reading() as session:
                yield session
            return
        with self.engine.connect() as connection:
            connection = connection.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
            with Session(connection, autoflush=False) as session:
                yield session

    @contextmanager
    def looking_up(self) -> Iterator[sa.Connection]:
        """A connection for one select: half the cost of a session, and no transaction around it."""
        with self._looker.connect() as connection:
            yield connection

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session that commits when the block ends and rolls back when it raises.

        Callbacks registered with `on_commit` run after the commit, in order.
        """
        with Session(self._writer) as session:
            yield session
            session.commit()
            callbacks: list[Callable[[], None]] = session.info.pop(_ON_COMMIT, [])
        for callback in callbacks:
            callback()

    def _begin_sqlite(self, connection: sa.Connection) -> None:
        begin = connection.get_execution_options().get(_BEGIN, "BEGIN")
        if begin == _WRITING:
            if not self._turns.take(self._busy_seconds):
                locked = sqlite3.OperationalError("database is locked")
                raise sa.exc.OperationalError(begin, None, locked)
            connection.info[_TURN] = True  # from here on it comes back however this ends
        if begin:
            connection.exec_driver_sql(begin)

    def _give_turn(self, _: Any, record: ConnectionPoolEntry, *__: Any) -> None:
        if record.info.pop(_TURN, False):
            self._turns.give()

    def dispose(self) -> None:
        """Close all connections."""
        self.versions.close()
        self.engine.dispose()


def on_commit(session: Session, callback: Callable[[], None]) -> None:
    """Run `callback` once this session's transaction is safely committed, never otherwise."""
    session.info.setdefault(_ON_COMMIT, []).append(callback)


def unchanged(session: Session, key: Hashable, make: Callable[[Session], T]) -> T:
    """What `make` gives, from the last time when nothing at all has been committed since.

    For what many pages show and is dear to find out. The key names what is asked and everything it depends on
    besides the database; what is given is shared, so nobody may change it. A session that writes asks anew.
    """
    if not isinstance(session, ReadingSession):
        return make(session)
    remembered = session.database.remembered
    kept = remembered.get(key, session.version)
    if kept is not None:
        return cast(T, kept)
    if session.database.is_sqlite:
        # A transaction of SQLite sees what was there when it began, which may be older than the version.
        with session.database.reading() as fresh:
            made = make(fresh)
    else:
        # Each statement of PostgreSQL sees what is committed by then. A second connection beside the one
        # held is not taken: with few of them, all requests could end up waiting for each other's.
        made = make(session)
    remembered.keep(key, session.version, made)
    return made


def dialect_name(session: Session) -> str:
    """`sqlite` or `postgresql`."""
    return session.get_bind().dialect.name


def shared_now(session: Session, clock: Clock) -> datetime:
    """The moment by which processes that share this database judge each other: the database's own.

    Their machines' clocks differ: one that is 20 s ahead would take everybody's work. On SQLite all are on
    one machine and have its clock.
    """
    if dialect_name(session) == "sqlite":
        return clock()
    now: datetime = session.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    return now.astimezone(UTC)


def _configure_sqlite(connection: Any, _: Any) -> None:
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "temp_store=MEMORY",
        "cache_size=-16000",
        "mmap_size=268435456",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


__all__ = [
    "Database",
    "Engine",
    "ReadingSession",
    "Session",
    "dialect_name",
    "on_commit",
    "shared_now",
    "unchanged",
]
