"""What a clearing is going to do to data, and what not: said before anybody confirms it.

Pure: what is known of the devices in, effects out; `preview.py` gathers. The workflow acts by the same rules
(`grouping`, `contracts.periods`), so that what is said here is what happens (docs/decisions/0008).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from app.clearing.completion import is_recorded, wanted_types
from app.clearing.outcomes import TypeDate, sentence
from app.clearing.states import Kind, Mode, Scope
from app.contracts.devices import DeviceKind, InvoiceType
from app.contracts.periods import is_cleared, is_reported
from app.devices.service import Change
from app.invoices.figures import Figures, total
from app.prechecks.choice import Choice


class RegisterEffect(StrEnum):
    """What becomes of the register (设备资料) before the device is cleared."""

    KEPT = "kept"  # as it is; differences are only told
    BASELINE = "baseline"  # the device's data are taken into the register
    UPDATED = "updated"  # the differences are saved


class Kept(StrEnum):
    """What no clearing of this choice changes."""

    OTHER_PERIODS = "other_periods"
    OTHER_DEVICES = "other_devices"
    INVOICE_CONTENTS = "invoice_contents"
    OTHER_TYPES = "other_types"
    DRAFTS = "drafts"
    SETTINGS = "settings"
    REGISTER = "register"


REGISTER_EFFECTS = {
    Mode.REGULAR: RegisterEffect.KEPT,
    Mode.FIRST: RegisterEffect.BASELINE,
    Mode.UPDATE: RegisterEffect.UPDATED,
}


@dataclass(frozen=True, slots=True)
class KnownType:
    """One authorised type. Both times are the device's own clock."""

    invoice_type: InvoiceType
    lock_date: date
    last_reported_at: datetime | None


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """A device as read, now or last, and the ledger of the period.

    `working`: invoices of the period that are not 已清卡 yet. `recorded`: types a record says are cleared
    for the period. `drafts`: of any period. `cleared_before`: a record of success exists. `changes`: what the
    device shows differently than the register; None when it was not read just now, with `unreadable` when
    that was tried. `read_at` None: never read, so its types are not known.
    """

    device_id: UUID
    number: str
    kind: DeviceKind
    read_at: datetime | None
    types: tuple[KnownType, ...]
    groups: Sequence[Sequence[str]]
    working: Mapping[InvoiceType, Figures]
    recorded: frozenset[InvoiceType]
    drafts: int
    cleared_before: bool = False
    changes: tuple[Change, ...] | None = None
    unreadable: str = ""


@dataclass(frozen=True, slots=True)
class TypeEffect:
    """A type that becomes cleared, and the invoices that become 已清卡 with it.

    `along`: not chosen, but clears together with a chosen one. `already`: the device shows it as cleared,
    so nothing is written into the device again.
    """

    invoice_type: InvoiceType
    along: bool
    already: bool
    invoices: Figures


@dataclass(frozen=True, slots=True)
class DeviceEffects:
    """What happens to one device and its part of the ledger.

    `report`: types that are reported (抄报) first. `not_reported`: types that stop a 税务清卡, which reports
    nothing. `untouched`: authorised types that stay as they are. `not_first` stops a 首次清卡.
    `executes`: whether anything is written into the device (taken so where it was never read); if not, it is
    only compared and noted down. `left`: types of the period that stay open, with their lock dates. `changes` and `unreadable` are those
    of the device as known.
    """

    device_id: UUID
    number: str
    kind: DeviceKind
    read_at: datetime | None
    report: tuple[InvoiceType, ...]
    not_reported: tuple[InvoiceType, ...]
    clear: tuple[TypeEffect, ...]
    untouched: tuple[InvoiceType, ...]
    drafts: int
    executes: bool
    left: tuple[TypeDate, ...]
    not_first: bool = False
    changes: tuple[Change, ...] | None = None
    unreadable: str = ""

    @property
    def invoices(self) -> Figures:
        """All invoices that become 已清卡."""
        return total(one.invoices for one in self.clear)


