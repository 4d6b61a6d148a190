"""核对: the runs, one run with its differences, and dealing with them (/invoices/reconciliations)."""

from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import Form, Query, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, Response

from app.accounts.deps import Reader
from app.accounts.principal import Principal
from app.contracts.periods import Period
from app.core.clock import Clock
from app.core.db import Session
from app.core.forms import blank_is_none, pager, parse
from app.core.pagination import PageRequest
from app.core.routing import Router
from app.core.templating import redirect, render
from app.core.web import ClockDep, DatabaseDep, Paging, Reading, database_of
from app.enterprises.pages import messages
from app.errors import Invalid, QingkaError
from app.operators import queries as operators_queries
from app.prechecks import subject
from app.reconciliation import run_queries, service
from app.reconciliation.contexts import RunRow, RunsPage
from app.reconciliation.findings import Scope
from app.reconciliation.models import DifferenceKind, ReconciliationRun
from app.reconciliation.page_data import BASE, build
from app.reconciliation.plan import compare_now
from app.reconciliation.schemas import DifferenceAction, DifferenceHandle

router = Router(prefix=BASE)


@router.get("")
def runs(
    request: Request, session: Reading, principal: Reader, clock: ClockDep, paging: Paging
) -> HTMLResponse:
    """The runs kept, newest first, and the form that starts another."""
    period = subject.default_period(None, clock())
    page = _runs_page(session, principal, paging, period, "")
    return render(request, "reconciliation/list.html", page)


@router.post("")
async def start(
    request: Request,
    principal: Reader,
    database: DatabaseDep,
    clock: ClockDep,
    period: Annotated[str, Form(max_length=7)] = "",
    operator_code: Annotated[str, Form(max_length=40)] = "",
) -> Response:
    """核对: read the devices, compare, keep the result."""

    def scope() -> Scope:
        with database.reading() as session:
            return _scope(session, principal, period, operator_code)

    def again(error: QingkaError) -> Response:
        with database.reading() as session:
            page = _runs_page(session, principal, PageRequest(), period, operator_code)
            page = replace(page, errors=messages(error))
            return render(request, "reconciliation/list.html", page, status_code=error.status)

    try:
        wanted = await run_in_threadpool(scope)
        return await _run(request, wanted, principal, clock)
    except QingkaError as error:
        return await run_in_threadpool(again, error)


@router.post("/{run_id}/again")
async def run_again(
    run_id: UUID,
    request: Request,
    principal: Reader,
    database: DatabaseDep,
    clock: ClockDep,
    sync: Annotated[bool, Form()] = False,
) -> Response:
    """The same scope once more; with `sync` (同步税务信息) the bureau is asked for its view as well."""

    def scope() -> Scope:
        with database.reading() as session:
            run = run_queries.run(session, run_id, principal)
            return Scope(Period(run.period), run.operator_id, sync)

    wanted = await run_in_threadpool(scope)
    return await _run(request, wanted, principal, clock)


async def _run(request: Request, scope: Scope, principal: Principal, clock: Clock) -> Response:
    """Compare, keep, and go to the run."""
    service.require_runner(principal)
    findings = await compare_now(request, scope, principal)

    def keep() -> str:
        with database_of(request).transaction() as session:
            return str(service.keep(session, findings, principal=principal, at=clock()).id)

    run_id = await run_in_threadpool(keep)
    text, kind = _told(len(findings.found))
    if scope.ask_bureau:
        text = f"{findings.bureau_message}{text}。"
    return redirect(f"{BASE}/{run_id}", flash=text, kind=kind)


@router.get("/{run_id}")
def run_page(
    run_id: UUID,
    request: Request,
    session: Reading,
    principal: Reader,
    kind: Annotated[DifferenceKind | None, Query(), blank_is_none] = None,
    handle: Annotated[UUID | None, Query()] = None,
) -> HTMLResponse:
    """One run; ?handle= shows the dialog that deals with this difference."""
    page = build(session, run_id, principal, kind=kind, handle=handle)
    return render(request, "reconciliation/detail.html", page)


@router.post("/{run_id}/differences/{difference_id}")
def handle_difference(
    run_id: UUID,
    difference_id: UUID,
    request: Request,
    principal: Reader,
    database: DatabaseDep,
    clock: ClockDep,
    action: Annotated[str, Form(max_length=20)] = "",
    reason: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Accept it or correct the invoices' clearing status; without a reason the dialog stays."""
    try:
        data = parse(DifferenceHandle, {"action": action, "reason": reason})
        use_case = service.accept if data.action is DifferenceAction.ACCEPT else service.correct
        with database.transaction() as session:
            use_case(
                session,
                run_id,
                difference_id,
                reason=data.reason,
                principal=principal,
                at=clock(),
            )
    except QingkaError as error:
        with database.reading() as session:
            page = build(session, run_id, principal, handle=difference_id)
        if page.form is None:
            raise
        form = replace(page.form, action=action, reason=reason)
        page = replace(page, form=form, errors=messages(error))
        return render(request, "reconciliation/detail.html", page, status_code=error.status)
    return redirect(f"{BASE}/{run_id}", flash="差异已处理，已写入审计记录")


def _scope(session: Session, principal: Principal, period: str, operator_code: str) -> Scope:
    try:
        wanted = Period(period.strip())
    except ValueError as error:
        raise Invalid(errors={"period": str(error)}) from error
    code = operator_code.strip()
    if not code:
        return Scope(wanted)
    operator = operators_queries.by_code(session, code)
    if operator is None or not principal.sees(operator.enterprise_id):
        raise Invalid(errors={"operator_code": "没有这个工号的操作员"})
    return Scope(wanted, operator.id)


def _told(count: int) -> tuple[str, str]:
    return (f"核对完成，有 {count} 处差异", "warn") if count else ("核对完成，没有差异", "ok")


def _runs_page(
    session: Session, principal: Principal, paging: PageRequest, period: str, operator_code: str
) -> RunsPage:
    rows, cursor = run_queries.page_of_runs(session, principal, paging)
    left = run_queries.open_counts(session, [row.id for row in rows])
    return RunsPage(
        period=period,
        operator_code=operator_code,
        rows=tuple(_row(row, left[row.id]) for row in rows),
        pager=pager(BASE, {"limit": paging.limit}, paging, cursor),
        can_run=service.may_run(principal),
    )


def _row(run: ReconciliationRun, left: int) -> RunRow:
    return RunRow(
        id=str(run.id),
        started_at=run.started_at,
        started_by=run.started_by_name,
        period=run.period,
        operator_name=run.operator_name,
        devices=len(run.devices),
        not_read=sum(not device["read"] for device in run.devices),
        differences=run.differences,
        open=left,
    )
