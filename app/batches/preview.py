"""What will become of each operator of a batch: cleared, skipped for a reason, or likely to fail; and whom it lacks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from app.accounts.principal import Principal
from app.batches.schemas import BatchCreate
from app.contracts.periods import Period
from app.core.db import Session
from app.devices import queries as devices_queries
from app.devices.models import Device, DeviceState
from app.devices.states import clock_now
from app.errors import QingkaError
from app.invoices import total_queries
from app.operators.models import Operator
from app.prechecks import queries as precheck_queries
from app.prechecks import subject
from app.prechecks.cases import Case, Foresight
from app.prechecks.facts import Reported, SubState, sub_state

LISTED = 100
"""So many operators are foretold one by one; all others are looked at when their request is made."""

Refusal = Callable[[Operator], QingkaError | None]
"""Why a single request of this operator would be refused, if it would."""


@dataclass(frozen=True, slots=True)
class Member:
    """One operator of a batch, as the register and the ledger know them now.

    `refusal` is why the batch will skip them; `blockers` what is likely to make it fail.
    """

    operator: Operator
    enterprise: str
    devices: tuple[str, ...]
    lock_date: date | None
    period: Period
    invoices: int
    refusal: QingkaError | None
    blockers: tuple[Case, ...]
    warnings: tuple[Case, ...]


@dataclass(frozen=True, slots=True)
class Missing:
    """An operator who is not in the batch, but whose sub machine a main machine in it waits for."""

    operator: Operator
    devices: tuple[str, ...]


def members(
    session: Session,
    operators: Sequence[Operator],
    data: BatchCreate,
    seen: Foresight,
    *,
    principal: Principal,
    refusal: Refusal,
    now: datetime,
) -> list[Member]:
    """The first operators of a batch, those that need a look first."""
    listed = operators[:LISTED]
    ids = [one.id for one in listed]
    devices: dict[UUID, list[Device]] = {one: [] for one in ids}
    for owned in precheck_queries.devices_of_operators(session, ids, principal):
        devices[owned.operator.id].append(owned.device)
    names = precheck_queries.enterprise_names(session, ids)
    periods = {one.id: data.period or subject.default_period(one.lock_date, now) for one in listed}
    counts = _invoices(session, devices, periods)
    found = [
        Member(
            operator=one,
            enterprise=names[one.id],
            devices=tuple(device.number for device in devices[one.id]),
            lock_date=one.lock_date,
            period=periods[one.id],
            invoices=counts[one.id],
            refusal=refusal(one),
            blockers=tuple(case for case in seen.blockers if case.operator_id == one.id),
            warnings=tuple(case for case in seen.warnings if case.operator_id == one.id),
        )
        for one in listed
    ]
    return sorted(found, key=_urgency)


def _urgency(member: Member) -> int:
    if member.refusal is not None:
        return 0
    if member.blockers:
        return 1
    return 2 if member.warnings else 3


def _invoices(
    session: Session, devices: Mapping[UUID, Sequence[Device]], periods: Mapping[UUID, Period]
) -> dict[UUID, int]:
    """How many invoices of the operator's period are not cleared yet: one select for each period."""
    counts = dict.fromkeys(devices, 0)
    for period in set(periods.values()):
        owners = {
            device.id: operator_id
            for operator_id, owned in devices.items()
            if periods[operator_id] == period
            for device in owned
        }
        for device_id, totals in total_queries.working_totals(session, owners, period).items():
            counts[owners[device_id]] += sum(one.figures.count for one in totals)
    return counts


def missing_subs(
    session: Session,
    operator_ids: Sequence[UUID],
    data: BatchCreate,
    *,
    principal: Principal,
    now: datetime,
) -> list[Missing]:
    """Whose sub machines are not reported although main machines of the batch wait for them."""
    owned = precheck_queries.devices_of_operators(session, operator_ids, principal)
    mains = [one for one in owned if not one.device.machine_no]
    taxpayers = sorted({one.enterprise.id for one in mains})
    subs = precheck_queries.sub_machines_of(session, taxpayers)
    own = {one.device.id for one in owned}
    others = [sub for found in subs.values() for sub in found if sub.id not in own]
    monitors = devices_queries.monitors_of(session, [sub.id for sub in others])
    lacking: dict[UUID, list[str]] = {}
    for main in mains:
        period = data.period or subject.default_period(main.operator.lock_date, now)
        for sub in others:
            if sub.enterprise_id != main.enterprise.id:
                continue
            types = [Reported(one.lock_date, one.last_reported_at) for one in monitors[sub.id]]
            shown = clock_now(now, sub.clock_drift_seconds)
            locked = sub.state is DeviceState.LOCKED
            if sub_state(types, period, shown, locked=locked) is SubState.WAITING:
                numbers = lacking.setdefault(sub.operator_id, [])
                numbers += [] if sub.number in numbers else [sub.number]
    found = [(session.get_one(Operator, one), tuple(numbers)) for one, numbers in lacking.items()]
    return [Missing(operator, numbers) for operator, numbers in found if operator.active]
