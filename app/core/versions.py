"""The version of everything a database holds: the same twice means that nothing was committed in between."""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

_MOST = 64
"""Values kept, the last used ones."""


class Versions:
    """Tells the version, whichever process commits.

    SQLite counts, for each connection, when it finds that another one has committed; the connection that
    asks here does nothing else. PostgreSQL has the snapshot a statement sees: it differs once any
    transaction that wrote has begun or ended.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._is_sqlite = engine.dialect.name == "sqlite"
        self._lock = threading.Lock()
        self._asking: Any = None
        self._opened = 0

    def current(self, session: Session) -> Hashable:
        """The version now; on PostgreSQL one statement of the session."""
        if not self._is_sqlite:
            return str(session.connection().exec_driver_sql(_SNAPSHOT).scalar_one())
        with self._lock:
            if self._asking is None:
                self._asking = self._engine.raw_connection()
                self._asking.detach()
                self._opened += 1
            row = self._asking.cursor().execute("PRAGMA data_version").fetchone()
            return self._opened, int(row[0])

    def close(self) -> None:
        """Give the connection back; the next one counts from another number."""
        with self._lock:
            if self._asking is not None:
                self._asking.close()
            self._asking = None


_SNAPSHOT = "SELECT pg_current_snapshot()::text"


class Remembered:
    """Values and the version each was made at."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: OrderedDict[Hashable, tuple[Hashable, Any]] = OrderedDict()

    def get(self, key: Hashable, version: Hashable) -> Any | None:
        """The value of that key if it was made at this version, or None."""
        with self._lock:
            found = self._values.get(key)
            if found is None or found[0] != version:
                return None
            self._values.move_to_end(key)
            return found[1]

    def keep(self, key: Hashable, version: Hashable, value: Any) -> None:
        """Keep it in place of what was there; the one longest unused goes when there are too many."""
        with self._lock:
            self._values[key] = version, value
            self._values.move_to_end(key)
            if len(self._values) > _MOST:
                self._values.popitem(last=False)
