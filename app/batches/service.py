"""批量清卡: many requests with one confirmation; each goes its own way, none stops another."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from app.accounts.principal import Principal
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.audit.canonical import JSON
from app.batches import order_queries, portions, queries
from app.batches.schemas import BatchCreate
from app.clearing import moments
from app.clearing import queries as clearing_queries
from app.clearing.errors import ProofMissing, RetryNeedsDecision
from app.clearing.models import ClearingBatch, ClearingBatchOrder
from app.clearing.states import BatchState, BatchTask, RequestState
from app.core.clock import Clock, local_date
from app.core.db import Session
from app.errors import NotFound
from app.operators import queries as operators_queries
from app.operators.queries import OperatorFilter
from app.prechecks import acceptance, subject
from app.prechecks import queries as precheck_queries
from app.prechecks.forecast import foresee
from app.requests import dispatch
from app.requests.service import approval, start
from app.settings import Settings

MAX_OPERATORS = 2000
"""So many at most are taken into one batch."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A batch that may be confirmed: its operators in the order they are dealt with, and what is accepted.

    `proof`: a person is asked for the password first.
    """

    operator_ids: tuple[UUID, ...]
    accepted: tuple[str, ...]
    proof: bool


def plan(
    session: Session, *, principal: Principal, settings: Settings, clock: Clock, data: BatchCreate
) -> Plan:
    """Find out whom a batch would be about, before anything is written. Changes nothing.

    Raises NotFound for an operator this principal does not see, DateRefused and AfterLock for a day that
    is past or on which a device would be locked, and WarningsNotAccepted for what the register shows
    beforehand, one of each kind.
    """
    now = clock()
    moments.require_ahead(data, now)
    chosen = operators_of(session, data, principal=principal, clock=clock)
    if len(operators_queries.visible_among(session, chosen, principal)) < len(chosen):
        raise NotFound("没有这个操作员")
    owned = precheck_queries.devices_of_operators(session, chosen, principal)
    locks = ((one.device.number, one.device.lock_date) for one in owned)
    moments.require_before_lock(data, locks, now)
    operator_ids = order_queries.operators_subs_first(session, chosen)
    accepted = _accepted(session, operator_ids, principal, settings, now, data)
    decided = decide(session, operator_ids, data, principal, settings, now)
    return Plan(tuple(operator_ids), tuple(accepted), decided.proof)


def open_batch(
    session: Session,
    planned: Plan,
    *,
    principal: Principal,
    settings: Settings,
    clock: Clock,
    data: BatchCreate,
    proven: bool,
) -> ClearingBatch:
    """Keep the batch and the order to make its requests; they are made in portions from then on.

    Each waits for its review or is started as there is room, as `start.decide` says of its enterprise; who can't
    be cleared is skipped and named with the reason. `proven`: a person has just given the password. Raises
    ProofMissing where it is wanted and was not given.
    """
    now = clock()
    # Decided again in the transaction: an enterprise's setting may have changed since it was shown.
    if decide(session, planned.operator_ids, data, principal, settings, now).proof and not proven:
        raise ProofMissing
    batch = ClearingBatch(
        number=clearing_queries.next_number(session, local_date(now), prefix="PL"),
        period=data.period or subject.default_period(None, now),
        reason=data.reason,
        created_by=str(principal.id),
        created_by_name=principal.display_name,
        created_at=now,
        updated_at=now,
    )
    session.add(batch)
    session.flush()
    batch_data = data.model_dump(mode="json", exclude={"operator_ids", "state", "enterprise_id"})
    wanted = {"batch": batch_data, "proven": proven}
    _order(session, batch, BatchTask.CREATE, planned.operator_ids, principal, clock, wanted)
    _audit(
        session,
        batch,
        principal,
        AuditAction.BATCH_CREATED,
        clock,
        operators=len(planned.operator_ids),
        accepted_warnings=list(planned.accepted),
    )
    return batch


def pause(session: Session, batch: ClearingBatch, *, principal: Principal, clock: Clock) -> None:
    """Start no further request; what runs goes on."""
    _set_state(session, batch, BatchState.PAUSED, AuditAction.BATCH_PAUSED, principal, clock)


def resume(session: Session, batch: ClearingBatch, *, principal: Principal, clock: Clock) -> None:
    """Go on."""
    _set_state(session, batch, BatchState.RUNNING, AuditAction.BATCH_RESUMED, principal, clock)
    dispatch.look_soon(session)


def retry_failed(
    session: Session,
    batch: ClearingBatch,
    *,
    principal: Principal,
    clock: Clock,
    accepted_warnings: Sequence[str] | None = None,
) -> int:
    """Order every failed request this principal may try again singly to be tried again, with these warnings
    accepted; gives how many.

    They are tried again in portions; what of them can't be stays with its reason in the order. Raises
    RetryNeedsDecision when there are failed ones, but none this principal may try again.
    """
    accepted = acceptance.accepted_by(principal, accepted_warnings)
    failed = queries.requests_of_batch(session, batch.id, principal, RequestState.FAILED)
    mine = [one for one in failed if approval.may_retry(session, one, principal)]
    if failed and not mine:
        raise RetryNeedsDecision
    ids = [request.id for request in clearing_queries.order.subs_first(session, mine)]
    if not ids:
        return 0
    wanted = {"accepted_warnings": accepted}
    _order(session, batch, BatchTask.RETRY, ids, principal, clock, wanted)
    _audit(
        session,
        batch,
        principal,
        AuditAction.BATCH_RETRIED,
        clock,
        requests=len(ids),
        accepted_warnings=accepted,
    )
    return len(ids)


def _order(
    session: Session,
    batch: ClearingBatch,
    task: BatchTask,
    ids: Sequence[UUID],
    principal: Principal,
    clock: Clock,
    wanted: dict[str, Any],
) -> None:
    """Keep an order; without anybody to deal with it is carried out already."""
    session.add(
        ClearingBatchOrder(
            batch_id=batch.id,
            task=task,
            asked_by=portions.asked_by(principal),
            wanted=wanted,
            total=len(ids),
            waiting=[str(one) for one in ids],
            created_at=clock(),
            finished_at=None if ids else clock(),
        )
    )
    dispatch.look_soon(session)


def _accepted(
    session: Session,
    operator_ids: Sequence[UUID],
    principal: Principal,
    settings: Settings,
    now: datetime,
    data: BatchCreate,
) -> list[str]:
    """The codes that are accepted, once nothing that is known beforehand is left out."""
    accepted = acceptance.accepted_by(principal, data.accepted_warnings)
    if acceptance.EVERYTHING not in accepted:
        seen = foresee(
            session, operator_ids, data.order, principal=principal, settings=settings, now=now
        )
        acceptance.require_accepted(seen.warnings, accepted)
    return accepted


@dataclass(frozen=True, slots=True)
class _Wish:
    """When the requests of a batch are to start; none of them is exceptional."""

    clearing_date: date | None
    scheduled_for: datetime | None
    override_window: bool
    exceptional: bool = False


def decide(
    session: Session,
    operator_ids: Sequence[UUID],
    data: BatchCreate,
    principal: Principal,
    settings: Settings,
    now: datetime,
) -> start.BatchStart:
    """What becomes of these operators' requests once the batch is confirmed."""
    wish = _Wish(data.clearing_date, data.scheduled_for, data.override_window)
    return start.of_operators(
        session, operator_ids, wish, principal=principal, settings=settings, now=now
    )


def operators_of(
    session: Session, data: BatchCreate, *, principal: Principal, clock: Clock
) -> list[UUID]:
    """The operators meant: those named, else all in the state."""
    if data.operator_ids:
        return list(dict.fromkeys(data.operator_ids))
    wanted = OperatorFilter(state=data.state, enterprise_id=data.enterprise_id, active=True)
    return operators_queries.ids_of(
        session,
        principal=principal,
        wanted=wanted,
        today=local_date(clock()),
        limit=MAX_OPERATORS,
    )


def _set_state(
    session: Session,
    batch: ClearingBatch,
    state: BatchState,
    action: AuditAction,
    principal: Principal,
    clock: Clock,
) -> None:
    if batch.state is state:
        return
    batch.state, batch.updated_at = state, clock()
    session.add(batch)
    _audit(session, batch, principal, action, clock)


def _audit(
    session: Session,
    batch: ClearingBatch,
    principal: Principal,
    action: AuditAction,
    clock: Clock,
    **details: JSON,
) -> None:
    audit.record(
        session,
        actor=principal.actor,
        action=action,
        object_type="clearing_batch",
        object_id=str(batch.id),
        at=clock(),
        details={"number": batch.number, **details},
    )
