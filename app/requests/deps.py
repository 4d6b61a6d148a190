"""What stands before the routes of clearing requests: load or 404, the password, what is known beforehand.

The checks read devices and the password commits by itself, so both come before the route's transaction.
"""

from collections.abc import Callable
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Header, Query, Request

from app.accounts.deps import (
    ClearingExecutor,
    ClearingRequester,
    ClearingRetrier,
    ClearingReviewer,
    Reader,
)
from app.accounts.principal import Principal
from app.accounts.service.step_up import verify_step_up
from app.clearing import queries
from app.clearing.models import ClearingRequest
from app.clearing.schemas import ExecuteBody, RequestBody, ReviewBody
from app.core.web import ClockDep, DatabaseDep, Reading, SettingsDep
from app.prechecks import acceptance
from app.requests.examination import Examiner
from app.requests.live import POSITION, Position
from app.requests.service import start


def _visible(session: Reading, request_id: UUID, principal: Reader) -> ClearingRequest:
    return queries.visible_request(session, request_id, principal)


VisibleRequest = Annotated[ClearingRequest, Depends(_visible)]
"""The request of the path, to be shown. One to be changed is locked by the route itself, in one go with
the change: between a dependency and its route a thread has to be had, while others wait for the lock."""


async def _position(
    after: Annotated[
        str | None, Query(pattern=POSITION, description="id of the last event seen")
    ] = None,
    last_event_id: Annotated[str | None, Header(pattern=POSITION)] = None,
) -> Position | None:
    known = last_event_id or after
    return Position.parse(known) if known else None


FollowedFrom = Annotated[Position | None, Depends(_position)]
"""Behind which event a follower goes on; a browser that comes back says so in a header."""


def _examiner(
    request: Request, database: DatabaseDep, settings: SettingsDep, clock: ClockDep
) -> Examiner:
    return Examiner(database, request.app.state.agents, settings, clock)


ExaminerDep = Annotated[Examiner, Depends(_examiner)]
"""Runs pre-checks on the devices as they are now."""


def _planned(
    data: RequestBody,
    principal: ClearingRequester,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
) -> start.Start:
    """What submitting leads to; a person has given the password where nobody else looks at it."""
    with database.reading() as session:
        decided = start.plan(
            session,
            data,
            principal=principal,
            settings=settings,
            now=clock(),
            uses_right=False,
        )
    if decided.proof:
        verify_step_up(database, principal, data.password, settings=settings, clock=clock)
    return decided


async def _examined(
    data: RequestBody,
    planned: Annotated[start.Start, Depends(_planned)],
    principal: ClearingRequester,
    examiner: ExaminerDep,
) -> start.Start:
    """The same, once nothing is known to stand against it."""
    await examiner.require_startable(
        data.operator_id,
        principal,
        data,
        planned,
        device_ids=data.device_ids,
        queued=True,
        by_register=True,
    )
    return planned


Examined = Annotated[start.Start, Depends(_examined)]
"""What submitting leads to, once nothing is known to stand against it."""


def _reviewing(
    principal: ClearingReviewer,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    body: ReviewBody | None = None,
) -> Principal:
    """The reviewer, asked for the password again; an API key has its scope instead."""
    verify_step_up(
        database, principal, body.password if body else "", settings=settings, clock=clock
    )
    return principal


async def _approving(
    principal: Annotated[Principal, Depends(_reviewing)],
    request_id: UUID,
    examiner: ExaminerDep,
) -> Principal:
    """The reviewer of a request that is not known to be stopped at once."""
    await examiner.require_approvable(request_id, principal)
    return principal


Approving = Annotated[Principal, Depends(_approving)]


def _step_up(
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    body: ExecuteBody | None = None,
) -> Callable[[Principal], Principal]:
    """Asks a principal for the password again; an API key has its scope instead."""

    def prove(principal: Principal) -> Principal:
        verify_step_up(
            database, principal, body.password if body else "", settings=settings, clock=clock
        )
        return principal

    return prove


StepUp = Annotated[Callable[[Principal], Principal], Depends(_step_up)]


def _stepped_up(principal: ClearingExecutor, prove: StepUp) -> Principal:
    return prove(principal)


SteppedUp = Annotated[Principal, Depends(_stepped_up)]
"""Whoever may execute, asked for the password again."""


def _stepped_up_retrier(principal: ClearingRetrier, prove: StepUp) -> Principal:
    return prove(principal)


SteppedUpRetrier = Annotated[Principal, Depends(_stepped_up_retrier)]
"""Whoever may retry, asked for the password again."""


async def _executing(
    principal: SteppedUp,
    request_id: UUID,
    examiner: ExaminerDep,
    body: ExecuteBody | None = None,
) -> Principal:
    """Who executes a request that is not known to be stopped at once."""
    accepted = acceptance.accepted_by(principal, body.accepted_warnings if body else None)
    await examiner.require_executable(request_id, principal, accepted=accepted)
    return principal


Executing = Annotated[Principal, Depends(_executing)]
