"""批量清卡: who will be cleared, what needs care, and the confirmation (/clearing/batches/new)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import Form, Query, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import HTMLResponse, Response

from app.accounts import kept_forms
from app.accounts.deps import ClearingRequester
from app.accounts.principal import Permission, Principal
from app.accounts.service.step_up import verify_step_up
from app.batches import members, preview
from app.batches import service as batches
from app.batches.contexts import BatchConfirmPage, BatchForm, MemberRow, MissingRow
from app.batches.preview import Member
from app.batches.schemas import BatchCreate
from app.batches.warnings import grouped
from app.core.clock import Clock, local_date
from app.core.db import Session
from app.core.forms import parse
from app.core.ids import new_token
from app.core.routing import Router
from app.core.templating import redirect, render
from app.core.web import ClockDep, DatabaseDep, Reading, SettingsDep
from app.errors import Invalid, QingkaError
from app.operators import queries as operators_queries
from app.operators.models import Operator
from app.operators.queries import OperatorFilter
from app.operators.states import ClearingState
from app.prechecks import subject
from app.prechecks.forecast import foresee
from app.requests.contexts import StartView
from app.settings import Settings

router = Router(prefix="/clearing/batches")


class Submitted(BaseModel):
    """The confirmation as a browser sends it."""

    model_config = ConfigDict(extra="ignore")

    operator_ids: list[UUID] = []
    state: str = ClearingState.DUE
    enterprise_id: str = ""
    reason: str = ""
    override_window: str = ""
    accepted_warnings: list[str] = []
    without: list[UUID] = []
    also: list[UUID] = []
    key: str = ""
    password: str = ""

    def again(self) -> BatchForm:
        """The input to be shown again."""
        return BatchForm(
            self.reason,
            tuple(map(str, self.operator_ids)),
            self.state,
            self.enterprise_id,
            self.key,
            bool(self.override_window),
            tuple(self.accepted_warnings),
            tuple(map(str, self.without)),
            tuple(map(str, self.also)),
        )

    def wanted(self, shown: Sequence[UUID]) -> BatchCreate:
        """What is asked for: of the operators shown those not dropped, and those added.

        Raises Invalid with a message per field.
        """
        kept = [one for one in shown if one not in self.without] + self.also
        if not kept:
            raise Invalid(errors={"operator_ids": "至少保留一位操作员"})
        values = {
            "operator_ids": list(dict.fromkeys(kept)),
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
    period = subject.default_period(None, clock())
    form = BatchForm(
        reason=f"{period} 属期批量清卡",
        operator_ids=tuple(str(one) for one in operator_ids or ()),
        state=ClearingState.DUE,
        enterprise_id="",
        key=new_token(128),
    )
    kept = kept_forms.restored(Submitted, request, principal, settings, at=clock())
    page = _confirm(session, principal, settings, clock, kept.again() if kept else form)
    page = replace(page, restored=kept is not None)
    response = render(request, "batches/new.html", page)
    kept_forms.drop(request, response, settings)
    return response


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
        with database.reading() as session:
            shown = _operators(session, principal, clock, form.again())
            wanted = form.wanted([one.id for one in shown])
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
        return render(request, "batches/new.html", page, status_code=422)
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
        wanted.order,
        principal=principal,
        settings=settings,
        now=clock(),
    )
    found = preview.members(
        session,
        chosen,
        wanted,
        seen,
        principal=principal,
        refusal=lambda one: members.refusal(session, one, wanted, principal=principal, now=clock()),
        now=clock(),
    )
    missing = preview.missing_subs(session, ids, wanted, principal=principal, now=clock())
    return BatchConfirmPage(
        rows=tuple(_member(one) for one in found),
        missing=tuple(
            MissingRow(str(one.operator.id), one.operator.name, one.operator.code, one.devices)
            for one in missing
        ),
        total=len(chosen),
        more=len(chosen) - len(found),
        devices=sum(one.device_count for one in chosen),
        form=form,
        form_mark=kept_forms.mark(principal, "/clearing/batches/new", settings),
        start=StartView(
            decided.text, decided.proof, decided.proof, principal.can(Permission.CLEARING_EXECUTE)
        ),
        warnings=grouped(seen.warnings),
        blockers=grouped(seen.blockers),
        read_since=seen.read_since,
        errors=errors or {},
    )


def _member(member: Member) -> MemberRow:
    reasons: tuple[tuple[str, str], ...]
    if member.refusal is not None:
        fate, reasons = "skip", ((member.refusal.detail, member.refusal.remedy),)
    elif member.blockers:
        fate, reasons = "fail", tuple((one.message, one.remedy) for one in member.blockers)
    else:
        fate = "care" if member.warnings else "clear"
        reasons = tuple((one.message, one.remedy) for one in member.warnings)
    return MemberRow(
        operator_id=str(member.operator.id),
        name=member.operator.name,
        code=member.operator.code,
        enterprise=member.enterprise,
        devices=member.devices,
        lock_date=member.lock_date,
        period=member.period,
        invoices=member.invoices,
        fate=fate,
        reasons=reasons,
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
