"""Finding the differences: the facts of many devices gathered, each compared. Changes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from app.accounts.principal import Principal
from app.clearing import queries as clearing_queries
from app.contracts.devices import InvoiceType
from app.contracts.periods import Period
from app.core.clock import local_date
from app.core.db import Session
from app.invoices import total_queries
from app.operators import queries as operators_queries
from app.reconciliation import bureau, comparison, queries
from app.reconciliation.comparison import DeviceFacts, Difference
from app.reconciliation.errors import ScopeTooLarge
from app.reconciliation.queries import SubjectDevice
from app.reconciliation.readings import DeviceRead

MAX_DEVICES = 500
"""Of one comparison: each is read."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What is compared: a period, of one operator or of all (`operator_id` None), with the bureau or not."""

    period: Period
    operator_id: UUID | None = None
    ask_bureau: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A difference and the device it is of."""

    device: SubjectDevice
    difference: Difference
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Findings:
    """What a comparison gave: the differences, and how each device could be read."""

    scope: Scope
    devices: tuple[tuple[SubjectDevice, DeviceRead], ...]
    found: tuple[Found, ...]
    bureau_message: str


def subjects(session: Session, scope: Scope, *, principal: Principal) -> list[SubjectDevice]:
    """The devices a comparison covers. Raises NotFound for an operator out of sight, ScopeTooLarge."""
    if scope.operator_id is not None:
        operators_queries.visible(session, scope.operator_id, principal)
    found = queries.subjects(session, principal, scope.operator_id, limit=MAX_DEVICES + 1)
    if len(found) > MAX_DEVICES:
        raise ScopeTooLarge(f"一次最多核对 {MAX_DEVICES} 台设备")
    return found


def find(
    session: Session,
    scope: Scope,
    devices: Sequence[SubjectDevice],
    reads: Mapping[UUID, DeviceRead],
) -> Findings:
    """Compare what was read with ledger and records; changes nothing."""
    facts = _facts(session, scope.period, devices, reads)
    found = tuple(
        Found(device, difference, difference.fingerprint(device.device_id, scope.period))
        for device in devices
        for difference in comparison.differences(facts[device.device_id])
    )
    read = tuple((device, reads[device.device_id]) for device in devices)
    return Findings(
        scope, read, found, bureau.summary(reads[one.device_id].bureau for one in devices)
    )


def _facts(
    session: Session,
    period: Period,
    devices: Sequence[SubjectDevice],
    reads: Mapping[UUID, DeviceRead],
) -> dict[UUID, DeviceFacts]:
    """Six selects however many devices there are, and one more for each code with a gap."""
    ids = [device.device_id for device in devices]
    totals = queries.ledger_totals(session, ids, period)
    gaps = queries.gaps(session, ids, period)
    statuses = total_queries.totals_of(session, ids, period)
    records = queries.succeeded_records(session, ids, period)
    cleared = clearing_queries.cleared_types(session, ids, period)
    stored = queries.stored_lock_dates(session, ids)
    facts = {}
    for device in devices:
        device_id, read = device.device_id, reads[device.device_id]
        facts[device_id] = DeviceFacts(
            period=period,
            totals=totals[device_id],
            gaps=gaps[device_id],
            statuses={
                one.invoice_type: comparison.TypeStatus(one.count, one.cleared)
                for one in statuses[device_id]
            },
            records=records[device_id],
            cleared_types=frozenset(InvoiceType(kind) for kind in cleared[device_id]),
            statistics=read.statistics,
            lock_dates=stored[device_id] if read.lock_dates is None else read.lock_dates,
            known_since=_known_since(device, read),
        )
    return facts


def _known_since(device: SubjectDevice, read: DeviceRead) -> Period:
    registered = Period.of(local_date(device.registered_at))
    return registered if read.enabled_at is None else max(registered, Period.of(read.enabled_at))
