"""批量清卡: who will be cleared, what needs care, and the confirmation (/clearing/batches/new)."""

from typing import Annotated
from uuid import UUID

from fastapi import Form, Query, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import HTMLResponse, Response

from app.accounts.deps import ClearingRequester
from app.accounts.principal import Permission, Principal
from app.accounts.service.step_up import verify_step_up
from app.clearing import facts
from app.clearing.batch_schemas import BatchCreate
from app.clearing.batch_warnings import grouped
from app.clearing.contexts import StartView
from app.clearing.contexts.batches import BatchConfirmPage, BatchForm
from app.clearing.foresight import foresee
from app.clearing.service import batch as batches
from app.core.clock import Clock, local_date
from app.core.db import Session
from app.core.forms import parse
from app.core.ids import new_token
from app.core.routing import Router
from app.core.templating import redirect, render
from app.core.web import ClockDep, DatabaseDep, Reading, SettingsDep
from app.errors import QingkaError
from app.operators import queries as operators_queries
from app.operators.models import Operator
from app.operators.queries import OperatorFilter
from app.operators.states import ClearingState
from app.settings import Settings

router = Router(prefix="/clearing/batches")

_NAMES_SHOWN = 30


class Submitted(BaseModel):
    """The confirmation as a browser sends it."""

    model_config = ConfigDict(extra="ignore")

    operator_ids: list[str] = []
    state: str = ClearingState.DUE
    enterprise_id: str = ""
    reason: str = ""
    override_window: str = ""
    accepted_warnings: list[str] = []
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
            tuple(self.accepted_warnings),
        )

    def wanted(self) -> BatchCreate:
        """What is asked for. Raises Invalid with a message per field."""
        values = {
            "operator_ids": self.operator_ids,
            "state": self.state,
            "enterprise_id": self.enterprise_id or None,
            "reason": self.reason,
            "override_window": bool(self.override_window),
            "accepted_warnings": self.accepted_warnings,
        }
        return parse(BatchCreate, values)


@router.get("/new")
def confirm_page(
    request: Request,
    session: Reading,
    principal: ClearingRequester,
    settings: SettingsDep,
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
    page = _confirm(session, principal, settings, clock, form)
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
        with database.reading() as session:
            planned = batches.plan(
                session, principal=principal, settings=settings, clock=clock, data=wanted
            )
        if planned.proof:
            verify_step_up(database, principal, form.password, settings=settings, clock=clock)
        with database.transaction() as session:
            made = batches.open_batch(
                session,
                planned,
                principal=principal,
                settings=settings,
                clock=clock,
                data=wanted,
                proven=planned.proof,
            )
            batch_id = made.id
    except QingkaError as error:
        errors = dict(error.errors) or {"form": f"{error.title}。{error.remedy}"}
        with database.reading() as session:
            page = _confirm(session, principal, settings, clock, form.again(), errors)
        return render(request, "clearing/batch_new.html", page, status_code=422)
    return redirect(f"/clearing/batches/{batch_id}")


def _confirm(
    session: Session,
    principal: Principal,
    settings: Settings,
    clock: Clock,
    form: BatchForm,
    errors: dict[str, str] | None = None,
) -> BatchConfirmPage:
    chosen = _operators(session, principal, clock, form)
    ids = [one.id for one in chosen]
    wanted = BatchCreate(reason=form.reason or "-", override_window=form.override_window)
    decided = batches.decide(session, ids, wanted, principal, settings, clock())
    seen = foresee(
        session,
        ids,
        wanted,
        principal=principal,
        settings=settings,
        now=clock(),
    )
    return BatchConfirmPage(
        names=tuple(f"{one.name}（{one.code}）" for one in chosen[:_NAMES_SHOWN]),
        total=len(chosen),
        more=max(0, len(chosen) - _NAMES_SHOWN),
        devices=sum(one.device_count for one in chosen),
        form=form,
        start=StartView(
            decided.text, decided.proof, decided.proof, principal.can(Permission.CLEARING_EXECUTE)
        ),
        warnings=grouped(seen.warnings),
        blockers=grouped(seen.blockers),
        read_since=seen.read_since,
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
