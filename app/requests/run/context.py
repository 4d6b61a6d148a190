"""What the stages work with, and the shapes of how a stage ends."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Concatenate, ParamSpec, TypeVar
from uuid import UUID

from sqlalchemy.exc import InterfaceError, OperationalError

from app.clearing import queries
from app.clearing.models import ClearingRequest
from app.clearing.outcomes import Failure
from app.clearing.states import RequestState
from app.core.clock import Clock
from app.core.db import Database, Session
from app.core.logging import get_logger
from app.devices.connections import AgentClients
from app.errors import QingkaError
from app.settings import Settings

log = get_logger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Context:
    """The process's own database, settings, clock and connections to agents."""

    database: Database
    settings: Settings
    clock: Clock
    agents: AgentClients


class StageFailed(Exception):
    """The attempt ends here, with this failure."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.code)
        self.failure = failure


class Superseded(Exception):
    """Another attempt has taken over, or the request has ended: this one must not touch it."""


class DatabaseAway(Exception):
    """The database did not come back in the time it is waited for."""


DATABASE_LOST = (OperationalError, InterfaceError)

DATABASE_WAITS = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
"""How long a database that is away (restarted, say) is waited for, in seconds between tries."""


def patiently(work: Callable[[], R]) -> R:
    """Do a piece of database work; a lost connection is tried again. Raises DatabaseAway.

    Work whose commit was lost on the way back is safe to repeat: it finds the request moved on.
    """
    for wait in DATABASE_WAITS:
        try:
            return work()
        except DATABASE_LOST as error:
            log.warning("database away, trying again", seconds=wait, reason=str(error.orig))
            time.sleep(wait)
    try:
        return work()
    except DATABASE_LOST as error:
        raise DatabaseAway(str(error.orig)) from error


def failure_of(error: QingkaError) -> Failure:
    """A known error as a failure of a request."""
    return Failure(
        error.code,
        error.detail,
        error.remedy,
        getattr(error, "device_code", ""),
        getattr(error, "device_message", ""),
    )


async def repeat_when_lost(stage: Callable[[], Awaitable[None]]) -> None:
    """Run a stage; one that loses the database where it reads or writes by itself is run again.

    That is safe as a stage is after a kill of the process: it takes up what it finds.
    """
    for wait in DATABASE_WAITS:
        try:
            return await stage()
        except DATABASE_LOST as error:
            log.warning("stage lost the database", seconds=wait, reason=str(error.orig))
            await asyncio.sleep(wait)
    return await stage()


@dataclass(frozen=True, slots=True)
class Execution:
    """One run of an attempt's workflow: the process, and a number that grows from run to run."""

    owner: str
    number: int


_UNDER_WAY = (RequestState.RUNNING, RequestState.NEEDS_ATTENTION)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at one request; the only way its stages write to the database.

    `execution` None: written by the engine itself, for a workflow that nobody executes any more.
    """

    context: Context
    request_id: UUID
    number: int
    execution: Execution | None = None

    async def read(
        self, function: Callable[Concatenate[Session, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Call `function(session, …)` in a reading session on a thread."""

        def work() -> R:
            with self.context.database.reading() as session:
                return function(session, *args, **kwargs)

        return await asyncio.to_thread(patiently, work)

    async def write(
        self,
        function: Callable[Concatenate[Session, ClearingRequest, P], R],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        """Call `function(session, request, …)` in one transaction on a thread.

        Raises Superseded when this attempt, or this execution of it, is not the one in charge any more.
        """

        def work() -> R:
            return self.write_now(function, *args, **kwargs)

        return await asyncio.to_thread(patiently, work)

    def write_now(
        self,
        function: Callable[Concatenate[Session, ClearingRequest, P], R],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        """`write`, on the caller's thread."""
        with self.context.database.transaction() as session:
            request = self.hold(session)
            return function(session, request, *args, **kwargs)

    def hold(
        self, session: Session, states: tuple[RequestState, ...] = _UNDER_WAY
    ) -> ClearingRequest:
        """The request, locked to the end of the transaction. Raises Superseded."""
        request = queries.locked_request(session, self.request_id)
        self._check(request, states)
        return request

    async def check(self) -> None:
        """Look whether this execution still is the one in charge. Raises Superseded."""

        def look(session: Session) -> None:
            self._check(queries.request(session, self.request_id), _UNDER_WAY)

        await self.read(look)

    def _check(self, request: ClearingRequest, states: tuple[RequestState, ...]) -> None:
        here = Execution(request.execution_owner, request.execution_number)
        replaced = self.execution is not None and here != self.execution
        if replaced or request.attempt != self.number or request.state not in states:
            raise Superseded
