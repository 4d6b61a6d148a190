"""One operator: devices, state, pre-checks, history; and the form that starts a clearing."""

from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import Form, Query, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, Response

from app import prechecks
from app.accounts import kept_forms
from app.accounts.deps import ClearingRequester, Reader
from app.accounts.principal import Principal
from app.accounts.service.step_up import verify_step_up
from app.clearing.errors import PreviewOutdated
from app.clearing.schemas import RequestCreate
from app.clearing.states import Mode
from app.core.clock import Clock
from app.core.routing import Router
from app.core.templating import redirect, render
from app.core.web import ClockDep, DatabaseDep, SettingsDep
from app.dashboard.pages.operator_checks import checked
from app.dashboard.pages.operator_data import build
from app.dashboard.pages.operator_form import Submitted
from app.errors import QingkaError
from app.prechecks import kept_checks, preview
from app.prechecks.choice import Choice
from app.prechecks.contexts import WarningItem
from app.prechecks.readings import Readings
from app.records.contexts import RequestRef
from app.requests.examination import Examiner
from app.requests.service import start

router = Router(prefix="/clearing/operators/{operator_id}")

_FLASH = {
    start.Way.REVIEW: "已提交，等待审核",
    start.Way.LATER: "已提交，到时自动执行",
    start.Way.AT_ONCE: "",
}


@router.get("")
async def operator_page(
    operator_id: UUID,
    request: Request,
    principal: Reader,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    check: Annotated[bool, Query()] = False,
    confirm: Annotated[bool, Query()] = False,
    exceptional: Annotated[bool, Query()] = False,
) -> HTMLResponse:
    """The page; with `check` the pre-checks are run on the devices before, else checks.js has them run at once.

    `confirm` opens the dialog, `exceptional` for an exceptional request.
    """
    checks: list[prechecks.Check] = []
    if check:
        examiner = Examiner(database, request.app.state.agents, settings, clock)
        checks = await checked(examiner, operator_id, principal, Submitted())

    kept = kept_forms.restored(Submitted, request, principal, settings, at=clock())
    form = kept.again() if kept else None
    readings = (
        await _readings(request, operator_id, kept, principal, database, clock) if kept else None
    )

    def work() -> HTMLResponse:
        with database.reading() as session:
            page = build(
                session,
                operator_id,
                principal,
                settings,
                clock,
                checks=checks,
                form=form,
                readings=readings,
            )
            if form is None:
                page = replace(page, form=replace(page.form, exceptional=exceptional))
            page = replace(page, dialog_open=confirm or form is not None, restored=form is not None)
            response = render(request, "dashboard/operator.html", page)
        kept_forms.drop(request, response, settings)
        return response

    return await run_in_threadpool(work)


@router.post("/preview")
async def preview_clearing(
    operator_id: UUID,
    form: Annotated[Submitted, Form()],
    request: Request,
    principal: ClearingRequester,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
) -> HTMLResponse:
    """预览: what the chosen clearing would do; the page as it was filled in, or that part alone."""
    readings = await _readings(request, operator_id, form, principal, database, clock)
    alone = request.headers.get("X-Fragment") == "parts"
    template = "dashboard/dialog_parts.html" if alone else "dashboard/operator.html"

    def work() -> HTMLResponse:
        with database.reading() as session:
            again = form.again()
            page = build(
                session, operator_id, principal, settings, clock, form=again, readings=readings
            )
        return render(request, template, replace(page, dialog_open=True))

    return await run_in_threadpool(work)


async def _readings(
    request: Request,
    operator_id: UUID,
    form: Submitted,
    principal: Principal,
    database: DatabaseDep,
    clock: Clock,
) -> Readings:
    """The devices as they are now where the mode saves what they show; else none are asked."""
    if form.mode not in (Mode.FIRST, Mode.UPDATE):
        return {}
    return await preview.read_now(
        database, request.app.state.agents, operator_id, principal=principal, at=clock()
    )


@router.post("")
async def start_clearing(
    operator_id: UUID,
    form: Annotated[Submitted, Form()],
    request: Request,
    principal: ClearingRequester,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
) -> Response:
    """确定: it goes to review, or starts, at once or later, once the person has proven who asks (`start.decide`).

    Before anything is kept the password is asked, so a wrong one does nothing; then the devices are
    looked at, and what needs care has to be accepted by hand (docs/domain.md, Pre-checks).
    """
    examiner = Examiner(database, request.app.state.agents, settings, clock)

    def plan(wanted: RequestCreate) -> start.Start:
        """Ask for the password where nobody else is going to look at it."""
        with database.reading() as session:
            decided = start.plan(
                session, wanted, principal=principal, settings=settings, now=clock()
            )
        if decided.proof:
            verify_step_up(database, principal, form.password, settings=settings, clock=clock)
        return decided

    def keep(
        wanted: RequestCreate, checks: list[prechecks.Check], proven: bool
    ) -> tuple[UUID, start.Way]:
        with database.transaction() as session:
            made, decided = start.submit_and_begin(
                session,
                wanted,
                principal=principal,
                settings=settings,
                clock=clock,
                proven=proven,
            )
            kept_checks.keep(session, made, checks, at=clock())
            return made.id, decided.way

    try:
        wanted = form.wanted(operator_id)
        _require_previewed(form.previewed, wanted)
        decided = await run_in_threadpool(plan, wanted)
        checks = await examiner.require_startable(
            operator_id, principal, wanted, decided, queued=not decided.by_right
        )
        request_id, way = await run_in_threadpool(keep, wanted, checks, decided.proof)
    except QingkaError as error:
        readings = await _readings(request, operator_id, form, principal, database, clock)
        return await run_in_threadpool(
            _again,
            request,
            operator_id,
            form,
            principal,
            database,
            settings,
            clock,
            error,
            readings,
        )
    return redirect(f"/clearing/requests/{request_id}", flash=_FLASH[way])


def _require_previewed(shown: str, wanted: RequestCreate) -> None:
    """The page showed what this choice does, or shows it now. Raises PreviewOutdated."""
    if shown and shown != str(Choice.of(wanted)):
        raise PreviewOutdated


def _again(
    request: Request,
    operator_id: UUID,
    form: Submitted,
    principal: Principal,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    error: QingkaError,
    readings: Readings,
) -> HTMLResponse:
    """The page with the dialog open, the input kept, the message next to its field."""
    errors = dict(error.errors) or {"form": f"{error.title}。{error.remedy}"}
    holder = getattr(error, "holder", None)
    with database.reading() as session:
        again = form.again()
        page = build(
            session,
            operator_id,
            principal,
            settings,
            clock,
            form=again,
            checks=getattr(error, "checks", ()),
            readings=readings,
        )
        page = replace(
            page,
            dialog_open=True,
            blocked_reason="",
            errors=errors,
            cautions=tuple(WarningItem(*one) for one in getattr(error, "warnings", ())),
            held_by=RequestRef(*holder) if holder else None,
        )
    status = error.status if error.status in (409, 422) else 422
    return render(request, "dashboard/operator.html", page, status_code=status)
