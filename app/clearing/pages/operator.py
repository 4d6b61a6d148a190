"""One operator: devices, state, pre-checks, history; and the form that starts a clearing."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Form, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict
from starlette.responses import HTMLResponse, Response

from app.accounts.deps import ClearingRequester, Reader
from app.accounts.principal import Principal
from app.accounts.service.step_up import verify_step_up
from app.clearing import moments, prechecks, preview
from app.clearing.contexts import ClearingForm, WarningItem
from app.clearing.effects import Choice
from app.clearing.errors import PreviewOutdated, WarningsNotAccepted
from app.clearing.examination import Examiner
from app.clearing.looking import Readings
from app.clearing.pages.operator_view import build
from app.clearing.schemas import RequestCreate
from app.clearing.service import checklist, start
from app.clearing.states import Kind, Mode, Scope
from app.core.clock import SHANGHAI, Clock
from app.core.forms import parse
from app.core.routing import Router
from app.core.templating import redirect, render
from app.core.web import ClockDep, DatabaseDep, SettingsDep
from app.devices import service as devices_service
from app.errors import Invalid, QingkaError

router = Router(prefix="/clearing/operators/{operator_id}")

_FLASH = {
    start.Way.REVIEW: "已提交，等待审核",
    start.Way.LATER: "已提交，到时自动执行",
    start.Way.AT_ONCE: "",
}


class Submitted(BaseModel):
    """The form as a browser sends it: all texts, checked boxes repeated."""

    model_config = ConfigDict(extra="ignore")

    mode: str = Mode.REGULAR
    kind: str = Kind.DEVICE
    scope: str = Scope.FULL
    invoice_types: list[str] = []
    period: str = ""
    clearing_date: str = ""
    reason: str = ""
    contact_name: str = ""
    contact_phone: str = ""
    scheduled_for: str = ""
    override_window: str = ""
    exceptional: str = ""
    checklist: list[str] = []
    accepted_warnings: list[str] = []
    key: str = ""
    previewed: str = ""
    password: str = ""

    def again(self) -> ClearingForm:
        """The input to be shown again; never the password."""
        texts = {"override_window", "exceptional", "invoice_types", "checklist", "password"}
        texts |= {"accepted_warnings", "previewed"}
        return ClearingForm(
            **self.model_dump(exclude=texts),
            invoice_types=tuple(self.invoice_types),
            override_window=bool(self.override_window),
            exceptional=bool(self.exceptional),
            checklist=tuple(self.checklist),
        )

    def wanted(self, operator_id: UUID) -> RequestCreate:
        """What is asked for. Raises Invalid with a message per field."""
        values: dict[str, Any] = self.model_dump(exclude={"password", "key", "previewed"})
        values["operator_id"] = operator_id
        values["override_window"] = bool(self.override_window)
        values["exceptional"] = bool(self.exceptional)
        values["clearing_date"] = self.clearing_date or None
        values["scheduled_for"] = _local_moment(self.scheduled_for)
        if self.scope == Scope.FULL:
            values["invoice_types"] = []
        return parse(RequestCreate, values)


def _local_moment(text: str) -> datetime | None:
    """What a datetime-local field sends, in the time zone people here live in."""
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)
    except ValueError as error:
        raise Invalid(errors={"scheduled_for": "时间格式不正确"}) from error


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
    """The page; with `check` the pre-checks are run on the devices now, changing nothing.

    `confirm` opens the dialog, `exceptional` for an exceptional request.
    """
    checks: list[prechecks.Check] = []
    if check:
        examiner = Examiner(database, request.app.state.agents, settings, clock)
        _, checks = await examiner.examine(operator_id, principal)

    def work() -> HTMLResponse:
        with database.reading() as session:
            page = build(session, operator_id, principal, settings, clock, checks=checks)
            form = replace(page.form, exceptional=exceptional)
            page = replace(page, dialog_open=confirm, form=form)
            return render(request, "clearing/operator.html", page)

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
    template = "clearing/dialog_parts.html" if alone else "clearing/operator.html"

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
    looked at, and what needs care has to be accepted by hand (product.md 3.4).
    """
    examiner = Examiner(database, request.app.state.agents, settings, clock)

    def identify(wanted: RequestCreate) -> bool:
        """Ask for the password where nobody else is going to look at it; tell whether it was."""
        with database.reading() as session:
            decided = start.of_operator(
                session,
                operator_id,
                wanted,
                principal=principal,
                settings=settings,
                now=clock(),
            )
        if decided.proof:
            verify_step_up(database, principal, form.password, settings=settings, clock=clock)
        return decided.proof

    def keep(
        wanted: RequestCreate, checks: list[prechecks.Check], proven: bool
    ) -> tuple[UUID, start.Start]:
        with database.transaction() as session:
            made, decided = start.submit_and_begin(
                session,
                wanted,
                principal=principal,
                settings=settings,
                clock=clock,
                proven=proven,
            )
            checklist.keep(session, made, checks, at=clock())
            return made.id, decided

    try:
        wanted = form.wanted(operator_id)
        moments.require_ahead(wanted, clock())
        _require_previewed(form.previewed, wanted)
        proven = await run_in_threadpool(identify, wanted)
        _, checks = await examiner.examine(operator_id, principal, wanted)
        _require_accepted(checks, wanted)
        request_id, decided = await run_in_threadpool(keep, wanted, checks, proven)
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
    return redirect(f"/clearing/requests/{request_id}", flash=_FLASH[decided.way])


def _require_previewed(shown: str, wanted: RequestCreate) -> None:
    """The page showed what this choice does, or shows it now. Raises PreviewOutdated."""
    if shown and shown != str(Choice.of(wanted)):
        raise PreviewOutdated


def _require_accepted(checks: list[prechecks.Check], wanted: RequestCreate) -> None:
    """Raises WarningsNotAccepted; where something blocks, that will be said instead."""
    left = [
        check
        for check in checks
        if check.severity is prechecks.Severity.WARNING
        and check.code not in (wanted.accepted_warnings or ())
    ]
    if left and prechecks.is_ok(checks):
        raise WarningsNotAccepted([(one.code, one.message, one.remedy) for one in left])


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
    with database.reading() as session:
        again = form.again()
        page = build(
            session, operator_id, principal, settings, clock, form=again, readings=readings
        )
        page = replace(
            page,
            dialog_open=True,
            blocked_reason="",
            errors=errors,
            cautions=tuple(WarningItem(*one) for one in getattr(error, "warnings", ())),
        )
    status = error.status if error.status in (409, 422) else 422
    return render(request, "clearing/operator.html", page, status_code=status)


@router.post("/refresh")
def refresh_devices(
    operator_id: UUID,
    principal: ClearingRequester,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
) -> Response:
    """重新读取设备: all devices of the operator, one after the other."""
    results = devices_service.refresh_devices_of(
        database, operator_id, principal=principal, settings=settings, clock=clock
    )
    kind = "ok" if all(results.values()) else "warn"
    done = sum(results.values())
    text = f"已读取 {done} 台设备" + (
        f"，{len(results) - done} 台未能读取" if kind == "warn" else ""
    )
    return redirect(f"/clearing/operators/{operator_id}", flash=text, kind=kind)
