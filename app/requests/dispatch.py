"""Hands requests over to durable execution once they are committed.

A hand-over that gets lost (the process dies between the commit and here) is made up for by the engine,
which starts whatever is `running` without a workflow, and whatever is scheduled and due.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from app.core.db import Session, on_commit


@dataclass(frozen=True, slots=True)
class Hooks:
    """How this process starts an attempt, and how it is told to look for due requests."""

    start: Callable[[UUID, int], None]
    look: Callable[[], None]


_hooks: list[Hooks] = []


def install(hooks: Hooks) -> None:
    """Make these the ones of this process."""
    _hooks[:] = [hooks]


def uninstall() -> None:
    """Start nothing in this process any more; another process or a later start will."""
    _hooks.clear()


def after_commit(session: Session, request_id: UUID, attempt: int) -> None:
    """Start this attempt when the session's transaction is committed."""
    for hooks in _hooks:
        on_commit(session, partial(hooks.start, request_id, attempt))


def look_now() -> None:
    """Look for due requests: a place has become free."""
    for hooks in _hooks:
        hooks.look()


def look_soon(session: Session) -> None:
    """Look for due requests when the session's transaction is committed."""
    for hooks in _hooks:
        on_commit(session, hooks.look)
