"""The devices' side of a reconciliation: statistics of the period and lock dates, read through the agents.

A device that cannot be read is a fact, not an error: it is compared with what was read last, and the
result says so. The agents' API offers no query of the bureau's books, and real bureaus none to ask; the
sentence for that is here.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from app.clearing.reconciliation.queries import SubjectDevice
from app.contracts.devices import InvoiceType, Statistics
from app.contracts.periods import Period
from app.devices.connections import AgentClients
from app.errors import QingkaError

AT_ONCE = 20
"""Devices read at the same time."""

BUREAU_HAS_NO_QUERY = "税务端没有提供属期查询接口，已与设备的统计和锁死日期核对。"


@dataclass(frozen=True, slots=True)
class DeviceRead:
    """What came of reading one device. `message` says what could not be read, and why."""

    statistics: tuple[Statistics, ...] | None = None
    lock_dates: Mapping[InvoiceType, date] | None = None
    enabled_at: date | None = None
    bureau_reachable: bool | None = None
    message: str = ""

    @property
    def complete(self) -> bool:
        """Whether everything could be read."""
        return self.statistics is not None and self.lock_dates is not None


async def read_devices(
    agents: AgentClients, subjects: Sequence[SubjectDevice], period: Period
) -> dict[UUID, DeviceRead]:
    """Read all devices, some at a time."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(subject: SubjectDevice) -> DeviceRead:
        async with gate:
            return await _read(agents, subject, period)

    reads = await asyncio.gather(*(one(subject) for subject in subjects))
    return {subject.device_id: read for subject, read in zip(subjects, reads, strict=True)}


def bureau_message(reads: Mapping[UUID, DeviceRead]) -> str:
    """What is to be said of the bureau's view of the period."""
    if any(read.bureau_reachable is False for read in reads.values()):
        return f"{BUREAU_HAS_NO_QUERY}税务端目前也无法访问。"
    return BUREAU_HAS_NO_QUERY


async def _read(agents: AgentClients, subject: SubjectDevice, period: Period) -> DeviceRead:
    """The monitors first: without them the device is not there; then the statistics."""
    try:
        client = await agents.of(subject.agent_id)
        reading = await client.read_device_async(subject.number)
    except QingkaError as error:
        return DeviceRead(message=f"设备没有读到，只与上次读取的锁死日期核对：{error.detail}")
    enabled_at = reading.info.enabled_at
    lock_dates = {monitor.invoice_type: monitor.lock_date for monitor in reading.monitors}
    statistics: tuple[Statistics, ...] | None = None
    message = ""
    try:
        found = await client.statistics_async(subject.number, period.first_day, period.last_day)
        statistics = tuple(found)
    except QingkaError as error:
        message = f"设备的统计没有读到，未核对张数和金额：{error.detail}"
    return DeviceRead(
        statistics,
        lock_dates,
        enabled_at.date() if enabled_at else None,
        reading.bureau_reachable,
        message,
    )
