"""The devices' side of a reconciliation: statistics of the period and lock dates, read through the agents.

A device that cannot be read is a fact, not an error: it is compared with what was read last, and the
result says so. Where it is wanted, the bureau is asked for its view too (同步税务信息).
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from app.contracts.devices import DeviceReading, InvoiceType, Statistics
from app.contracts.periods import Period
from app.devices.agent_client import AgentClient
from app.devices.connections import AgentClients
from app.errors import QingkaError
from app.reconciliation.bureau import Told, told
from app.reconciliation.queries import SubjectDevice

AT_ONCE = 20
"""Devices read at the same time."""

BY_ITSELF = "由设备自行核对，税务端不提供查询。"
"""Why there is no view where the hardware holds the whole conversation with the bureau."""


@dataclass(frozen=True, slots=True)
class DeviceRead:
    """What came of reading one device. `message` says what could not be read, and why.

    `bureau` is None where the bureau was not asked.
    """

    statistics: tuple[Statistics, ...] | None = None
    lock_dates: Mapping[InvoiceType, date] | None = None
    enabled_at: date | None = None
    message: str = ""
    bureau: Told | None = None

    @property
    def complete(self) -> bool:
        """Whether everything could be read."""
        return self.statistics is not None and self.lock_dates is not None


async def read_devices(
    agents: AgentClients,
    subjects: Sequence[SubjectDevice],
    period: Period,
    *,
    ask_bureau: bool = False,
) -> dict[UUID, DeviceRead]:
    """Read all devices, some at a time; with the bureau's view of each when it is wanted."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(subject: SubjectDevice) -> DeviceRead:
        async with gate:
            return await _read(agents, subject, period, ask_bureau=ask_bureau)

    reads = await asyncio.gather(*(one(subject) for subject in subjects))
    return {subject.device_id: read for subject, read in zip(subjects, reads, strict=True)}


async def _read(
    agents: AgentClients, subject: SubjectDevice, period: Period, *, ask_bureau: bool
) -> DeviceRead:
    """The monitors first: without them the device is not there; then the statistics, then the bureau."""
    try:
        client = await agents.of(subject.agent_id)
        reading = await client.read_device_async(subject.number)
    except QingkaError as error:
        message = f"设备没有读到，只与上次读取的锁死日期核对：{error.detail}"
        not_told = Told(message="设备没有读到，没有询问税务端。") if ask_bureau else None
        return DeviceRead(message=message, bureau=not_told)
    statistics: tuple[Statistics, ...] | None = None
    message = ""
    try:
        found = await client.statistics_async(subject.number, period.first_day, period.last_day)
        statistics = tuple(found)
    except QingkaError as error:
        message = f"设备的统计没有读到，未核对张数和金额：{error.detail}"
    enabled_at = reading.info.enabled_at
    return DeviceRead(
        statistics,
        {monitor.invoice_type: monitor.lock_date for monitor in reading.monitors},
        enabled_at.date() if enabled_at else None,
        message,
        await _ask(client, reading, period) if ask_bureau else None,
    )


async def _ask(client: AgentClient, reading: DeviceReading, period: Period) -> Told:
    if reading.bureau_reachable is None:
        return Told(message=BY_ITSELF)
    try:
        view = await client.bureau_view_async(reading.info.number)
    except QingkaError as error:
        return Told(message=f"没有问到税务端：{error.detail}")
    return told(view, period, reading.monitors)
