"""Every select over runs of reconciliation and their differences."""

from collections.abc import Iterable, Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col, select

from app.accounts.principal import Principal
from app.clearing.reconciliation.errors import DifferenceNotFound, RunNotFound
from app.clearing.reconciliation.models import (
    DifferenceKind,
    DifferenceState,
    ReconciliationDifference,
    ReconciliationRun,
)
from app.contracts.periods import Period
from app.core.db import Session
from app.core.pagination import PageRequest, newest_first


def accepted_before(
    session: Session, fingerprints: Iterable[str]
) -> dict[str, ReconciliationDifference]:
    """By fingerprint, what was decided last about differences found earlier; handled ones only."""
    query = (
        select(ReconciliationDifference)
        .where(
            col(ReconciliationDifference.fingerprint).in_(list(fingerprints)),
            ReconciliationDifference.state == DifferenceState.HANDLED,
        )
        .order_by(col(ReconciliationDifference.id))
    )
    return {one.fingerprint: one for one in session.exec(query)}


def run(session: Session, run_id: UUID, principal: Principal) -> ReconciliationRun:
    """The run. Raises RunNotFound, also when another person's run covered what this one may not see."""
    found = session.get(ReconciliationRun, run_id)
    limited = principal.enterprise_ids is not None
    if found is None or (limited and found.started_by != str(principal.id)):
        raise RunNotFound
    return found


def page_of_runs(
    session: Session,
    principal: Principal,
    page: PageRequest,
    *,
    period: Period | None = None,
    operator_id: UUID | None = None,
) -> tuple[list[ReconciliationRun], str | None]:
    """Newest first; one limited to some enterprises sees the own ones."""
    query = select(ReconciliationRun)
    if period is not None:
        query = query.where(ReconciliationRun.period == period)
    if operator_id is not None:
        query = query.where(ReconciliationRun.operator_id == operator_id)
    if principal.enterprise_ids is not None:
        query = query.where(ReconciliationRun.started_by == str(principal.id))
    return newest_first(session, query, ReconciliationRun.id, page)


def open_counts(session: Session, run_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many differences of each run are open."""
    query = (
        select(ReconciliationDifference.run_id, sa.func.count())
        .where(
            col(ReconciliationDifference.run_id).in_(run_ids),
            ReconciliationDifference.state == DifferenceState.OPEN,
        )
        .group_by(col(ReconciliationDifference.run_id))
    )
    counts = {row[0]: int(row[1]) for row in session.exec(query)}
    return {run_id: counts.get(run_id, 0) for run_id in run_ids}


def differences_of(session: Session, run_id: UUID) -> list[ReconciliationDifference]:
    """What a run found: by kind, device, type."""
    query = select(ReconciliationDifference).where(ReconciliationDifference.run_id == run_id)
    return sorted(session.exec(query), key=_place)


def _place(one: ReconciliationDifference) -> tuple[int, str, str, str]:
    kinds = list(DifferenceKind)
    return kinds.index(one.kind), one.device_number, one.invoice_type or "", one.subject


def difference_for_change(
    session: Session, run_id: UUID, difference_id: UUID, principal: Principal
) -> ReconciliationDifference:
    """One difference of the run, locked until the transaction ends. Raises DifferenceNotFound."""
    found = session.exec(
        select(ReconciliationDifference)
        .where(
            ReconciliationDifference.id == difference_id, ReconciliationDifference.run_id == run_id
        )
        .with_for_update()
    ).one_or_none()
    if found is None or not principal.sees(found.enterprise_id):
        raise DifferenceNotFound
    return found
