"""REST API of clearing: requests, their progress, records, and the pre-checks of an operator."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from fastapi.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from app import prechecks
from app.accounts.deps import (
    ClearingParticipant,
    ClearingRequester,
    ClearingReviewer,
    Reader,
)
from app.accounts.presence import Present
from app.accounts.principal import Principal
from app.clearing import queries
from app.clearing.models import ClearingRequest
from app.clearing.public import request_public, requests_public
from app.clearing.schemas import (
    ExecuteBody,
    RejectBody,
    RequestBody,
    RequestPublic,
    ReviewBody,
)
from app.clearing.states import RequestState
from app.core import sse
from app.core.clock import Clock
from app.core.db import Session
from app.core.pagination import Page
from app.core.routing import Router
from app.core.web import ClockDep, DatabaseDep, Paging, Reading, SettingsDep, Writing
from app.prechecks import acceptance
from app.prechecks.choice_schemas import ChoiceQuery
from app.prechecks.schemas import CheckPublic, KeptCheckPublic, PreChecksPublic
from app.requests import live
from app.requests.deps import (
    Approving,
    Examined,
    ExaminerDep,
    Executing,
    FollowedFrom,
    SteppedUpRetrier,
    VisibleRequest,
)
from app.requests.service import approval, control, review, start

router = Router(tags=["清卡"])


@router.get("/operators/{operator_id}/pre-checks")
async def pre_checks(
    operator_id: UUID,
    principal: Reader,
    examiner: ExaminerDep,
    query: Annotated[ChoiceQuery, Query()],
) -> PreChecksPublic:
    """Read the operator's devices now and run every pre-check of such a clearing; nothing is changed."""
    examined, checks = await examiner.examine(operator_id, principal, query)
    return PreChecksPublic(
        ok=prechecks.is_ok(checks),
        period=examined,
        checks=[CheckPublic.model_validate(check) for check in checks],
    )


@router.get("/clearing-requests")
def list_requests(
    session: Reading,
    principal: Reader,
    page: Paging,
    state: Annotated[RequestState | None, Query()] = None,
    operator_id: Annotated[UUID | None, Query()] = None,
) -> Page[RequestPublic]:
    """Clearing requests, newest first."""
    rows, cursor = queries.page_of_requests(
        session, principal, page, state=state, operator_id=operator_id
    )
    return Page(items=requests_public(session, rows), next_cursor=cursor)


@router.post("/clearing-requests", status_code=201)
def submit_request(
    data: RequestBody,
    planned: Examined,
    session: Writing,
    principal: ClearingRequester,
    settings: SettingsDep,
    clock: ClockDep,
    response: Response,
) -> RequestPublic:
    """Submit a clearing request. It waits for its review, or for `/execute` by whoever may.

    Where the enterprise needs no review it starts by itself, at once or on its clearing date; a person
    gives the password for that, an API key has its scope. 409 `clearing.blocked` lists the `checks` that
    stand against it, 409 `clearing.warnings` the `warnings` to name in `accepted_warnings`; nothing is kept.
    """
    request, _ = start.submit_and_begin(
        session,
        data,
        principal=principal,
        settings=settings,
        clock=clock,
        proven=planned.proof,
        uses_right=False,
    )
    response.headers["Location"] = f"/api/v1/clearing-requests/{request.id}"
    return request_public(session, request)


@router.get("/clearing-requests/{request_id}")
def get_request(session: Reading, request: VisibleRequest) -> RequestPublic:
    """One request with how far it is."""
    return request_public(session, request)


@router.get("/clearing-requests/{request_id}/pre-checks")
def request_checks(session: Reading, request: VisibleRequest) -> list[KeptCheckPublic]:
    """The pre-checks of the newest attempt, with what they looked at; empty before the first."""
    found = queries.checks.newest_of_request(session, request.id)
    return [KeptCheckPublic.model_validate(check) for check in found]


