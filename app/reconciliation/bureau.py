"""同步税务信息: the bureau's view of the period held against what the devices show. Pure.

The bureau speaks of the period a device reported last. A later one than the period compared means that
this one is over; an earlier one, that it has not been reported.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.contracts.devices import BureauState, BureauTypeView, BureauView, InvoiceType, Monitor
from app.contracts.periods import Period, is_cleared, is_reported


class OwnState(StrEnum):
    """How far a type is for the period, as its device shows it."""

    NOT_REPORTED = "not_reported"
    REPORTED = "reported"
    CLEARED = "cleared"


class Agreement(StrEnum):
    """Whether bureau and device say the same."""

    AGREES = "agrees"
    DIFFERS = "differs"
    NOT_TOLD = "not_told"


_SAME = {
    BureauState.READY: OwnState.REPORTED,
    BureauState.NOT_FILED: OwnState.REPORTED,
    BureauState.MISMATCH: OwnState.REPORTED,
    BureauState.PENDING: OwnState.REPORTED,
    BureauState.CLEARED: OwnState.CLEARED,
}


@dataclass(frozen=True, slots=True)
class TypeAgreement:
    """One type: the bureau's state for the period beside the device's. `message` is the bureau's own."""

    invoice_type: InvoiceType
    bureau: BureauState
    message: str
    own: OwnState
    agreement: Agreement


@dataclass(frozen=True, slots=True)
class Told:
    """What came of asking the bureau about one device: its types, or why there are none."""

    asked_at: datetime | None = None
    message: str = ""
    types: tuple[TypeAgreement, ...] = ()

    @property
    def agreement(self) -> Agreement:
        """Of the whole device: the worst of its types."""
        found = {one.agreement for one in self.types}
        if Agreement.DIFFERS in found:
            return Agreement.DIFFERS
        return Agreement.AGREES if found == {Agreement.AGREES} else Agreement.NOT_TOLD


def told(view: BureauView, period: Period, monitors: Iterable[Monitor]) -> Told:
    """The bureau's view beside what the device shows for the period."""
    own = {one.invoice_type: own_state(one, period) for one in monitors}
    types = (_compared(one, period, own) for one in view.types if one.invoice_type in own)
    return Told(view.asked_at, types=tuple(types))


def own_state(monitor: Monitor, period: Period) -> OwnState:
    """How far the type is for the period by its device."""
    if is_cleared(period, monitor.lock_date):
        return OwnState.CLEARED
    if is_reported(period, monitor.lock_date, monitor.last_reported_at):
        return OwnState.REPORTED
    return OwnState.NOT_REPORTED


def summary(tellings: Iterable[Told | None]) -> str:
    """One sentence about all devices. None: the bureau was not asked about the device."""
    asked = [one for one in tellings if one is not None]
    if not asked:
        return "没有询问税务端；按“同步税务信息”可以询问并核对。"
    counts = {kind: sum(one.agreement is kind for one in asked) for kind in Agreement}
    parts = [f"{counts[Agreement.AGREES]} 台设备与税务端一致"]
    if counts[Agreement.DIFFERS]:
        parts.append(f"{counts[Agreement.DIFFERS]} 台不一致")
    if counts[Agreement.NOT_TOLD]:
        parts.append(f"{counts[Agreement.NOT_TOLD]} 台税务端没有提供")
    return f"已询问税务端：{'，'.join(parts)}。"


def _compared(
    view: BureauTypeView, period: Period, own: Mapping[InvoiceType, OwnState]
) -> TypeAgreement:
    state, mine = _for_period(view, period), own[view.invoice_type]
    return TypeAgreement(
        view.invoice_type, state, view.message, mine, _agreement(state, mine, own.values())
    )


def _for_period(view: BureauTypeView, period: Period) -> BureauState:
    """What the answer about the period reported last says about this one."""
    if view.period is None or view.period == period:
        return view.state
    return BureauState.CLEARED if view.period > period else BureauState.NOT_REPORTED


def _agreement(state: BureauState, own: OwnState, all_own: Iterable[OwnState]) -> Agreement:
    """While one type is not reported the bureau counts none as reported (docs/protocols.md, section 1)."""
    if state is BureauState.UNKNOWN:
        return Agreement.NOT_TOLD
    if state is BureauState.NOT_REPORTED:
        same = OwnState.NOT_REPORTED in all_own and own is not OwnState.CLEARED
    else:
        same = _SAME[state] is own
    return Agreement.AGREES if same else Agreement.DIFFERS
