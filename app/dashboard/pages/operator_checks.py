"""清卡前检查 on the operator's page: fetched once the page is there, and anew for another choice."""

from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import Form, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse

from app import prechecks
from app.accounts.deps import Reader
from app.accounts.principal import Principal
from app.core.routing import Router
from app.core.templating import render
from app.dashboard.pages.operator_data import build, choice_of, wish_of
from app.dashboard.pages.operator_form import Submitted
from app.operators import queries as operators_queries
from app.prechecks import subject
from app.requests.deps import ExaminerDep
from app.requests.examination import Examiner, Intent
from app.requests.service import start

router = Router(prefix="/clearing/operators/{operator_id}")


async def checked(
    examiner: Examiner, operator_id: UUID, principal: Principal, form: Submitted
) -> list[prechecks.Check]:
    """Run the pre-checks of what the form chooses, for the moment it would start. Raises NotFound, NoDevices."""

    def work() -> Intent:
        with examiner.database.reading() as session:
            operator = operators_queries.visible(session, operator_id, principal)
            wish = wish_of(form.again())
            decided = start.of_operator(
                session,
                operator_id,
                wish,
                principal=principal,
                settings=examiner.settings,
                now=examiner.clock(),
            )
            due = subject.default_period(operator.lock_date, examiner.clock())
            choice = choice_of(form.again(), due)
            return Intent.of(choice, wish, decided, None, queued=not decided.by_right)

    _, checks = await examiner.examine(operator_id, principal, await run_in_threadpool(work))
    return checks


@router.post("/checks")
async def checks_page(
    operator_id: UUID,
    form: Annotated[Submitted, Form()],
    request: Request,
    principal: Reader,
    examiner: ExaminerDep,
) -> HTMLResponse:
    """The page as it was filled in, with the pre-checks of that run on the devices now; changes nothing."""
    checks = await checked(examiner, operator_id, principal, form)

    def work() -> HTMLResponse:
        again = form.again() if form.period else None
        with examiner.database.reading() as session:
            page = build(
                session,
                operator_id,
                principal,
                examiner.settings,
                examiner.clock,
                form=again,
                checks=checks,
            )
        return render(request, "dashboard/operator.html", replace(page, dialog_open=bool(again)))

    return await run_in_threadpool(work)
