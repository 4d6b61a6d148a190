"""Hands a request over to durable execution once it is committed.

A hand-over that gets lost (the process dies between the commit and here) is made up for by the engine,
which starts whatever is `running` without a workflow.
"""

from collections.abc import Callable
from functools import partial
from uuid import UUID

from app.core.db import Session, on_commit

Starter = Callable[[UUID, int], None]
_starters: list[Starter] = []


def install(starter: Starter) -> None:
    """Make `starter` the one that starts executions in this process."""
    _starters[:] = [starter]


def uninstall() -> None:
    """Start nothing in this process any more; another process or a later start will."""
    _starters.clear()


def after_commit(session: Session, request_id: UUID, attempt: int) -> None:
    """Start this attempt when the session's transaction is committed."""
    for starter in _starters:
        on_commit(session, partial(starter, request_id, attempt))
