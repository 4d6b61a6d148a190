"""A database to restore into and throw away."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from app.backups.storage import Storage, spool_file
from app.core.db import Database, Session
from app.core.ids import new_id


@dataclass(frozen=True, slots=True)
class Scratch:
    """Empty tables, without foreign keys and triggers; `engine` is sqlite or postgresql."""

    session: Session
    engine: str


@contextmanager
def scratch(database: Database, storage: Storage, tables: Sequence[sa.Table]) -> Iterator[Scratch]:
    """On PostgreSQL a schema of a transaction that is rolled back, where that is permitted; else SQLite."""
    if not database.is_sqlite and _may_create_schema(database):
        with _postgresql(database, tables) as session:
            yield Scratch(session, "postgresql")
    else:
        with _sqlite(storage, tables) as session:
            yield Scratch(session, "sqlite")


def _may_create_schema(database: Database) -> bool:
    query = sa.text("SELECT has_database_privilege(current_database(), 'CREATE')")
    with database.engine.connect() as connection:
        return bool(connection.execute(query).scalar_one())


@contextmanager
def _postgresql(database: Database, tables: Sequence[sa.Table]) -> Iterator[Session]:
    schema = f"drill_{new_id().hex}"
    with database.engine.connect() as connection, connection.begin() as transaction:
        connection.exec_driver_sql(f'CREATE SCHEMA "{schema}"')
        for table in tables:
            # LIKE takes over columns, checks and indexes, but neither foreign keys nor triggers.
            connection.exec_driver_sql(
                f'CREATE TABLE "{schema}"."{table.name}" (LIKE "{table.name}" INCLUDING ALL)'
            )
        connection.exec_driver_sql(f'SET LOCAL search_path TO "{schema}"')
        with Session(connection, autoflush=False) as session:
            yield session
        transaction.rollback()


@contextmanager
def _sqlite(storage: Storage, tables: Sequence[sa.Table]) -> Iterator[Session]:
    with spool_file(storage, ".drill.db") as path:
        # Not a Database: foreign keys are off, the rows they point at are not there.
        engine = sa.create_engine(f"sqlite:///{path}", poolclass=sa.NullPool)
        for table in tables:
            table.create(engine)
        with Session(engine, autoflush=False) as session:
            yield session
        engine.dispose()
