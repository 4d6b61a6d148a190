"""One clearing request as it runs and ends: live progress, result, what can be done now."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import Form, Query, Request, UploadFile
from fastapi.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, JSONResponse, Response

from app.accounts.deps import (
    ClearingExecutor,
    ClearingParticipant,
    ClearingRequester,
    ClearingRetrier,
    ClearingReviewer,
    Reader,
)
from app.accounts.principal import Principal
from app.accounts.service.step_up import verify_step_up
from app.clearing import queries
from app.clearing.models import ClearingRequest
from app.clearing.states import ChecklistItem
from app.core.clock import Clock
from app.core.db import Database, Session
from app.core.routing import Router
from app.core.templating import redirect, render
from app.core.web import ClockDep, DatabaseDep, Reading, SettingsDep
from app.errors import Invalid, QingkaError
from app.prechecks import acceptance
from app.prechecks.contexts import WarningItem
from app.records.contexts import RequestRef
from app.requests import live
from app.requests.examination import Examiner
from app.requests.pages.request_data import build
from app.requests.service import approval, attachments, control, review

router = Router(prefix="/clearing/requests/{request_id}")

Password = Annotated[str, Form(max_length=200)]
Comment = Annotated[str, Form(max_length=500)]
Accepted = Annotated[list[str] | None, Form(max_length=40)]
_DIALOGS = ("approve", "reject", "execute", "retry", "cancel")
"""What a button asks for in the address when no script opens its dialog."""
Change = Callable[[Session, ClearingRequest], None]


@router.get("")
def request_page(
    request_id: UUID, request: Request, session: Reading, principal: Reader, clock: ClockDep
) -> HTMLResponse:
    """The page; it follows the events while something runs. ?retry=1 shows that dialog, and so on."""
    page = build(session, request_id, principal, clock)
    asked = next((name for name in _DIALOGS if name in request.query_params), "")
    return render(request, "requests/detail.html", replace(page, dialog_open=asked))


@router.get("/now")
def request_now(
    request_id: UUID,
    session: Reading,
    principal: Reader,
    clock: ClockDep,
    after: Annotated[str, Query(pattern=live.POSITION)] = "0",
) -> JSONResponse:
    """What the stream of events would begin with: what the page asks for while the stream is away."""
    position = live.Position.parse(after)
    told = live.events_now(session, request_id, principal, clock, position)
    events = [{"name": name, "data": data, "id": identity} for name, data, identity in told]
    return JSONResponse({"events": events}, headers={"Cache-Control": "no-store"})


@router.post("/execute")
async def execute(
    request_id: UUID,
    request: Request,
    principal: ClearingExecutor,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    password: Password = "",
    accepted_warnings: Accepted = None,
) -> Response:
    """Start a submitted or approved request now."""

    def change(session: Session, found: ClearingRequest) -> None:
        acceptance.accept(session, found, accepted_warnings, principal=principal, clock=clock)
        control.execute(session, found, principal=principal, settings=settings, clock=clock)

    def check() -> None:
        verify_step_up(database, principal, password, settings=settings, clock=clock)
        if refusal is not None:
            raise refusal

    examiner = Examiner(database, request.app.state.agents, settings, clock)
    refusal = await _refusal(
        examiner.require_executable(request_id, principal, accepted=accepted_warnings or ())
    )
    return await run_in_threadpool(
        _do, request, request_id, database, principal, clock, "execute", change, check
    )


@router.post("/approve")
async def approve(
    request_id: UUID,
    request: Request,
    principal: ClearingReviewer,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    password: Password = "",
    comment: Comment = "",
) -> Response:
    """通过: it then runs by itself."""

    def change(session: Session, found: ClearingRequest) -> None:
        review.approve(
            session, found, principal=principal, comment=comment, settings=settings, clock=clock
        )

    def check() -> None:
        verify_step_up(database, principal, password, settings=settings, clock=clock)
        if refusal is not None:
            raise refusal

    examiner = Examiner(database, request.app.state.agents, settings, clock)
    refusal = await _refusal(examiner.require_approvable(request_id, principal))
    return await run_in_threadpool(
        _do, request, request_id, database, principal, clock, "approve", change, check, comment
    )


async def _refusal(examining: Awaitable[None]) -> QingkaError | None:
    """What is known to stop it, to be said once the person has proven who asks."""
    try:
        await examining
    except QingkaError as error:
        return error
    return None


@router.post("/reject")
def reject(
    request_id: UUID,
    request: Request,
    principal: ClearingReviewer,
    database: DatabaseDep,
    clock: ClockDep,
    comment: Comment = "",
) -> Response:
    """驳回, with a reason the requester reads."""

    def change(session: Session, found: ClearingRequest) -> None:
        if not comment.strip():
            raise Invalid(errors={"comment": "请填写驳回原因"})
        review.reject(session, found, principal=principal, comment=comment.strip(), clock=clock)

    return _do(request, request_id, database, principal, clock, "reject", change, None, comment)


@router.post("/retry")
def retry(
    request_id: UUID,
    request: Request,
    principal: ClearingRetrier,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    password: Password = "",
    accepted_warnings: Accepted = None,
) -> Response:
    """重试: always safe. What stopped it for want of a confirmation is confirmed here."""

    def change(session: Session, found: ClearingRequest) -> None:
        approval.retry(
            session, found, principal=principal, accepted_warnings=accepted_warnings, clock=clock
        )

    def check() -> None:
        verify_step_up(database, principal, password, settings=settings, clock=clock)

    return _do(request, request_id, database, principal, clock, "retry", change, check)


@router.post("/checklist")
def tick(
    request_id: UUID,
    request: Request,
    principal: ClearingRequester,
    database: DatabaseDep,
    clock: ClockDep,
    checklist: Annotated[list[ChecklistItem] | None, Form(max_length=len(ChecklistItem))] = None,
) -> Response:
    """Say which papers of an exceptional request are at hand."""

    def change(session: Session, found: ClearingRequest) -> None:
        attachments.tick(session, found, checklist or (), principal=principal, clock=clock)

    return _do(request, request_id, database, principal, clock, "", change)


@router.post("/attachments")
def attach(
    request_id: UUID,
    request: Request,
    principal: ClearingRequester,
    database: DatabaseDep,
    clock: ClockDep,
    file: UploadFile,
) -> Response:
    """Add a document to an exceptional request."""
    upload = attachments.Upload(file.filename or "", file.file.read(attachments.MAX_BYTES + 1))

    def change(session: Session, found: ClearingRequest) -> None:
        try:
            attachments.attach(session, found, upload, principal=principal, clock=clock)
        except QingkaError as error:
            raise Invalid(errors={"file": error.detail}) from error

    return _do(request, request_id, database, principal, clock, "", change)


@router.post("/cancel")
def cancel(
    request_id: UUID,
    request: Request,
    principal: ClearingParticipant,
    database: DatabaseDep,
    clock: ClockDep,
) -> Response:
    """Give the request up before it runs."""

    def change(session: Session, found: ClearingRequest) -> None:
        control.cancel(session, found, principal=principal, clock=clock)

    return _do(request, request_id, database, principal, clock, "cancel", change)


@router.post("/confirm")
def confirm(
    request_id: UUID,
    request: Request,
    principal: ClearingRequester,
    database: DatabaseDep,
    clock: ClockDep,
) -> Response:
    """确认清卡成功."""

    def change(session: Session, found: ClearingRequest) -> None:
        control.confirm(session, found, principal=principal, clock=clock)

    return _do(request, request_id, database, principal, clock, "confirm", change)


def _do(
    request: Request,
    request_id: UUID,
    database: Database,
    principal: Principal,
    clock: Clock,
    dialog: str,
    change: Change,
    check: Callable[[], None] | None = None,
    comment: str = "",
) -> Response:
    """Check, change in one transaction, back to the page; a refusal shows the page with why."""
    try:
        if check is not None:
            check()
        with database.transaction() as session:
            change(session, queries.request_for_change(session, request_id, principal))
    except QingkaError as error:
        if error.status not in (403, 409, 422):
            raise
        return _again(request, request_id, database, principal, clock, dialog, error, comment)
    return redirect(f"/clearing/requests/{request_id}")


def _again(
    request: Request,
    request_id: UUID,
    database: Database,
    principal: Principal,
    clock: Clock,
    dialog: str,
    error: QingkaError,
    comment: str,
) -> HTMLResponse:
    errors = dict(error.errors) or {"form": f"{error.detail}。{error.remedy}"}
    holder = getattr(error, "holder", None)
    with database.reading() as session:
        page = build(session, request_id, principal, clock)
    page = replace(
        page,
        dialog_open=dialog,
        errors=errors,
        comment=comment,
        warnings=tuple(WarningItem(*one) for one in getattr(error, "warnings", ()))
        or page.warnings,
        held_by=RequestRef(*holder) if holder else None,
    )
    return render(request, "requests/detail.html", page, status_code=error.status)
