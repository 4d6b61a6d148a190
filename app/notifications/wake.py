"""Tells this process's sender that there is something to send, once it is committed.

A hand-over that gets lost is made up for: the sender looks into the outbox by itself as well.
"""

from collections.abc import Callable

from app.core.db import Session, on_commit

_listeners: list[Callable[[], None]] = []
_NOTED = "qingka_notified"


def listen(callback: Callable[[], None]) -> None:
    """Call this after every commit that published something."""
    _listeners.append(callback)


def unlisten(callback: Callable[[], None]) -> None:
    """Do not call it any more."""
    if callback in _listeners:
        _listeners.remove(callback)


def after_commit(session: Session) -> None:
    """Wake the listeners when this session's transaction is committed, once however often asked."""
    if _listeners and not session.info.get(_NOTED):
        session.info[_NOTED] = True
        on_commit(session, wake)


def wake() -> None:
    """Wake the listeners now."""
    for callback in _listeners:
        callback()
