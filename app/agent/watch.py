"""Watching: every device is probed while it is idle, so that plugging and unplugging shows in seconds."""

from collections.abc import Callable, Sequence
from threading import Lock

from app.agent.managed import ManagedDevice
from app.agent.scheduler import Scheduler

LOCAL_DRIVERS = frozenset({"serial_converter", "operate_disk"})
"""Families whose hardware hangs on the agent's own computer."""

_MOST_AT_ONCE = 32
_MOST_PER_SECOND = 200.0
"""With more devices than this rate allows, each is probed more seldom."""


class Watch:
    """Schedules the probes. An operation on a port is never delayed by a probe that waits its turn."""

    def __init__(
        self, devices: Sequence[ManagedDevice], scheduler: Scheduler, *, seconds: float
    ) -> None:
        self._devices = devices
        self._scheduler = scheduler
        self._seconds = max(seconds, len(devices) / _MOST_PER_SECOND)
        self._lock = Lock()
        self._running = 0

    def start(self) -> None:
        """Probe every device soon, and from then on regularly."""
        for index, device in enumerate(self._devices):
            delay = self._seconds / 4 * index / len(self._devices)
            self._scheduler.after(delay, self._turn(device))

    def look_now(self) -> None:
        """Something was plugged or unplugged: look at what hangs on this computer, out of turn."""
        for device in self._devices:
            if device.config.driver in LOCAL_DRIVERS and not device.port.busy and self._begin():
                device.port.submit(self._out_of_turn(device))

    def _out_of_turn(self, device: ManagedDevice) -> Callable[[], None]:
        def probe() -> None:
            try:
                device.probe()
            finally:
                self._end()

        return probe

    def _turn(self, device: ManagedDevice) -> Callable[[], None]:
        def turn() -> None:
            if device.port.busy:
                self._scheduler.after(self._seconds, turn)
            elif not self._begin():
                self._scheduler.after(0.05, turn)
            else:
                device.port.submit(probe)

        def probe() -> None:
            try:
                device.probe()
            finally:
                self._end()
                self._scheduler.after(self._seconds, turn)

        return turn

    def _begin(self) -> bool:
        with self._lock:
            if self._running >= _MOST_AT_ONCE:
                return False
            self._running += 1
            return True

    def _end(self) -> None:
        with self._lock:
            self._running -= 1
