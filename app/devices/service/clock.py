"""校准时钟: have a device's clock set to the agent's time, where the device allows."""

from uuid import UUID

from app.accounts.principal import Principal
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.audit.canonical import JSON
from app.contracts.faults import FAULTS, fault
from app.contracts.operations import Operation, OperationKind, OperationRequest, OperationState
from app.core.clock import Clock
from app.core.db import Database
from app.core.ids import new_id
from app.devices import queries
from app.devices.agent_client import AgentFault
from app.devices.service.differences import Change
from app.devices.service.reading import client_for, refresh_device
from app.errors import Conflict
from app.settings import Settings

SECONDS = 60.0
"""How long the setting may take; the device may be in use."""


class DeviceClockFixed(Conflict):
    """The clock of this kind of device cannot be set from here."""

    code = "device.operation_unsupported"
    title = "该设备的时钟不能在此校准"
    remedy = FAULTS["device.operation_unsupported"].remedy


def set_clock(
    database: Database,
    device_id: UUID,
    *,
    principal: Principal,
    settings: Settings,
    clock: Clock,
) -> list[Change]:
    """Set the clock, then read the device again; returns what the reading found different.

    Setting it twice does no harm, so an answer that is lost asks for another press, nothing more. The
    outcome is on record either way. Raises NotFound, DeviceRetired, DeviceHasNoAgent,
    DeviceClockFixed, AgentFault.
    """
    with database.reading() as session:
        device = queries.visible(session, device_id, principal)
        client = client_for(session, device, settings)
        if not device.can_set_clock:
            raise DeviceClockFixed
        number, tax_no, drift = device.number, device.tax_no, device.clock_drift_seconds
    request = OperationRequest(
        id=new_id(),
        kind=OperationKind.SET_CLOCK,
        tax_no=tax_no or None,
        origin=principal.name[:200],
    )
    details: dict[str, JSON] = {"number": number, "operation": str(request.id), "drift": drift}
    try:
        operation = client.run(number, request, seconds=SECONDS)
    except AgentFault as error:
        _audit(database, device_id, principal, clock, details | {"result": error.fault.code})
        raise
    _audit(database, device_id, principal, clock, details | {"result": _result(operation)})
    if operation.state is not OperationState.SUCCEEDED:
        raise AgentFault(operation.fault or fault("agent.failed"))
    return refresh_device(database, device_id, principal=principal, settings=settings, clock=clock)


def _result(operation: Operation) -> str:
    return operation.fault.code if operation.fault is not None else operation.state.value


def _audit(
    database: Database,
    device_id: UUID,
    principal: Principal,
    clock: Clock,
    details: dict[str, JSON],
) -> None:
    with database.transaction() as session:
        audit.record(
            session,
            actor=principal.actor,
            action=AuditAction.DEVICE_CLOCK_SET,
            object_type="device",
            object_id=device_id,
            at=clock(),
            details=details,
        )