@dataclass(frozen=True, slots=True)
class Effects:
    """All of it. `settings` are the names of the personal settings that are reset.

    `left_out`: devices of the operator that stay as they are, being cleared for the period or not asked for.
    """

    choice: Choice
    register: RegisterEffect
    devices: tuple[DeviceEffects, ...]
    left_out: tuple[str, ...]
    settings: tuple[str, ...]

    @property
    def invoices(self) -> Figures:
        """All invoices that become 已清卡."""
        return total(device.invoices for device in self.devices)

    @property
    def executes(self) -> bool:
        """Whether anything is written into a device; else it is only compared and noted down."""
        return any(device.executes for device in self.devices)

    @property
    def left(self) -> tuple[TypeDate, ...]:
        """Types of the period that stay open on the devices dealt with."""
        return tuple(one for device in self.devices for one in device.left)

    @property
    def left_said(self) -> str:
        """The same in words; empty when nothing stays open."""
        return sentence((), self.left)

    @property
    def drafts(self) -> int:
        """How many drafts are removed."""
        return sum(device.drafts for device in self.devices)

    @property
    def keeps(self) -> tuple[Kept, ...]:
        """What is not touched."""
        kept = [Kept.OTHER_PERIODS, Kept.OTHER_DEVICES, Kept.INVOICE_CONTENTS]
        if any(device.untouched for device in self.devices):
            kept.append(Kept.OTHER_TYPES)
        if self.choice.scope is Scope.PARTIAL:
            kept += [Kept.DRAFTS, Kept.SETTINGS]
        if self.register is RegisterEffect.KEPT:
            kept.append(Kept.REGISTER)
        return tuple(kept)


def effects_of(
    choice: Choice,
    devices: Iterable[KnownDevice],
    *,
    settings: Iterable[str],
    left_out: Iterable[str] = (),
) -> Effects:
    """What clearing these devices does. A device whose types all are on record for the period is left out.

    Personal settings are reset only where something is executed.
    """
    known = tuple(devices)
    done = tuple(device for device in known if is_done(choice, device))
    affected = tuple(_device(choice, one) for one in known if one not in done)
    resets = choice.scope is Scope.FULL and any(device.executes for device in affected)
    return Effects(
        choice=choice,
        register=REGISTER_EFFECTS[choice.mode],
        devices=affected,
        left_out=(*(device.number for device in done), *left_out),
        settings=tuple(sorted(settings)) if resets else (),
    )


def is_done(choice: Choice, device: KnownDevice) -> bool:
    """Whether every type asked for is on record as cleared for the period."""
    wanted = frozenset(one.invoice_type for one in _wanted(choice, device))
    return is_recorded(wanted, device.recorded)


def _device(choice: Choice, device: KnownDevice) -> DeviceEffects:
    wanted = _wanted(choice, device)
    cleared = {one.invoice_type for one in wanted}
    open_types = tuple(
        one.invoice_type
        for one in device.types
        if not is_reported(choice.period, one.lock_date, one.last_reported_at)
    )
    reports = choice.kind is Kind.DEVICE
    clear = tuple(
        _type(choice, device, one) for one in wanted if one.invoice_type not in device.recorded
    )
    executes = device.read_at is None or any(not one.already for one in clear)
    return DeviceEffects(
        device_id=device.device_id,
        number=device.number,
        kind=device.kind,
        read_at=device.read_at,
        report=open_types if reports else (),
        not_reported=() if reports else open_types,
        clear=clear,
        untouched=tuple(
            one.invoice_type
            for one in device.types
            if one.invoice_type not in cleared or one.invoice_type in device.recorded
        ),
        drafts=device.drafts if choice.scope is Scope.FULL and executes else 0,
        executes=executes,
        left=tuple(
            TypeDate(device.number, one.invoice_type, one.lock_date)
            for one in device.types
            if one.invoice_type not in cleared and not is_cleared(choice.period, one.lock_date)
        ),
        not_first=choice.mode is Mode.FIRST and device.cleared_before,
        changes=device.changes,
        unreadable=device.unreadable,
    )


def _wanted(choice: Choice, device: KnownDevice) -> tuple[KnownType, ...]:
    if choice.scope is Scope.PARTIAL and not choice.invoice_types:
        return ()
    known = (one.invoice_type for one in device.types)
    kinds = wanted_types(choice.invoice_types, device.groups, known)
    return tuple(one for one in device.types if one.invoice_type in kinds)


def _type(choice: Choice, device: KnownDevice, known: KnownType) -> TypeEffect:
    chosen = choice.scope is Scope.FULL or known.invoice_type in choice.invoice_types
    return TypeEffect(
        invoice_type=known.invoice_type,
        along=not chosen,
        already=is_cleared(choice.period, known.lock_date),
        invoices=device.working.get(known.invoice_type, Figures()),
    )
