"""分机 before 主机: a taxpayer's sub machines, and the requests a main machine's request waits for.

Sub machines are reported before the main machine (docs/domain.md, Pre-checks).
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from app.accounts.principal import Principal
from app.clearing.models import ClearingBatch, ClearingRequest, ClearingTarget
from app.clearing.states import OPEN_STATES, BatchState, RequestState
from app.core.db import Session
from app.devices.models import Device, DeviceState
from app.enterprises.queries import within
from app.operators.models import Operator

_Other = aliased(ClearingRequest)
_Main, _Sub = aliased(Device), aliased(Device)
_Own, _Theirs = aliased(ClearingTarget), aliased(ClearingTarget)


def sub_machines(session: Session, enterprise_id: UUID) -> list[Device]:
    """The taxpayer's sub machines (分机) that are not retired, by their number."""
    query = (
        select(Device)
        .where(
            Device.enterprise_id == enterprise_id,
            col(Device.machine_no) > 0,
            Device.state != DeviceState.RETIRED,
        )
        .order_by(col(Device.machine_no))
    )
    return list(session.exec(query))


def no_sub_is_due(now: datetime) -> sa.ColumnElement[bool]:
    """Of a request: no other one that runs, or is to start now, has a sub machine of its main machine."""
    paused = sa.select(col(ClearingBatch.id)).where(col(ClearingBatch.state) == BatchState.PAUSED)
    to_start = sa.and_(
        col(_Other.state) == RequestState.SCHEDULED,
        col(_Other.scheduled_for) <= now,
        sa.or_(col(_Other.batch_id).is_(None), col(_Other.batch_id).not_in(paused)),
    )
    goes_first = sa.or_(col(_Other.state) == RequestState.RUNNING, to_start)
    waits = (
        _subs_in_requests(sa.literal(1))
        .where(col(_Own.request_id) == col(ClearingRequest.id), goes_first)
        .correlate(ClearingRequest)
    )
    return sa.not_(waits.exists())


def running_subs(session: Session, request_id: UUID) -> list[str]:
    """The numbers of sub machines of the request's main machine that another request is clearing now."""
    query = _subs_in_requests(col(_Sub.number)).where(
        col(_Own.request_id) == request_id, col(_Other.state) == RequestState.RUNNING
    )
    return sorted(session.execute(query).scalars())


def held(
    session: Session, device_ids: Sequence[UUID], states: Collection[RequestState]
) -> set[UUID]:
    """Those of these devices that a request in one of the states has."""
    query = (
        select(ClearingTarget.device_id)
        .join(ClearingRequest, col(ClearingRequest.id) == ClearingTarget.request_id)
        .where(
            col(ClearingTarget.device_id).in_(device_ids),
            col(ClearingTarget.open),
            col(ClearingRequest.state).in_(states),
        )
    )
    return set(session.exec(query)) if states else set()


def holder(
    session: Session, device_ids: Sequence[UUID], *, besides: UUID | None = None
) -> ClearingRequest | None:
    """The open request, another one than `besides`, that has one of these devices; the first of several."""
    query = (
        select(ClearingRequest)
        .join(ClearingTarget, col(ClearingTarget.request_id) == ClearingRequest.id)
        .where(
            col(ClearingTarget.device_id).in_(device_ids),
            col(ClearingTarget.open),
            col(ClearingRequest.state).in_(OPEN_STATES),
            ClearingRequest.id != besides,
        )
        .order_by(col(ClearingRequest.id))
        .limit(1)
    )
    return session.exec(query).first()


def devices_named(
    session: Session, numbers: Collection[str], principal: Principal
) -> dict[str, tuple[UUID, Operator]]:
    """The devices with these numbers and whose they are, as far as this person may see them."""
    query = (
        select(Device.number, Device.id, Operator)
        .join(Operator, col(Operator.id) == Device.operator_id)
        .where(
            col(Device.number).in_(numbers),
            Device.state != DeviceState.RETIRED,
            within(principal, col(Operator.enterprise_id)),
        )
    )
    found = session.exec(query) if numbers else ()
    return {number: (device_id, operator) for number, device_id, operator in found}


def _subs_in_requests(wanted: Any) -> sa.Select[Any]:
    """Over main machines of a request, their sub machines in use, and the other requests of these."""
    return (
        sa.select(wanted)
        .select_from(_Own)
        .join(_Main, col(_Main.id) == col(_Own.device_id))
        .join(_Sub, col(_Sub.enterprise_id) == col(_Main.enterprise_id))
        .join(_Theirs, col(_Theirs.device_id) == col(_Sub.id))
        .join(_Other, col(_Other.id) == col(_Theirs.request_id))
        .where(
            col(_Main.machine_no) == 0,
            col(_Sub.machine_no) > 0,
            col(_Sub.state) != DeviceState.RETIRED,
            col(_Theirs.open),
            col(_Theirs.request_id) != col(_Own.request_id),
        )
    )


def subs_first(session: Session, requests: Sequence[ClearingRequest]) -> list[ClearingRequest]:
    """The same requests, those with a main machine last; else in the order given."""
    query = (
        sa.select(col(ClearingTarget.request_id))
        .join(Device, col(Device.id) == col(ClearingTarget.device_id))
        .where(
            col(ClearingTarget.request_id).in_([request.id for request in requests]),
            col(Device.machine_no) == 0,
        )
    )
    with_main = set(session.execute(query).scalars())
    return sorted(requests, key=lambda request: request.id in with_main)
