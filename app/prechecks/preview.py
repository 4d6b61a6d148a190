"""Gathers what `effects` looks at: devices as read now or last, the ledger, the records. Changes nothing."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from app.accounts.principal import Principal
from app.clearing import queries
from app.clearing.models import ClearingRequest
from app.clearing.states import Mode
from app.contracts.devices import InvoiceType, Monitor
from app.core.db import Database, Session
from app.devices import queries as devices_queries
from app.devices import service as devices_service
from app.devices.connections import AgentClients
from app.devices.models import Device, DeviceMonitor
from app.invoices import queries as invoices_queries
from app.invoices import total_queries
from app.operators import queries as operators_queries
from app.operators.models import Operator
from app.prechecks import subject as facts
from app.prechecks.choice import Choice
from app.prechecks.effects import Effects, KnownDevice, KnownType, effects_of
from app.prechecks.readings import Read, Readings, read_devices
from app.prechecks.subject import in_clearing_order


def of_operator(
    session: Session,
    operator_id: UUID,
    choice: Choice,
    *,
    principal: Principal,
    device_ids: Sequence[UUID] | None = None,
    readings: Readings | None = None,
) -> Effects:
    """What clearing the operator's devices (or these of them) would do. Raises NotFound, NoDevices.

    By the readings of `read_now`, else by what was read last.
    """
    operator = operators_queries.visible(session, operator_id, principal)
    devices = devices_queries.in_use_of_operator(session, operator.id)
    chosen = facts.chosen_devices(devices, device_ids)
    return _effects(session, operator, choice, chosen, devices, readings or {})


async def read_now(
    database: Database,
    agents: AgentClients,
    operator_id: UUID,
    *,
    principal: Principal,
    at: datetime,
) -> Readings:
    """The operator's devices as they are now; nothing is kept. Raises NotFound."""

    def subject() -> facts.Subject:
        with database.reading() as session:
            operator = operators_queries.visible(session, operator_id, principal)
            usual = Choice.usual(facts.default_period(operator.lock_date, at))
            return facts.subject_of_operator(session, operator.id, usual)

    return await read_devices(agents, await asyncio.to_thread(subject), with_invoices=False)


def of_request(session: Session, request: ClearingRequest) -> Effects:
    """What executing the request will do, as things stand now."""
    operator = session.get_one(Operator, request.operator_id)
    targets = queries.devices_of_request(session, request.id)
    devices = devices_queries.in_use_of_operator(session, operator.id)
    chosen = [device for _, device in targets]
    return _effects(session, operator, Choice.of(request), chosen, devices, {})


def _effects(
    session: Session,
    operator: Operator,
    choice: Choice,
    chosen: Sequence[Device],
    devices: Sequence[Device],
    readings: Readings,
) -> Effects:
    ids = [device.id for device in chosen]
    return effects_of(
        choice,
        _known(session, in_clearing_order(chosen), choice, readings),
        settings=operator.preferences,
        left_out=(device.number for device in devices if device.id not in ids),
    )


def _known(
    session: Session, devices: Sequence[Device], choice: Choice, readings: Readings
) -> list[KnownDevice]:
    ids = [device.id for device in devices]
    monitors = devices_queries.monitors_of(session, ids)
    working = total_queries.working_totals(session, ids, choice.period)
    recorded = queries.cleared_types(session, ids, choice.period)
    drafts = invoices_queries.drafts_per_device(session, ids)
    cleared_before = queries.cleared_before(session, ids) if choice.mode is Mode.FIRST else set()
    known = [
        KnownDevice(
            device_id=device.id,
            number=device.number,
            kind=device.kind,
            read_at=device.read_at,
            types=_types(monitors[device.id]),
            groups=device.clear_groups,
            working={total.invoice_type: total.figures for total in working[device.id]},
            recorded=frozenset(InvoiceType(kind) for kind in recorded[device.id]),
            drafts=drafts[device.id],
            cleared_before=device.id in cleared_before,
        )
        for device in devices
    ]
    return [
        _as_read(session, device, one, readings.get(device.id))
        for device, one in zip(devices, known, strict=True)
    ]


def _as_read(
    session: Session, device: Device, known: KnownDevice, read: Read | None
) -> KnownDevice:
    """With what was read just now in place of what was read last."""
    if read is None or read.reading is None:
        fault = read.fault if read else None
        return replace(known, unreadable=fault.message if fault else "")
    reading = read.reading
    return replace(
        known,
        read_at=reading.read_at,
        types=_types(reading.monitors),
        groups=reading.clear_groups,
        changes=tuple(devices_service.differences(session, device, reading)),
    )


def _types(monitors: Sequence[DeviceMonitor] | Sequence[Monitor]) -> tuple[KnownType, ...]:
    return tuple(KnownType(m.invoice_type, m.lock_date, m.last_reported_at) for m in monitors)