@router.post("/clearing-requests/{request_id}/approve")
def approve_request(
    principal: Approving,
    session: Writing,
    request_id: UUID,
    settings: SettingsDep,
    clock: ClockDep,
    body: ReviewBody | None = None,
) -> RequestPublic:
    """Approve; it then runs by itself. 403 `review.own_request` for one's own."""
    request = queries.request_for_change(session, request_id, principal)
    review.approve(
        session,
        request,
        principal=principal,
        comment=body.comment if body else "",
        settings=settings,
        clock=clock,
    )
    return request_public(session, request)


@router.post("/clearing-requests/{request_id}/reject")
def reject_request(
    principal: ClearingReviewer,
    session: Writing,
    request_id: UUID,
    clock: ClockDep,
    body: RejectBody,
) -> RequestPublic:
    """Reject with a reason."""
    request = queries.request_for_change(session, request_id, principal)
    review.reject(session, request, principal=principal, comment=body.comment, clock=clock)
    return request_public(session, request)


def _accept(
    session: Session,
    request: ClearingRequest,
    body: ExecuteBody | None,
    principal: Principal,
    clock: Clock,
) -> None:
    codes = body.accepted_warnings if body else None
    acceptance.accept(session, request, codes, principal=principal, clock=clock)


@router.post("/clearing-requests/{request_id}/execute", status_code=202)
def execute_request(
    principal: Executing,
    session: Writing,
    request_id: UUID,
    settings: SettingsDep,
    clock: ClockDep,
    response: Response,
    body: ExecuteBody | None = None,
) -> RequestPublic:
    """Start now; follow it at `Location`. 409 `clearing.blocked` and `clearing.warnings` as when submitting."""
    request = queries.request_for_change(session, request_id, principal)
    _accept(session, request, body, principal, clock)
    control.execute(session, request, principal=principal, settings=settings, clock=clock)
    response.headers["Location"] = f"/api/v1/clearing-requests/{request.id}"
    return request_public(session, request)


@router.post("/clearing-requests/{request_id}/retry", status_code=202)
def retry_request(
    principal: SteppedUpRetrier,
    session: Writing,
    request_id: UUID,
    clock: ClockDep,
    response: Response,
    body: ExecuteBody | None = None,
) -> RequestPublic:
    """Run a failed request again. Always safe: nothing that was done is done twice."""
    request = queries.request_for_change(session, request_id, principal)
    codes = body.accepted_warnings if body else None
    approval.retry(session, request, principal=principal, accepted_warnings=codes, clock=clock)
    response.headers["Location"] = f"/api/v1/clearing-requests/{request.id}"
    return request_public(session, request)


@router.post("/clearing-requests/{request_id}/cancel")
def cancel_request(
    principal: ClearingParticipant, session: Writing, request_id: UUID, clock: ClockDep
) -> RequestPublic:
    """Give a request up before it runs: one's own, or as a reviewer or executor. 403 `request.not_own`."""
    request = queries.request_for_change(session, request_id, principal)
    control.cancel(session, request, principal=principal, clock=clock)
    return request_public(session, request)


@router.post("/clearing-requests/{request_id}/confirm")
def confirm_request(
    principal: ClearingRequester, session: Writing, request_id: UUID, clock: ClockDep
) -> RequestPublic:
    """确认清卡成功."""
    request = queries.request_for_change(session, request_id, principal)
    control.confirm(session, request, principal=principal, clock=clock)
    return request_public(session, request)


@router.get("/clearing-requests/{request_id}/events", response_class=StreamingResponse)
async def request_events(
    request_id: UUID, present: Present, database: DatabaseDep, clock: ClockDep, after: FollowedFrom
) -> Response:
    """Server-sent events `stage`, `progress`, `state`, and `end` once the request is at a final state.

    Who was told the end already gets 204: there is nothing to come back for.
    """

    def has_ended() -> bool:
        with database.reading() as session:
            return live.has_ended(session, request_id, present.principal, after)

    if await run_in_threadpool(has_ended):
        return Response(status_code=204)
    over = present.enter()
    events = live.follow(database, request_id, clock, again=present.again, after=after)
    return sse.stream(events, over=over)
