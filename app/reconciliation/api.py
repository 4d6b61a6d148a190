"""REST API of reconciliation (核对)."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from app.accounts.deps import Reader
from app.contracts.periods import Period
from app.core.routing import Router
from app.core.web import ClockDep, DatabaseDep, Keep, Reading, Writing
from app.prechecks import subject
from app.reconciliation import run_queries, schemas, service
from app.reconciliation.findings import Scope
from app.reconciliation.plan import compare_now
from app.reconciliation.schemas import (
    DifferenceAction,
    DifferenceHandle,
    DifferencePublic,
    ReconciliationCreate,
    ReconciliationPublic,
)

router = Router(prefix="/reconciliations", tags=["核对"])


@router.get("")
async def reconcile(
    request: Request,
    principal: Reader,
    database: DatabaseDep,
    clock: ClockDep,
    period: Annotated[Period | None, Query()] = None,
    operator_id: Annotated[UUID | None, Query()] = None,
    ask_bureau: Annotated[bool, Query()] = False,
) -> ReconciliationPublic:
    """Read the devices and compare them with ledger and records now; nothing is changed or kept.

    Without a period the last one that ended. With `ask_bureau` the bureau's view is asked for, too.
    """
    scope = Scope(period or subject.default_period(None, clock()), operator_id, ask_bureau)
    findings = await compare_now(request, scope, principal)

    def show() -> ReconciliationPublic:
        with database.reading() as session:
            rows = service.rows_of(session, findings)
            return schemas.shown(findings, rows, name=principal.display_name, at=clock())

    return await run_in_threadpool(show)


@router.post("", status_code=201)
async def run_reconciliation(
    request: Request,
    data: ReconciliationCreate,
    principal: Reader,
    database: DatabaseDep,
    clock: ClockDep,
    response: Response,
    keep_answer: Keep,
) -> ReconciliationPublic:
    """The same, kept as a run whose differences can be dealt with."""
    service.require_runner(principal)
    findings = await compare_now(
        request, Scope(data.period, data.operator_id, data.ask_bureau), principal
    )

    def keep() -> ReconciliationPublic:
        with database.transaction() as session:
            run = service.keep(session, findings, principal=principal, at=clock())
            answer = schemas.kept(run, run_queries.differences_of(session, run.id))
            response.headers["Location"] = f"/api/v1/reconciliations/{answer.id}"
            keep_answer(session, answer)
            return answer

    return await run_in_threadpool(keep)


@router.get("/{run_id}")
def get_run(run_id: UUID, session: Reading, principal: Reader) -> ReconciliationPublic:
    """A run with its differences as they stand."""
    run = run_queries.run(session, run_id, principal)
    return schemas.kept(run, run_queries.differences_of(session, run.id))


@router.post("/{run_id}/differences/{difference_id}")
def handle_difference(
    run_id: UUID,
    difference_id: UUID,
    data: DifferenceHandle,
    session: Writing,
    principal: Reader,
    clock: ClockDep,
) -> DifferencePublic:
    """Accept a difference, or correct the clearing status of its invoices; both with a reason."""
    handle = service.accept if data.action is DifferenceAction.ACCEPT else service.correct
    row = handle(
        session, run_id, difference_id, reason=data.reason, principal=principal, at=clock()
    )
    return DifferencePublic.model_validate(row)
