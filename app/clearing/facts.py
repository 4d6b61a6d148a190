"""Gathers what the pre-checks look at: the registers, the ledger, and the devices themselves."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from app.backups import service as backups_service
from app.clearing import queries
from app.clearing.prechecks import DeviceFacts, DeviceFault, Facts
from app.clearing.states import Scope, TargetState
from app.clearing.window import parse_window
from app.contracts.devices import DeviceInvoice, DeviceReading, InvoiceType
from app.contracts.periods import Period, due_period
from app.contracts.tax_numbers import is_valid_tax_no
from app.core.clock import Clock, local_date
from app.core.db import Session
from app.devices import queries as devices_queries
from app.devices.connections import AgentClients
from app.devices.models import Device
from app.enterprises.models import Enterprise
from app.errors import QingkaError
from app.invoices import queries as invoices_queries
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class SubjectDevice:
    """One device to look at, as registered."""

    device_id: UUID
    number: str
    agent_id: UUID | None
    machine_no: int
    last_cleared_at: datetime | None


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to be cleared."""

    period: Period
    invoice_types: tuple[InvoiceType, ...]
    scope: Scope
    override_window: bool
    exceptional: bool
    tax_no: str
    taxpayer_name: str
    devices: tuple[SubjectDevice, ...]


@dataclass(frozen=True, slots=True)
class Read:
    """What came of reading one device."""

    reading: DeviceReading | None = None
    invoices: list[DeviceInvoice] | None = None
    fault: DeviceFault | None = None


Readings = Mapping[UUID, Read]


_NOT_DONE = (TargetState.WAITING, TargetState.RUNNING, TargetState.FAILED)


def subject_of_request(
    session: Session, request_id: UUID, *, states: Sequence[TargetState] = _NOT_DONE
) -> Subject:
    """The devices of a request that are in these states; else those that are not done yet."""
    request = queries.request(session, request_id)
    enterprise = session.get_one(Enterprise, request.enterprise_id)
    devices = [
        device
        for target, device in queries.devices_of_request(session, request_id)
        if target.state in states
    ]
    return Subject(
        Period(request.period),
        tuple(InvoiceType(kind) for kind in request.invoice_types),
        request.scope,
        request.override_window,
        request.exceptional,
        enterprise.tax_no,
        enterprise.name,
        tuple(_subject_device(device) for device in devices),
    )


def subject_of_operator(session: Session, operator_id: UUID, period: Period) -> Subject:
    """All devices in use of an operator."""
    devices = devices_queries.in_use_of_operator(session, operator_id)
    enterprise = session.get_one(Enterprise, devices[0].enterprise_id) if devices else None
    return Subject(
        period,
        (),
        Scope.FULL,
        False,
        False,
        enterprise.tax_no if enterprise else "",
        enterprise.name if enterprise else "",
        tuple(_subject_device(device) for device in devices),
    )


def default_period(lock_date: date | None, now: datetime) -> Period:
    """The period a person most likely means: the one due, never one that has not ended."""
    ended = Period.of(local_date(now)).plus(-1)
    return ended if lock_date is None else min(ended, due_period(lock_date))


async def read_devices(
    agents: AgentClients, subject: Subject, *, with_invoices: bool
) -> dict[UUID, Read]:
    """Read all devices at once; a device that can't be read is a fact, not an error."""
    reads = await asyncio.gather(
        *(_read(agents, device, subject.period, with_invoices) for device in subject.devices)
    )
    return {device.device_id: read for device, read in zip(subject.devices, reads, strict=True)}


async def _read(
    agents: AgentClients, device: SubjectDevice, period: Period, with_invoices: bool
) -> Read:
    try:
        client = await agents.of(device.agent_id)
        reading = await client.read_device_async(device.number)
        invoices = None
        if with_invoices:
            invoices = await client.invoices_async(device.number, period)
    except QingkaError as error:
        return Read(fault=_fault(error))
    return Read(reading, invoices)


def collect(
    session: Session, subject: Subject, readings: Readings, settings: Settings, clock: Clock
) -> Facts:
    """Everything the checks look at, with the devices as just read."""
    free, problem = _free_space(settings)
    ids = [device.device_id for device in subject.devices]
    cleared = queries.cleared_types(session, ids, subject.period)
    devices = tuple(
        DeviceFacts(
            device_id=device.device_id,
            number=device.number,
            machine_no=device.machine_no,
            tax_no=subject.tax_no,
            invoice_types=subject.invoice_types,
            reading=readings[device.device_id].reading,
            fault=readings[device.device_id].fault,
            drafts=invoices_queries.count_drafts(session, [device.device_id], until=subject.period),
            later_drafts=_later_drafts(session, device.device_id, subject),
            not_uploaded=invoices_queries.count_not_uploaded(
                session, [device.device_id], until=subject.period
            ),
            cleared_types=frozenset(InvoiceType(kind) for kind in cleared[device.device_id]),
            last_cleared_at=device.last_cleared_at,
        )
        for device in subject.devices
    )
    return Facts(
        now=clock(),
        period=subject.period,
        devices=devices,
        free_bytes=free,
        needed_bytes=settings.backup_min_free_mb << 20,
        target_problem=problem,
        peak_window=parse_window(settings.peak_window),
        override_window=subject.override_window,
        exceptional=subject.exceptional,
        min_days_between=settings.min_days_between_clearings,
        taxpayer_complete=bool(subject.taxpayer_name) and is_valid_tax_no(subject.tax_no),
    )


def _later_drafts(session: Session, device_id: UUID, subject: Subject) -> int:
    """Drafts of months after the period: a full clearing resets them."""
    if subject.scope is not Scope.FULL:
        return 0
    earlier = invoices_queries.count_drafts(session, [device_id], until=subject.period)
    return invoices_queries.count_drafts(session, [device_id]) - earlier


def _subject_device(device: Device) -> SubjectDevice:
    return SubjectDevice(
        device.id, device.number, device.agent_id, device.machine_no or 0, device.last_cleared_at
    )


def _fault(error: QingkaError) -> DeviceFault:
    return DeviceFault(
        error.code,
        error.detail,
        error.remedy,
        getattr(error, "device_code", ""),
        getattr(error, "device_message", ""),
    )


def _free_space(settings: Settings) -> tuple[int | None, str]:
    try:
        return backups_service.free_space(backups_service.storage_of(settings)), ""
    except backups_service.BackupFailed as error:
        return None, error.detail
