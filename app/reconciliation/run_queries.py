"""Every select over runs of reconciliation and their differences."""

from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col, select

from app.accounts.principal import Principal
from app.contracts.periods import Period
from app.core.db import Session, dialect_name
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
    query = select(ReconciliationRun).where(
        ReconciliationRun.id == run_id, *_visible(session, principal)
    )
    found = session.exec(query).one_or_none()
    if found is None:
        raise RunNotFound
    return found


def _visible(session: Session, principal: Principal) -> list[sa.ColumnElement[bool]]:
    """One limited to some enterprises sees the own runs with nothing foreign in them."""
    seen = principal.enterprise_ids
    if seen is None:
        return []
    return [
        col(ReconciliationRun.started_by) == str(principal.id),
        ~_has_foreign(seen),
        ~_covers_foreign(session, seen),
    ]


def _has_foreign(seen: Collection[UUID]) -> sa.ColumnElement[bool]:
    """Whether a run found something of other enterprises than these."""
    return sa.exists().where(
        col(ReconciliationDifference.run_id) == ReconciliationRun.id,
        col(ReconciliationDifference.enterprise_id).not_in(seen),
    )


def _covers_foreign(session: Session, seen: Collection[UUID]) -> sa.ColumnElement[bool]:
    """Whether a run names a device of other enterprises than these."""
    if dialect_name(session) == "postgresql":
        named = sa.func.json_array_elements(ReconciliationRun.devices).table_valued("value")
        device_id = sa.func.json_extract_path_text(named.c.value, "device_id")
        is_named = sa.cast(device_id, sa.Uuid) == col(Device.id)
    else:
        named = sa.func.json_each(ReconciliationRun.devices).table_valued("value")
        device_id = sa.func.json_extract(named.c.value, "$.device_id")
        # SQLite keeps an id as its digits alone.
        is_named = sa.func.replace(device_id, "-", "") == sa.cast(col(Device.id), sa.String)
    return (
        sa.select(col(Device.id))
        .select_from(named)
        .join(Device, is_named)
        .where(col(Device.enterprise_id).not_in(seen))
        .correlate(ReconciliationRun)
        .exists()
    )


def page_of_runs(
    session: Session,
    principal: Principal,
    page: PageRequest,
    *,
    period: Period | None = None,
    operator_id: UUID | None = None,
) -> tuple[list[ReconciliationRun], str | None]:
    """Those this principal may see, newest first."""
    query = select(ReconciliationRun).where(*_visible(session, principal))
    if period is not None:
        query = query.where(ReconciliationRun.period == period)
    if operator_id is not None:
        query = query.where(ReconciliationRun.operator_id == operator_id)
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
