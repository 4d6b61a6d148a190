"""What is looked at outside the database before a clearing: agents, devices, the bureau, the place for backups.

Everything is asked at the same time. What can't be reached is a fact, not an error.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from app.backups import service as backups_service
from app.contracts.devices import AgentStatus, BureauView, DeviceInvoice, DeviceReading, Statistics
from app.contracts.faults import FAULTS
from app.contracts.periods import Period, is_cleared
from app.core import migrate
from app.core.db import Database
from app.devices.agent_client import AgentClient
from app.devices.connections import AgentClients
from app.errors import QingkaError
from app.invoices.figures import of_device
from app.invoices.unfinished import Waiting
from app.prechecks import DeviceFault
from app.prechecks.facts import reported_all
from app.prechecks.subject import Subject, SubjectDevice
from app.settings import Settings

FEW = 100
"""So many invoices are read while somebody waits for the checks; a serial device takes some 0.1 s each."""


@dataclass(frozen=True, slots=True)
class Read:
    """What came of reading one device. `bureau` is None too where there was nothing to ask.

    `statistics` None: not asked for, or the device gives none, and `statistics_fault` says why.
    `waiting` is what is not uploaded of the period, asked where its invoices are few and not read anyway.
    """

    reading: DeviceReading | None = None
    invoices: list[DeviceInvoice] | None = None
    statistics: Sequence[Statistics] | None = None
    statistics_fault: DeviceFault | None = None
    waiting: Waiting | None = None
    fault: DeviceFault | None = None
    agent: AgentStatus | None = None
    bureau: BureauView | None = None
    bureau_fault: DeviceFault | None = None


Readings = Mapping[UUID, Read]


@dataclass(frozen=True, slots=True)
class Space:
    """Room for backups in bytes; None with the problem when the target can't be used."""

    free_bytes: int | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """Everything as it was found. `subs` are sub machines outside the subject, read to know how far they are."""

    devices: Readings
    subs: Readings
    space: Space
    schema: tuple[str, str]


async def look(
    database: Database,
    agents: AgentClients,
    settings: Settings,
    subject: Subject,
    *,
    with_invoices: bool,
) -> Look:
    """Look at everything the pre-checks of this subject need, all at once."""
    devices, subs, space, schema = await asyncio.gather(
        read_devices(agents, subject, with_invoices=with_invoices, thorough=True),
        _read_all(agents, (sub.device for sub in subject.subs if sub.is_open), subject.period),
        asyncio.to_thread(_free_space, settings),
        asyncio.to_thread(_schema, database),
    )
    return Look(devices, subs, space, schema)


async def read_devices(
    agents: AgentClients, subject: Subject, *, with_invoices: bool, thorough: bool = False
) -> dict[UUID, Read]:
    """Read all devices at once; `thorough`: with what their agents are and what the bureau says."""
    reads = await asyncio.gather(
        *(
            _read(agents, device, subject.period, with_invoices=with_invoices, thorough=thorough)
            for device in subject.devices
        )
    )
    return {device.device_id: read for device, read in zip(subject.devices, reads, strict=True)}


async def _read_all(
    agents: AgentClients, devices: Iterable[SubjectDevice], period: Period
) -> dict[UUID, Read]:
    wanted = list(devices)
    reads = await asyncio.gather(*(_read(agents, device, period) for device in wanted))
    return {device.device_id: read for device, read in zip(wanted, reads, strict=True)}


async def _read(
    agents: AgentClients,
    device: SubjectDevice,
    period: Period,
    *,
    with_invoices: bool = False,
    thorough: bool = False,
) -> Read:
    agent: AgentStatus | None = None
    try:
        client = await agents.of(device.agent_id)
        agent = await client.status_async() if thorough else None
        reading = await client.read_device_async(device.number)
        invoices = None
        if with_invoices:
            invoices = await client.invoices_async(device.number, period)
        statistics, none_because = None, None
        if thorough:
            statistics, none_because = await statistics_of(client, device.number, period)
        waiting = None
        if invoices is None and _are_few(reading, statistics, period):
            waiting = await _waiting(client, device.number, period)
    except QingkaError as error:
        return Read(fault=fault_of(error), agent=agent)
    found = Read(reading, invoices, statistics, none_because, agent=agent, waiting=waiting)
    if not (thorough and _bureau_can_say(reading, period)):
        return found
    view, fault = await _ask_bureau(client, device.number)
    return replace(found, bureau=view, bureau_fault=fault)


async def statistics_of(
    client: AgentClient, number: str, period: Period
) -> tuple[list[Statistics] | None, DeviceFault | None]:
    """The device's own totals of the period; of a device that gives none, why. Raises what may pass."""
    try:
        return await client.statistics_async(number, period.first_day, period.last_day), None
    except QingkaError as error:
        known = FAULTS.get(error.code)
        if known is None or known.retryable:
            raise
        return None, fault_of(error)


def _are_few(
    reading: DeviceReading, statistics: Sequence[Statistics] | None, period: Period
) -> bool:
    """Whether the device says of every type how many invoices it has, and they are read within seconds."""
    told = of_device(statistics or (), period)
    known = all(one.invoice_type in told for one in reading.monitors)
    return known and sum(one.count for one in told.values()) <= FEW


async def _waiting(client: AgentClient, number: str, period: Period) -> Waiting | None:
    """What is not uploaded; None of a device that gives no invoices. Raises what may pass."""
    try:
        return Waiting.of(await client.invoices_async(number, period))
    except QingkaError as error:
        known = FAULTS.get(error.code)
        if known is None or known.retryable:
            raise
        return None


def _bureau_can_say(reading: DeviceReading, period: Period) -> bool:
    """Before the report it knows nothing of the period; after the clearing nothing is left to know."""
    if not reading.bureau_reachable or not reported_all(reading, period):
        return False
    return not all(is_cleared(period, one.lock_date) for one in reading.monitors)


async def _ask_bureau(
    client: AgentClient, number: str
) -> tuple[BureauView | None, DeviceFault | None]:
    try:
        return await client.bureau_view_async(number), None
    except QingkaError as error:
        return None, fault_of(error)


def fault_of(error: QingkaError) -> DeviceFault:
    """A failed call as a fact."""
    return DeviceFault(
        error.code,
        error.detail,
        error.remedy,
        getattr(error, "device_code", ""),
        getattr(error, "device_message", ""),
    )


def _free_space(settings: Settings) -> Space:
    try:
        return Space(backups_service.free_space(backups_service.storage_of(settings)))
    except backups_service.BackupFailed as error:
        return Space(None, error.detail)


def _schema(database: Database) -> tuple[str, str]:
    return migrate.current_revision(database) or "", migrate.newest_revision()
