"""Who may start a clearing, when, and on what proof: one decision for pages, batches, REST, shell and scheduler.

What is said before somebody confirms (`Start.text`) and what happens then come from the same decision.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from app.accounts.principal import Permission, Principal
from app.clearing import errors, queries
from app.clearing.models import ClearingRequest
from app.clearing.moments import Moment, Timed, moment_of
from app.clearing.schemas import RequestCreate
from app.clearing.states import RequestState
from app.core.clock import Clock, local
from app.core.db import Session
from app.enterprises.models import Enterprise
from app.operators import queries as operators_queries
from app.requests.service import control, review, submit
from app.settings import Settings


class Way(StrEnum):
    """What becomes of a request once it is submitted."""

    REVIEW = "review"  # a reviewer decides; approved, it starts by itself
    AT_ONCE = "at_once"
    LATER = "later"  # it is put on the schedule


class Wish(Timed, Protocol):
    """What carries the parameters the decision looks at."""

    @property
    def exceptional(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Start:
    """What happens after submitting. `moment` is the earliest; of a review, if it were approved now.

    `proof`: a person is asked for the password first, because nobody else looks at it any more.
    `by_right`: whoever asks may execute; otherwise the enterprise needs no review.
    """

    way: Way
    moment: Moment
    proof: bool
    by_right: bool

    @property
    def text(self) -> str:
        """What happens, as a person reads it before confirming and a program in the answer."""
        at = f"{local(self.moment.at):%Y-%m-%d %H:%M}"
        peak = "（避开业务高峰时段）" if self.moment.after_peak else ""
        if self.way is Way.AT_ONCE:
            return "提交后立即执行，写入设备后不能撤销。过程约 1–3 分钟，可以离开本页。"
        if self.way is Way.LATER:
            return f"提交后于 {at}{peak} 自动执行，在此之前可以取消；写入设备后不能撤销。"
        when = f"于 {at}{peak} 自动执行" if self.moment.is_later else "立即自动执行"
        return f"提交后由审核员审核；通过后{when}，写入设备后不能撤销。"


@dataclass(frozen=True, slots=True)
class BatchStart:
    """What happens to the operators of a batch: so many are reviewed, so many start without."""

    reviewed: int
    started: Start | None
    started_count: int

    @property
    def proof(self) -> bool:
        """Whether a person is asked for the password."""
        return self.started is not None and self.started.proof

    @property
    def text(self) -> str:
        """What happens, before it is confirmed."""
        if self.started is None:
            return "提交后每一件都由审核员审核，通过后自动执行；写入设备后不能撤销。"
        if not self.reviewed:
            return f"每一件{self.started.text.replace('过程约 1–3 分钟，', '')}"
        return (
            f"{self.started_count} 位操作员的企业无需审核：{self.started.text}"
            f"另外 {self.reviewed} 位提交后由审核员审核，通过后自动执行。"
        )


def decide(
    wanted: Wish,
    *,
    review_required: bool,
    principal: Principal,
    settings: Settings,
    now: datetime,
    uses_right: bool = True,
) -> Start:
    """Decide for an enterprise. `uses_right` False: whoever may execute leaves that to a later step.

    `clearing:execute` stands in for a review (docs/api.md), but never for that of an exceptional request.
    """
    moment = moment_of(wanted, settings, now)
    by_right = uses_right and principal.can(Permission.CLEARING_EXECUTE)
    if wanted.exceptional or (review_required and not by_right):
        return Start(Way.REVIEW, moment, proof=False, by_right=False)
    way = Way.LATER if moment.is_later else Way.AT_ONCE
    return Start(way, moment, proof=principal.is_person, by_right=by_right)


def of_operator(
    session: Session,
    operator_id: UUID,
    wanted: Wish,
    *,
    principal: Principal,
    settings: Settings,
    now: datetime,
    uses_right: bool = True,
) -> Start:
    """Decide for an operator. Raises NotFound."""
    operator = operators_queries.visible(session, operator_id, principal)
    return decide(
        wanted,
        review_required=session.get_one(Enterprise, operator.enterprise_id).review_required,
        principal=principal,
        settings=settings,
        now=now,
        uses_right=uses_right,
    )


def plan(
    session: Session,
    data: RequestCreate,
    *,
    principal: Principal,
    settings: Settings,
    now: datetime,
    uses_right: bool = True,
) -> Start:
    """Decide about a request before any device is read. Raises what submitting it would raise by the registers."""
    submit.require_submittable(session, data, principal=principal, now=now)
    return of_operator(
        session,
        data.operator_id,
        data,
        principal=principal,
        settings=settings,
        now=now,
        uses_right=uses_right,
    )


def of_operators(
    session: Session,
    operator_ids: Sequence[UUID],
    wanted: Wish,
    *,
    principal: Principal,
    settings: Settings,
    now: datetime,
) -> BatchStart:
    """Decide for each operator of a batch; one sentence tells of all."""
    counts = queries.count_by_review(session, operator_ids)
    decided = {
        required: decide(
            wanted, review_required=required, principal=principal, settings=settings, now=now
        )
        for required in counts
    }
    return _batch((decided[required], count) for required, count in counts.items())


def _batch(decided: Iterable[tuple[Start, int]]) -> BatchStart:
    reviewed, started, started_count = 0, None, 0
    for start, count in decided:
        if start.way is Way.REVIEW:
            reviewed += count
        else:
            started, started_count = start, started_count + count
    return BatchStart(reviewed, started, started_count)


def submit_and_begin(
    session: Session,
    data: RequestCreate,
    *,
    principal: Principal,
    settings: Settings,
    clock: Clock,
    proven: bool,
    uses_right: bool = True,
) -> tuple[ClearingRequest, Start]:
    """Submit a request and do with it what was decided. Raises what submitting does, and ProofMissing.

    `proven`: a person has just given the password.
    """
    start = of_operator(
        session,
        data.operator_id,
        data,
        principal=principal,
        settings=settings,
        now=clock(),
        uses_right=uses_right,
    )
    # Decided again in the transaction: the enterprise's setting may have changed since it was shown.
    if start.proof and not proven:
        raise errors.ProofMissing
    request = submit.submit_request(
        session, principal=principal, clock=clock, data=data, direct=start.by_right
    )
    begin(session, request, start, principal=principal, settings=settings, clock=clock)
    return request, start


def begin(
    session: Session,
    request: ClearingRequest,
    start: Start,
    *,
    principal: Principal,
    settings: Settings,
    clock: Clock,
    queued: bool = False,
) -> None:
    """Do with a submitted request what was decided. `queued`: it starts when there is room."""
    if start.way is Way.REVIEW:
        return
    if not start.by_right:
        review.approve_by_rule(session, request, settings=settings, clock=clock)
    elif start.way is Way.LATER or queued:
        control.schedule(session, request, start.moment.at, principal=principal, clock=clock)
    else:
        control.execute(session, request, principal=principal, settings=settings, clock=clock)


def give_way(
    session: Session, request: ClearingRequest, *, settings: Settings, clock: Clock
) -> bool:
    """Put a request that is due off until the peak hours are over; tell whether it was.

    The hours may have been set, or the work before it taken long, since it was scheduled.
    """
    moment = moment_of(request, settings, clock())
    if request.state is not RequestState.SCHEDULED or not moment.after_peak:
        return False
    request.scheduled_for = moment.at
    request.message = f"业务高峰时段过后，将于 {local(moment.at):%Y-%m-%d %H:%M} 执行"
    session.add(request)
    return True
