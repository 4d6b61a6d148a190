"""Counts what a process does: statements and commits of its SQLite files, and the functions it enters.

Both look from outside: at the statements SQLite itself runs, whoever sends them, and at Python's profile events.
"""

import sqlite3
import sys
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from sqlalchemy import event
from sqlalchemy.pool import Pool

from app.settings import ROOT

CONTROL = ("BEGIN", "COMMIT", "ROLLBACK", "PRAGMA", "SAVEPOINT", "RELEASE", "--")
"""Not counted as statements."""

BESIDE = frozenset({"scheduler", "agent-follower"})
"""Threads whose work is that of the whole product, however many are cleared; left out."""

OF_HTTP = ("AsyncClient.send", "Client.send")
OF_THREADS = ("ThreadPoolExecutor.submit", "Thread.start", "WorkerPool.submit", "Writer.write")
"""Where work is handed to another thread: pools, new threads, the agent's ports, its journal's writer."""


@dataclass
class Statements:
    """By file and stage: how many statements ran, and how many transactions wrote (SQLite's own COMMIT)."""

    tell: Callable[[str, str], None]
    """Called with the file's name and each statement, so that the caller knows what is going on."""
    stage: str = ""
    """Where it is now; "" counts nothing."""
    statements: Counter[tuple[str, str]] = field(default_factory=Counter)
    commits: Counter[tuple[str, str]] = field(default_factory=Counter)
    texts: list[tuple[str, str, str]] = field(default_factory=list)
    """File, stage and beginning of each, in order."""

    def watch(self) -> Callable[[], None]:
        """Look at every SQLite connection this process opens, by SQLAlchemy or by itself, until what is returned is called."""
        connect = sqlite3.connect

        def pooled(connection: Any, _: Any) -> None:
            if isinstance(connection, sqlite3.Connection):
                self._trace(None, connection)

        def end() -> None:
            sqlite3.connect = connect
            event.remove(Pool, "connect", pooled)

        def traced(database: Any, *given: Any, **options: Any) -> sqlite3.Connection:
            connection: sqlite3.Connection = connect(database, *given, **options)
            self._trace(database, connection)
            return connection

        sqlite3.connect = traced  # type: ignore[assignment]  # the agent's journal
        event.listen(Pool, "connect", pooled)
        return end

    def _trace(self, path: Any, connection: Any) -> None:
        path = path or connection.execute("PRAGMA database_list").fetchone()[2]
        name = Path(str(path)).name
        before = ""

        def trace(text: str) -> None:
            nonlocal before
            head = _head(text)
            if head != before:
                self._count(name, head)
            before = head
            self.tell(name, text.lstrip())

        connection.set_trace_callback(trace)

    def _count(self, name: str, head: str) -> None:
        key = name, self.stage
        if not self.stage or threading.current_thread().name in BESIDE:
            return
        if head.startswith("COMMIT"):
            self.commits[key] += 1
        if not head.startswith(CONTROL):
            self.statements[key] += 1
        self.texts.append((*key, head[:400]))


def _head(text: str) -> str:
    """What makes it another statement than the one before: rows inserted one after the other by one
    executemany are one, and so is a statement that SQLite tells again for each of its triggers."""
    words = " ".join(text.split())
    return words.partition(" VALUES ")[0] if words.startswith("INSERT") else words


class Functions:
    """How often each function is entered; a coroutine that goes on after a wait is not entered again."""

    def __init__(self) -> None:
        self.counting = False
        self._entered: Counter[tuple[CodeType, int]] = Counter()

    def watch(self) -> None:
        """Look at this thread and at all that are started from now on."""
        threading.setprofile(self._profile)
        sys.setprofile(self._profile)

    @staticmethod
    def end() -> None:
        """Look no more."""
        threading.setprofile(None)
        sys.setprofile(None)

    def _profile(self, frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and self.counting:
            self._entered[frame.f_code, frame.f_lasti] += 1

    def by_code(self) -> dict[CodeType, int]:
        """The entries of each function."""
        first: dict[CodeType, int] = {}
        for code, place in self._entered:
            first[code] = min(place, first.get(code, place))
        return {code: self._entered[code, place] for code, place in first.items()}

    def summary(self) -> dict[str, int]:
        """Functions entered, files of app/ they stand in, HTTP calls, hand-overs to threads."""
        found = self.by_code()
        app = str(ROOT / "app") + "/"
        files = {code.co_filename.removeprefix(app) for code in found if app in code.co_filename}
        ground = ("agent/", "contracts/", "core/")
        return {
            "functions": sum(found.values()),
            "functions_of_app": sum(n for code, n in found.items() if app in code.co_filename),
            "files": len(files),
            "files_of_server": sum(not one.startswith(ground) for one in files),
            "http_calls": _count_of(found, OF_HTTP),
            "hand_overs": _count_of(found, OF_THREADS),
        }


def _count_of(found: dict[CodeType, int], names: tuple[str, ...]) -> int:
    return sum(count for code, count in found.items() if code.co_qualname in names)
