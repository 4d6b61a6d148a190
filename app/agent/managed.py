"""A configured device as the agent knows it: its driver, its port, and how it is right now."""

from collections.abc import Callable
from datetime import datetime
from threading import Lock
from typing import TypeVar

from app.agent.config import ConfigError, DeviceConfig
from app.agent.drivers.base import Capability, DeviceRefused, Driver, DriverError
from app.agent.ports import Port
from app.contracts.devices import (
    AgentEvent,
    AgentEventKind,
    DeviceInfo,
    DeviceReading,
    DeviceSummary,
    InvoiceType,
    LinkState,
    Monitor,
)
from app.contracts.faults import fault
from app.contracts.operations import Fault
from app.core.clock import Clock
from app.core.logging import get_logger

T = TypeVar("T")

_LEAST_TRIES = 2
"""Password tries that are left to people: with so few, reads do not use the password any more."""
_MOST_FAILURES = 3
"""Wrong passwords in a row after which reads stop, where the device does not tell the tries left."""
_GONE = frozenset({"device.disconnected", "device.timeout"})
_log = get_logger(__name__)

_FAULTY = frozenset(
    {
        "device.password_wrong",
        "device.password_missing",
        "device.number_mismatch",
        "device.answer_invalid",
        "device.fault",
        "device.clock_wrong",
    }
)


class PasswordInUse:
    """The password a device's driver works with, and how a corrected one is taken up without a restart.

    `read` gives what is configured now (file, keyring or configuration), `build` a driver with it.
    """

    def __init__(
        self, password: str, read: Callable[[], str], build: Callable[[str], Driver]
    ) -> None:
        self._password = password
        self._read = read
        self._build = build

    @property
    def known(self) -> bool:
        """Whether one is configured."""
        return bool(self._password)

    def corrected(self) -> Driver | None:
        """A driver with the password as it is configured now; None when it is still the same."""
        try:
            password = self._read()
        except ConfigError as error:
            _log.warning("password_not_readable", reason=str(error))
            return None
        if not password or password == self._password:
            return None
        self._password = password
        return self._build(password)


