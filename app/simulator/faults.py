"""Faults that can be switched on: what goes wrong, where, and how often."""

from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

BUREAU_MESSAGES = frozenset({"WLCB", "QLJS", "QLJSJGQR"})
DEVICE_MESSAGES = frozenset(
    {"SKSBBH", "SKPXXCX", "SKSBQTYXXCX", "JKSJCX", "TJXXCX", "FPCX", "SJCB", "JKHC", "SKPBSP"}
)
PROBE_MESSAGE = "LJCS"
"""Asks the bureau nothing but whether it answers; struck only by a fault that names it."""
ALL_MESSAGES = DEVICE_MESSAGES | BUREAU_MESSAGES


class FaultName(StrEnum):
    """What can go wrong."""

    LOST_BEFORE = "lost_before"  # the request is lost; nobody acted; the connection closes
    LOST_AFTER = "lost_after"  # it was acted upon, the answer is lost; the connection closes
    SLOW = "slow"  # acts and answers after some seconds
    BUSY = "busy"
    GARBAGE = "garbage"  # acted upon; the answer is damaged (as with a wrong CRC)
    HALF = "half"  # acted upon; the answer breaks off in the middle
    UNPLUGGED = "unplugged"
    LOCKED = "locked"
    WRONG_PASSWORD = "wrong_password"  # noqa: S105 - a fault, not a password
    SEVERAL_PERIODS = "several_periods"
    CLOCK_FACTOR = "clock_factor"
    BUREAU_DOWN = "bureau_down"
    NOT_FILED = "not_filed"
    MISMATCH = "mismatch"
    PENDING = "pending"
    DISK_FULL = "disk_full"
    REFUSE = "refuse"  # any code given


_ASKS_FILING = frozenset({"QLJS"})
SCOPES: dict[FaultName, frozenset[str]] = {name: ALL_MESSAGES for name in FaultName} | {
    FaultName.SLOW: ALL_MESSAGES | {PROBE_MESSAGE},
    FaultName.UNPLUGGED: DEVICE_MESSAGES,
    FaultName.LOCKED: frozenset({"SJCB", "JKHC"}),
    FaultName.WRONG_PASSWORD: DEVICE_MESSAGES - {"SKSBBH"},
    FaultName.SEVERAL_PERIODS: frozenset({"SJCB"}),
    FaultName.DISK_FULL: frozenset({"SJCB", "JKHC"}),
    FaultName.BUREAU_DOWN: BUREAU_MESSAGES,
    FaultName.CLOCK_FACTOR: _ASKS_FILING,
    FaultName.NOT_FILED: _ASKS_FILING,
    FaultName.MISMATCH: _ASKS_FILING,
    FaultName.PENDING: _ASKS_FILING,
}
"""The messages each fault can strike."""

_AFTER = (FaultName.LOST_AFTER, FaultName.GARBAGE, FaultName.HALF)


class FaultRequest(BaseModel):
    """POST /control/faults. Left out: any device, any message it can strike, any type, until removed."""

    model_config = ConfigDict(extra="forbid")

    fault: FaultName
    device: str | None = None
    message: str | None = Field(default=None, validate_default=False)
    invoice_type: str | None = None
    times: int | None = Field(default=None, ge=1)
    seconds: float = Field(default=1.0, ge=0, description="for slow")
    code: str = Field(default="-101", description="for refuse")
    text: str = Field(default="模拟拒绝", description="for refuse: returnmsg")

    @field_validator("message")
    @classmethod
    def _can_strike(cls, message: str | None, info: ValidationInfo) -> str | None:
        fault = info.data.get("fault")
        if message is not None and fault is not None and message not in SCOPES[fault]:
            raise ValueError(f"{fault} strikes only {sorted(SCOPES[fault])}")
        return message


class ActiveFault(FaultRequest):
    """A fault that is switched on; `times` counts down."""

    id: int

    def strikes(self, device: str, message: str, types: frozenset[str]) -> bool:
        """Whether it is meant for this message of this device."""
        return (
            message in SCOPES[self.fault]
            and self.device in (None, device)
            and (self.message == message or (self.message is None and message != PROBE_MESSAGE))
            and (self.invoice_type is None or self.invoice_type in types)
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What happens to one message: `instead` of acting, `after` acting, and how long it takes."""

    lost_before: bool = False
    seconds: float = 0
    instead: ActiveFault | None = None
    after: FaultName | None = None
    label: str = ""


class FaultBoard:
    """The faults switched on, oldest first. `changed` tells that they have to be stored again."""

    def __init__(self, active: list[ActiveFault]) -> None:
        self._active = active
        self.changed = False

    def all(self) -> list[ActiveFault]:
        """Every fault switched on."""
        return list(self._active)

    def add(self, request: FaultRequest, fault_id: int) -> ActiveFault:
        """Switch a fault on."""
        fault = ActiveFault(id=fault_id, **request.model_dump())
        self._active.append(fault)
        self.changed = True
        return fault

    def remove(self, fault_id: int | None = None) -> int:
        """Switch one fault (or all) off; says how many."""
        kept = [f for f in self._active if fault_id is not None and f.id != fault_id]
        removed = len(self._active) - len(kept)
        self._active[:] = kept
        self.changed = True
        return removed

    def is_on(self, name: FaultName, device: str) -> bool:
        """Whether a fault is on for a device, without using it up."""
        return any(f.fault is name and f.device in (None, device) for f in self._active)

    def takes_down(self, name: FaultName, device: str) -> bool:
        """Whether this fault strikes every message about a device, without using it up."""
        return any(
            f.fault is name and f.message is None and f.device in (None, device)
            for f in self._active
        )

    def take(self, device: str, message: str, types: frozenset[str]) -> Plan:
        """The plan for a message that has just arrived; uses up one time of each fault in it."""
        found = [f for f in self._active if f.strikes(device, message, types)]
        lost = next((f for f in found if f.fault is FaultName.LOST_BEFORE), None)
        if lost is not None:
            self._use(lost)
            return Plan(lost_before=True, label=lost.fault)
        slow = next((f for f in found if f.fault is FaultName.SLOW), None)
        after = next((f for f in found if f.fault in _AFTER), None)
        instead = next((f for f in found if f.fault not in (FaultName.SLOW, *_AFTER)), None)
        used = [fault for fault in (slow, instead, after) if fault is not None]
        for fault in used:
            self._use(fault)
        return Plan(
            seconds=slow.seconds if slow else 0,
            instead=instead,
            after=after.fault if after else None,
            label="+".join(fault.fault for fault in used),
        )

    def _use(self, fault: ActiveFault) -> None:
        if fault.times is None:
            return
        self.changed = True
        fault.times -= 1
        if fault.times == 0:
            self._active.remove(fault)
