"""Every select over runs of reconciliation and their differences."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col, select

from app.accounts.principal import Principal
from app.contracts.periods import Period
from app.core.db import Session
from app.core.pagination import PageRequest, newest_first
from app.devices.models import Device
from app.reconciliation.errors import DifferenceNotFound, RunNotFound
from app.reconciliation.models import (
    DifferenceKind,
    DifferenceState,
    ReconciliationDifference,
    ReconciliationRun,
)


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
    """The run. Raises RunNotFound, also when it is another person's who may see more than this one may.

    One's own is foreign as well once it covers what one may not see any more.
    """
    found = session.get(ReconciliationRun, run_id)
    if found is None:
        raise RunNotFound
    seen = principal.enterprise_ids
    is_own = found.started_by == str(principal.id)
    if seen is not None and not (is_own and _is_all_of(session, found, seen)):
        raise RunNotFound
    return found


def _is_all_of(session: Session, run: ReconciliationRun, seen: Collection[UUID]) -> bool:
    """Whether all its devices, and all it found, belong to these enterprises."""
    devices = [UUID(one["device_id"]) for one in run.devices]
    foreign = sa.or_(
        sa.exists().where(col(Device.id).in_(devices), col(Device.enterprise_id).not_in(seen)),
        _has_foreign(sa.literal(run.id, sa.Uuid), seen),
    )
    return not session.scalar(sa.select(foreign))


def _has_foreign(run_id: Any, seen: Collection[UUID]) -> sa.ColumnElement[bool]:
    return sa.exists().where(
        col(ReconciliationDifference.run_id) == run_id,
        col(ReconciliationDifference.enterprise_id).not_in(seen),
    )


def page_of_runs(
    session: Session,
    principal: Principal,
    page: PageRequest,
    *,
    period: Period | None = None,
    operator_id: UUID | None = None,
) -> tuple[list[ReconciliationRun], str | None]:
    """Newest first; one limited to some enterprises sees the own ones that found nothing foreign."""
    query = select(ReconciliationRun)
    if period is not None:
        query = query.where(ReconciliationRun.period == period)
    if operator_id is not None:
        query = query.where(ReconciliationRun.operator_id == operator_id)
    if principal.enterprise_ids is not None:
        query = query.where(
            ReconciliationRun.started_by == str(principal.id),
            ~_has_foreign(ReconciliationRun.id, principal.enterprise_ids),
        )
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
