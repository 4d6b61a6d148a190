"""All devices of the simulation: loaded when first spoken to, found by number or machine."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime

from app.core.clock import Clock, local
from app.simulator.bureau import Registered
from app.simulator.device import VirtualDevice
from app.simulator.messages import Request
from app.simulator.model import DeviceState, Invoice
from app.simulator.store import Store


class DevicePark:
    """Devices over one store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._devices: dict[str, VirtualDevice] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._registered: dict[str, Registered] = {}
        self._by_machine: dict[str, str] = {}
        for registered, machine_code in store.registered():
            self._register(registered, machine_code)

    def true_time(self) -> datetime:
        """The right time, naive Asia/Shanghai."""
        return local(self._clock()).replace(tzinfo=None)

    def today(self) -> date:
        """The right day."""
        return self.true_time().date()

    def lock(self, number: str) -> asyncio.Lock:
        """Held while anything happens to a device."""
        return self._locks[number]

    def numbers(self) -> list[str]:
        """All device numbers, in the order they were added."""
        return list(self._registered)

    def registered(self, number: str) -> Registered | None:
        """What the bureau knows of a device."""
        return self._registered.get(number)

    def device(self, number: str) -> VirtualDevice:
        """A device. Raises KeyError for an unknown number."""
        if number not in self._devices:
            state = self._store.state(number)
            invoices = self._store.invoices(number)
            self._devices[number] = VirtualDevice(state, invoices, self.true_time)
        return self._devices[number]

    def add(self, state: DeviceState, invoices: list[Invoice]) -> None:
        """Add a device with its invoices. Raises ValueError when the number is taken."""
        if state.number in self._registered:
            raise ValueError(f"设备编号已存在: {state.number}")
        with self._store.transaction():
            self._store.keep_state(state)
            self._store.add_invoices(state.number, invoices)
        self._refresh(state)

    @contextmanager
    def changing(self, device: VirtualDevice) -> Iterator[None]:
        """One transaction around a change: the device's state is kept with all else written inside.

        When that fails, the device in memory is forgotten: memory never knows more than the file.
        """
        before = device.state.model_dump_json()
        try:
            with self._store.transaction():
                yield
                if device.state.model_dump_json() != before:
                    self._store.keep_state(device.state)
            self._refresh(device.state)
        except BaseException:
            self._devices.pop(device.state.number, None)
            raise

    def _refresh(self, state: DeviceState) -> None:
        types = tuple(one.invoice_type for one in state.types)
        registered = Registered(
            number=state.number, tax_no=state.taxpayer.tax_no, invoice_types=types
        )
        self._register(registered, state.machine_code)

    def _register(self, registered: Registered, machine_code: str) -> None:
        self._registered[registered.number] = registered
        if machine_code:
            self._by_machine[machine_code] = registered.number

    def find_number(self, request: Request) -> str | None:
        """Which device a message means: by device number, by machine number, or the only one."""
        named = request.get("sksbbh")
        if named:
            return named if named in self._registered else None
        machine = request.get("jqbh")
        if machine:
            known = machine if machine in self._registered else None
            return self._by_machine.get(machine, known)
        return next(iter(self._registered)) if len(self._registered) == 1 else None
