"""Which processes execute clearings, so that one that dies for good leaves no work behind."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
from filelock import FileLock, Timeout
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col, select

from app.clearing.models import EngineProcess
from app.core.db import dialect_name, shared_now
from app.core.ids import new_id
from app.requests.run.context import Context
from app.settings import Settings

ALIVE_EVERY = timedelta(seconds=5)
"""How often a living process says so."""

SILENT_AFTER = timedelta(seconds=20)
"""A process that has not been heard of for this long is gone."""

MAX_WORKERS = 64


class NoSlot(Exception):
    """All places for processes on this data directory are taken."""


class Slot:
    """A place in a data directory: an executor's lasting name, held by one process at a time.

    The operating system frees the lock however the process ends; whoever takes the place next has the
    same name and goes on with what was left.
    """

    def __init__(self, lock: FileLock, executor_id: str) -> None:
        self._lock = lock
        self.executor_id = executor_id

    def release(self) -> None:
        """Leave the place."""
        self._lock.release()


def take_slot(settings: Settings, name: str) -> Slot:
    """The place of this name, e.g. `engine`. Raises NoSlot when another process has it."""
    lock = FileLock(settings.data_dir / f"{name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise NoSlot(f"另一个进程正在使用数据目录 {settings.data_dir}") from error
    return Slot(lock, _lasting_id(settings.data_dir / f"{name}.id"))


def take_worker_slot(settings: Settings) -> Slot:
    """The first free place for a worker."""
    for number in range(1, MAX_WORKERS + 1):
        try:
            return take_slot(settings, f"worker-{number}")
        except NoSlot:
            continue
    raise NoSlot(f"数据目录 {settings.data_dir} 上已有 {MAX_WORKERS} 个 worker")


def say_alive(context: Context, executor_id: str) -> None:
    """Be heard of. A row that another process deletes just now, as it takes the work over, is made anew."""
    with context.database.transaction() as session:
        insert = postgresql.insert if dialect_name(session) == "postgresql" else sqlite.insert
        now = shared_now(session, context.clock)
        row = insert(EngineProcess).values(executor_id=executor_id, seen_at=now)
        session.execute(
            row.on_conflict_do_update(index_elements=["executor_id"], set_={"seen_at": now})
        )


def say_goodbye(context: Context, executor_id: str) -> None:
    """Leave in order: what is left is taken over at once."""
    with context.database.transaction() as session:
        long_ago = shared_now(session, context.clock) - 2 * SILENT_AFTER
        session.execute(
            sa.update(EngineProcess)
            .where(col(EngineProcess.executor_id) == executor_id)
            .values(seen_at=long_ago)
        )


def silent(context: Context, own_id: str) -> list[str]:
    """The processes that are gone. Taking one's work over twice is harmless: executions claim requests."""
    with context.database.reading() as session:
        limit = shared_now(session, context.clock) - SILENT_AFTER
        statement = select(EngineProcess.executor_id).where(
            col(EngineProcess.seen_at) < limit, EngineProcess.executor_id != own_id
        )
        return list(session.exec(statement))


@contextmanager
def taking_over(context: Context, executor_id: str) -> Iterator[bool]:
    """Take over the work of a process that is gone, and forget it when all of it is; tell whether it is ours to.

    It is not when another process is at it, or when it has come back; and it stays known when this one breaks off.
    """
    with context.database.transaction() as session:
        limit = shared_now(session, context.clock) - SILENT_AFTER
        statement = (
            select(EngineProcess)
            .where(EngineProcess.executor_id == executor_id, col(EngineProcess.seen_at) < limit)
            .with_for_update(skip_locked=True)
        )
        gone = session.exec(statement).first()
        yield gone is not None
        if gone is not None:
            session.delete(gone)


def _lasting_id(path: Path) -> str:
    """The name in the file, if the file still is the one it was written to.

    A copied data directory gets a name of its own: two processes with one name would not notice each other.
    What ran under the name of before is taken over like that of a process that is gone.
    """
    if path.exists():
        name, _, place = path.read_text(encoding="utf-8").strip().partition(" ")
        if name and place == _place(path.stat()):
            return name
    return _new_name(path)


def _new_name(path: Path) -> str:
    """Written whole or not at all; the caller has the lock of the place."""
    name, fresh = str(new_id()), path.with_suffix(".new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(f"{name} {_place(os.fstat(file.fileno()))}\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    return name


def _place(status: os.stat_result) -> str:
    """Where a file is: another machine or another file system numbers it otherwise, and so does a copy."""
    return f"{socket.gethostname()}:{status.st_ino}"
