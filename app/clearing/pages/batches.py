"""批量清卡: confirm one, watch it, pause, resume, retry (/clearing/batches)."""

from collections.abc import Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Header, Query, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import HTMLResponse, Response

from app.accounts.deps import ClearingExecutor, ClearingRequester, Reader
from app.accounts.principal import Permission, Principal
from app.accounts.service.step_up import verify_step_up
from app.clearing import facts, queries
from app.clearing.contexts.batches import (
    BatchConfirmPage,
    BatchesPage,
    BatchForm,
    BatchPage,
    BatchRow,
    SkippedRow,
)
from app.clearing.contexts.requests import RequestRow
from app.clearing.models import ClearingBatch
from app.clearing.schemas import BatchCreate
from app.clearing.service import batch as batches
from app.clearing.states import ENDED_STATES
from app.core.clock import Clock, local_date
from app.core.db import Database, Session
from app.core.forms import parse
from app.core.ids import new_token
from app.core.templating import redirect, render
from app.core.web import ClockDep, DatabaseDep, Reading, SettingsDep
from app.errors import QingkaError
from app.operators import queries as operators_queries
from app.operators.models import Operator
from app.operators.queries import OperatorFilter
from app.operators.states import ClearingState

router = APIRouter(prefix="/clearing/batches")

_NAMES_SHOWN = 30
_LIST = 100
Change = Callable[[Session, ClearingBatch], None]


class Submitted(BaseModel):
    """The confirmation as a browser sends it."""

    model_config = ConfigDict(extra="ignore")

    operator_ids: list[str] = []
    state: str = ClearingState.DUE
    enterprise_id: str = ""
    reason: str = ""
    override_window: str = ""
    key: str = ""
    password: str = ""

    def again(self) -> BatchForm:
        """The input to be shown again."""
        return BatchForm(
            self.reason,
            tuple(self.operator_ids),
            self.state,
            self.enterprise_id,
            self.key,
            bool(self.override_window),
        )

    def wanted(self) -> BatchCreate:
        """What is asked for. Raises Invalid with a message per field."""
        values = {
            "operator_ids": self.operator_ids,
            "state": self.state,
            "enterprise_id": self.enterprise_id or None,
            "reason": self.reason,
            "override_window": bool(self.override_window),
        }
        return parse(BatchCreate, values)


@router.get("")
def batch_list(request: Request, session: Reading, principal: Reader) -> HTMLResponse:
    """The batches of late."""
    found = queries.newest_batches(session, principal, limit=_LIST)
    rows = tuple(
        BatchRow(
            str(one.id), one.number, one.state, one.reason, one.created_by_name, one.created_at
        )
        for one in found
    )
    return render(request, "clearing/batches.html", BatchesPage(rows))


@router.get("/new")
def confirm_page(
    request: Request,
    session: Reading,
    principal: ClearingRequester,
    clock: ClockDep,
    operator_ids: Annotated[list[UUID] | None, Query()] = None,
) -> HTMLResponse:
    """Who will be cleared: the chosen operators, or all that are due."""
    period = facts.default_period(None, clock())
    form = BatchForm(
        reason=f"{period} 属期申报已完成，批量清卡",
        operator_ids=tuple(str(one) for one in operator_ids or ()),
        state=ClearingState.DUE,
        enterprise_id="",
        key=new_token(128),
    )
    page = _confirm(session, principal, clock, form)
    return render(request, "clearing/batch_new.html", page)


@router.post("")
def create(
    request: Request,
    form: Annotated[Submitted, Form()],
    principal: ClearingRequester,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
) -> Response:
    """确定: one confirmation for all. A wrong password does nothing."""
    try:
        wanted = form.wanted()
        if principal.can(Permission.CLEARING_EXECUTE):
            verify_step_up(database, principal, form.password, settings=settings, clock=clock)
        with database.transaction() as session:
            made = batches.create_batch(
                session, principal=principal, settings=settings, clock=clock, data=wanted
            )
            batch_id = made.id
    except QingkaError as error:
        errors = dict(error.errors) or {"form": f"{error.title}。{error.remedy}"}
        with database.reading() as session:
            page = _confirm(session, principal, clock, form.again(), errors)
        return render(request, "clearing/batch_new.html", page, status_code=422)
    return redirect(f"/clearing/batches/{batch_id}")