class ManagedDevice:
    """Its driver is used on its port only; the state may be read from any thread."""

    def __init__(
        self,
        config: DeviceConfig,
        driver: Driver,
        port: Port,
        *,
        simulated: bool,
        password: PasswordInUse,
        clock: Clock,
        publish: Callable[[AgentEvent], None],
    ) -> None:
        self.config = config
        self.driver = driver
        self.port = port
        self.simulated = simulated
        self._password = password
        self._standing = None if password.known else fault("device.password_missing")
        self._clock = clock
        self._publish = publish
        self._lock = Lock()
        self._locked = False
        self._wrong_passwords = 0
        self._tries_left: int | None = None
        self._summary = DeviceSummary(
            number=config.number,
            kind=driver.kind,
            driver=driver.family,
            transport=driver.transport,
            state=LinkState.DISCONNECTED,
            simulated=simulated,
            can_set_clock=Capability.SET_CLOCK in driver.capabilities,
            minimum_version=config.minimum_version,
        )

    @property
    def number(self) -> str:
        """设备编号; empty while it is neither configured nor was read."""
        return self._summary.number

    @property
    def summary(self) -> DeviceSummary:
        """How it is right now, as far as is known."""
        return self._summary

    # -- on the port -----------------------------------------------------------------------------

    def probe(self) -> None:
        """Notice whether it is there, without its password."""
        try:
            number = self._answer_to_probe()
            self.require_number(number)
        except DriverError as error:
            self.note_fault(error.fault)
        else:
            self._note_there(number)

    def _answer_to_probe(self) -> str:
        """One that was there and is only late is asked once more: a tax server that is busy for a moment would
        else report every device behind it as unplugged."""
        try:
            return self.driver.probe()
        except DriverError as error:
            away = self._summary.state is LinkState.DISCONNECTED
            if away or error.fault.code != "device.timeout":
                raise
        return self.driver.probe()

    def read_info(self) -> DeviceInfo:
        """设备信息, of the configured device. Raises `DriverError`."""
        self._require_password()
        info = self.used(self.driver.read_info)
        self._wrong_passwords, self._tries_left, self._standing = 0, None, None
        self._locked = info.locked
        self.used(lambda: self.require_number(info.number))
        return info

    def read_monitors(
        self, info: DeviceInfo, invoice_types: tuple[InvoiceType, ...]
    ) -> tuple[Monitor, ...]:
        """监控数据 of the given types. Raises `DriverError`."""
        monitors = tuple(
            self.used(lambda kind=kind: self.driver.read_monitor(info, kind))  # type: ignore[misc]
            for kind in invoice_types
        )
        self._note_there(info.number)
        return monitors

    def read(self) -> DeviceReading:
        """Everything. Refused without asking the device when password tries are running out."""
        self._spare_password()
        before = self._clock()
        info = self.read_info()
        after = self._clock()
        monitors = self.read_monitors(info, info.invoice_types)
        return DeviceReading(
            summary=self.summary,
            info=info,
            monitors=monitors,
            read_at=self._clock(),
            sent_at=before + (after - before) / 2,
            bureau_reachable=self.driver.bureau_reachable(info),
            clear_groups=tuple(self.driver.clear_groups(info.invoice_types)),
        )

    def query(self, call: Callable[[DeviceInfo], T]) -> T:
        """What `call` reads from the device, with the same regard for the password as `read`."""
        self._spare_password()
        info = self.read_info()
        return self.used(lambda: call(info))

    def used(self, call: Callable[[], T]) -> T:
        """The result of a call to the driver; a failure is noted in the state."""
        try:
            return call()
        except DriverError as error:
            self.note_fault(error.fault)
            raise

    # -- state -----------------------------------------------------------------------------------

    def note_fault(self, why: Fault) -> None:
        """Remember what a call to the device failed with."""
        if why.code == "device.password_wrong":
            self._wrong_passwords += 1
            self._tries_left = why.tries_left
            self._standing = why
        if why.code in _GONE:
            self._note(self.number, LinkState.DISCONNECTED, why)
        elif why.code == "device.locked":
            self._locked = True
            self._note(self.number, LinkState.LOCKED, why)
        elif why.code in _FAULTY:
            self._note(self.number, LinkState.FAULT, why)

    def announce(self) -> None:
        """Tell readers of the events that the device was changed by an operation."""
        self._publish(
            AgentEvent(kind=AgentEventKind.CHANGED, device=self.summary, at=self._clock())
        )

    def _note_there(self, number: str) -> None:
        """It answered; a password that is wrong or missing stays a fault until it is right.

        Locked is what it said of itself, or refused an operation with since: a lock date that is past
        stops it from issuing only (docs/decisions/0001).
        """
        if self._standing is not None:
            self._note(number, LinkState.FAULT, self._standing)
        else:
            why = fault("device.locked") if self._locked else None
            self._note(number, LinkState.LOCKED if why else LinkState.CONNECTED, why)

    def _note(self, number: str, state: LinkState, why: Fault | None) -> None:
        with self._lock:
            known = self._summary
            self._summary = known.model_copy(
                update={
                    "number": number or known.number,
                    "state": state,
                    "checked_at": self._clock(),
                    "error_code": why.code if why else None,
                    "error_message": why.message if why else None,
                }
            )
            kind = _change(known, self._summary)
        if kind is not None:
            at: datetime = self._clock()
            self._publish(AgentEvent(kind=kind, device=self._summary, at=at))

    # -- rules -----------------------------------------------------------------------------------

    def require_number(self, number: str) -> None:
        """It is the configured device. Raises `DeviceRefused`."""
        if self.config.number and number != self.config.number:
            raise DeviceRefused(
                fault(
                    "device.number_mismatch",
                    message=f"设备编号是 {number}，配置的是 {self.config.number}",
                )
            )

    def _require_password(self) -> None:
        self._take_corrected_password()
        if not self._password.known:
            raise DeviceRefused(fault("device.password_missing"))

    def _take_corrected_password(self) -> None:
        """After a wrong or missing password: one that was configured since is tried, once."""
        if self._standing is None or (driver := self._password.corrected()) is None:
            return
        self.driver.close()
        self.driver, self._tries_left = driver, None
        self._wrong_passwords = min(self._wrong_passwords, _MOST_FAILURES - 1)
        _log.info("corrected_password_taken_up", device=self.number)

    def _spare_password(self) -> None:
        self._take_corrected_password()
        few = self._tries_left is not None and self._tries_left <= _LEAST_TRIES
        if self._wrong_passwords and (few or self._wrong_passwords >= _MOST_FAILURES):
            raise DeviceRefused(
                fault(
                    "device.password_wrong",
                    message="设备口令错误，为保留剩余次数已停止读取",
                    tries_left=self._tries_left,
                )
            )


def _change(before: DeviceSummary, after: DeviceSummary) -> AgentEventKind | None:
    """The event that tells of the difference, if it is worth telling."""
    was_there = before.checked_at is not None and before.state is not LinkState.DISCONNECTED
    is_there = after.state is not LinkState.DISCONNECTED
    if before.checked_at is None or was_there != is_there:
        return AgentEventKind.CONNECTED if is_there else AgentEventKind.DISCONNECTED
    same = (before.number, before.state, before.error_code) == (
        after.number,
        after.state,
        after.error_code,
    )
    return None if same else AgentEventKind.CHANGED
