"""移交: handing a device, an operator or an enterprise over moves the open requests along.

Rule 14 of docs/domain.md. What is running, or whose outcome is not known, is not handed over.
"""

from datetime import datetime
from uuid import UUID

from app.accounts import service as accounts_service
from app.accounts.principal import Principal
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.clearing import errors, evidence, queries
from app.clearing.models import ClearingRequest
from app.clearing.states import RequestState
from app.core.clock import Clock
from app.core.db import Session
from app.devices import queries as devices_queries
from app.devices import service as devices_service
from app.devices.models import Device
from app.devices.schemas import DeviceUpdate
from app.errors import Invalid
from app.operators import queries as operators_queries

_STUCK = frozenset({RequestState.RUNNING, RequestState.NEEDS_ATTENTION})


def move_requests_of_device(
    session: Session, device: Device, operator_id: UUID, *, principal: Principal, at: datetime
) -> None:
    """The open request of a device goes to its new operator. Raises HandoverBlocked."""
    for request in queries.open_requests_of_device(session, device.id):
        if request.state in _STUCK:
            raise errors.HandoverBlocked(f"申请 {request.number} 正在执行，结束后再移交")
        if len(queries.targets(session, request.id)) > 1:
            raise errors.HandoverBlocked(f"申请 {request.number} 含多台设备，请先取消该申请")
        before = str(request.operator_id)
        request.operator_id = operator_id
        request.updated_at = at
        session.add(request)
        _audit(session, request, principal, at, field="operator_id", before=before)


def hand_over_operator(
    session: Session, operator_id: UUID, to: UUID, *, principal: Principal, clock: Clock
) -> int:
    """All devices in use of an operator go to another one of the enterprise; gives how many."""
    operators_queries.visible(session, operator_id, principal)
    if to == operator_id:
        raise Invalid(errors={"to_operator_id": "不能移交给本人"})
    devices = devices_queries.in_use_of_operator(session, operator_id)
    for device in devices:
        devices_service.change_device(
            session,
            device.id,
            data=DeviceUpdate(operator_id=to),
            principal=principal,
            at=clock(),
        )
    return len(devices)


def hand_over_enterprise(
    session: Session,
    enterprise_id: UUID,
    *,
    from_account: UUID,
    to_account: UUID,
    principal: Principal,
    clock: Clock,
) -> int:
    """The enterprise and the open requests of one accountant go to another; gives how many requests."""
    accounts_service.move_enterprise(
        session, enterprise_id, from_account=from_account, to_account=to_account
    )
    receiver = accounts_service.find(session, to_account)
    requests = queries.open_requests_by(session, enterprise_id, str(from_account))
    for request in requests:
        before = request.requested_by
        request.requested_by = str(receiver.id)
        request.requested_by_name = receiver.display_name or receiver.name
        request.updated_at = clock()
        session.add(request)
        _audit(session, request, principal, clock(), field="requested_by", before=before)
    audit.record(
        session,
        actor=principal.actor,
        action=AuditAction.ENTERPRISE_HANDED_OVER,
        object_type="enterprise",
        object_id=str(enterprise_id),
        at=clock(),
        details={
            "from": str(from_account),
            "to": str(to_account),
            "requests": [request.number for request in requests],
        },
    )
    return len(requests)


def _audit(
    session: Session,
    request: ClearingRequest,
    principal: Principal,
    at: datetime,
    *,
    field: str,
    before: str,
) -> None:
    audit.record(
        session,
        actor=principal.actor,
        action=AuditAction.CLEARING_HANDED_OVER,
        object_type="clearing_request",
        object_id=str(request.id),
        at=at,
        details={
            "number": request.number,
            field: [before, str(getattr(request, field))],
            **evidence.of_request(session, request),
        },
    )