@router.get("/{batch_id}")
def batch_page(
    batch_id: UUID,
    request: Request,
    session: Reading,
    principal: Reader,
    x_fragment: Annotated[str, Header()] = "",
) -> HTMLResponse:
    """The progress of each request."""
    found = queries.visible_batch(session, batch_id, principal)
    rows = queries.rows_of_batch(session, batch_id, principal)
    counts = {
        state.value: count for state, count in queries.batch_counts(session, batch_id).items()
    }
    done = sum(count for state, count in counts.items() if state in ENDED_STATES)
    page = BatchPage(
        id=str(found.id),
        number=found.number,
        state=found.state,
        reason=found.reason,
        created_by=found.created_by_name,
        created_at=found.created_at,
        total=len(rows),
        done=done,
        counts=counts,
        rows=tuple(
            RequestRow(
                id=str(row.id),
                number=row.number,
                state=row.state,
                operator_name=name,
                enterprise=enterprise,
                period=row.period,
                mode=row.mode,
                scope=row.scope,
                requested_by=row.requested_by_name,
                created_at=row.created_at,
                progress=row.progress,
                message=row.error_message or row.message,
            )
            for row, name, enterprise in rows
        ),
        skipped=tuple(SkippedRow(**one) for one in found.skipped),
        live=done < len(rows),
        can_control=principal.can(Permission.CLEARING_EXECUTE),
    )
    template = "clearing/batch_rows.html" if x_fragment == "rows" else "clearing/batch.html"
    return render(request, template, page)


@router.post("/{batch_id}/pause")
def pause(
    batch_id: UUID, principal: ClearingExecutor, database: DatabaseDep, clock: ClockDep
) -> Response:
    """暂停."""

    def change(session: Session, found: ClearingBatch) -> None:
        batches.pause(session, found, principal=principal, clock=clock)

    return _change(database, batch_id, principal, change)


@router.post("/{batch_id}/resume")
def resume(
    batch_id: UUID, principal: ClearingExecutor, database: DatabaseDep, clock: ClockDep
) -> Response:
    """继续."""

    def change(session: Session, found: ClearingBatch) -> None:
        batches.resume(session, found, principal=principal, clock=clock)

    return _change(database, batch_id, principal, change)


@router.post("/{batch_id}/retry-failed")
def retry_failed(
    batch_id: UUID, principal: ClearingExecutor, database: DatabaseDep, clock: ClockDep
) -> Response:
    """重试失败的申请: always safe."""

    def change(session: Session, found: ClearingBatch) -> None:
        batches.retry_failed(session, found, principal=principal, clock=clock)

    return _change(database, batch_id, principal, change)


def _change(database: Database, batch_id: UUID, principal: Principal, change: Change) -> Response:
    with database.transaction() as session:
        queries.visible_batch(session, batch_id, principal)
        change(session, queries.locked_batch(session, batch_id))
    return redirect(f"/clearing/batches/{batch_id}")


def _confirm(
    session: Session,
    principal: Principal,
    clock: Clock,
    form: BatchForm,
    errors: dict[str, str] | None = None,
) -> BatchConfirmPage:
    chosen = _operators(session, principal, clock, form)
    return BatchConfirmPage(
        names=tuple(f"{one.name}（{one.code}）" for one in chosen[:_NAMES_SHOWN]),
        total=len(chosen),
        more=max(0, len(chosen) - _NAMES_SHOWN),
        devices=sum(one.device_count for one in chosen),
        form=form,
        can_execute=principal.can(Permission.CLEARING_EXECUTE),
        errors=errors or {},
    )


def _operators(
    session: Session, principal: Principal, clock: Clock, form: BatchForm
) -> list[Operator]:
    if form.operator_ids:
        ids = [UUID(one) for one in form.operator_ids]
    else:
        wanted = OperatorFilter(state=ClearingState.DUE, active=True)
        ids = operators_queries.ids_of(
            session,
            principal=principal,
            wanted=wanted,
            today=local_date(clock()),
            limit=batches.MAX_OPERATORS,
        )
    return operators_queries.visible_among(session, ids, principal)
