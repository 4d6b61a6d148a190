"""自检 of one device: does it answer, with the number meant, and does it tell about itself."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from app.agent.drivers.base import DriverError
from app.agent.managed import ManagedDevice
from app.contracts.devices import DeviceInfo
from app.core.clock import Clock


@dataclass(frozen=True, slots=True)
class Check:
    """One step of a self-test: what, whether it went well, what was found."""

    name: str
    ok: bool
    text: str


@dataclass(frozen=True, slots=True)
class SelfTest:
    """The steps up to the first that failed. `at` is UTC."""

    at: datetime
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether every step went well."""
        return all(check.ok for check in self.checks)


def self_test(device: ManagedDevice, clock: Clock) -> SelfTest:
    """Test the device, on its port. Nothing on it changes; the password is spared like in every read."""
    steps: tuple[tuple[str, Callable[[], str]], ...] = (
        ("联机", lambda: _probed(device)),
        ("编号", lambda: _numbered(device)),
        ("设备信息", lambda: device.query(_told)),
    )
    checks: list[Check] = []
    for name, step in steps:
        checks.append(_check(name, step))
        if not checks[-1].ok:
            break
    return SelfTest(clock(), tuple(checks))


def _check(name: str, step: Callable[[], str]) -> Check:
    try:
        return Check(name, True, step())
    except DriverError as error:
        why = error.fault
        own = " ".join(part for part in (why.device_code, why.device_message) if part)
        text = f"{why.message}（{why.code}）{own}。{why.remedy}"
        return Check(name, False, text)


def _probed(device: ManagedDevice) -> str:
    device.used(device.driver.probe)
    return "设备应答正常"


def _numbered(device: ManagedDevice) -> str:
    number = device.used(device.driver.probe)
    device.require_number(number)
    return number


def _told(info: DeviceInfo) -> str:
    kinds = "、".join(kind.value for kind in info.invoice_types)
    return (
        f"{info.taxpayer_name} {info.tax_no}，版本 {info.version or '—'}，"
        f"票种 {kinds}，时钟 {info.clock_at:%Y-%m-%d %H:%M:%S}"
    )
