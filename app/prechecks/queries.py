"""Selects over many operators' devices, for what is known before a batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col, select

from app.accounts.principal import Principal
from app.core.db import Session
from app.devices.models import Device, DeviceState
from app.enterprises.models import Enterprise
from app.enterprises.queries import within
from app.operators.models import Operator

_PART = 200
"""Operators asked for at a time."""


@dataclass(frozen=True, slots=True)
class OperatorDevice:
    """A device in use with the operator and the enterprise it belongs to."""

    device: Device
    operator: Operator
    enterprise: Enterprise


def devices_of_operators(
    session: Session, operator_ids: Sequence[UUID], principal: Principal
) -> list[OperatorDevice]:
    """The devices in use of these operators, as far as this person may see them."""
    found: list[OperatorDevice] = []
    for start in range(0, len(operator_ids), _PART):
        statement = (
            select(Device, Operator, Enterprise)
            .join(Operator, col(Operator.id) == Device.operator_id)
            .join(Enterprise, col(Enterprise.id) == Device.enterprise_id)
            .where(
                col(Device.operator_id).in_(operator_ids[start : start + _PART]),
                col(Device.state) != DeviceState.RETIRED,
                within(principal, col(Device.enterprise_id)),
            )
            .order_by(sa.func.coalesce(col(Device.machine_no), 0), col(Device.number))
        )
        found += [OperatorDevice(*row) for row in session.exec(statement)]
    return found


def enterprise_names(session: Session, operator_ids: Sequence[UUID]) -> dict[UUID, str]:
    """The enterprise's name of each of these operators."""
    names: dict[UUID, str] = {}
    for start in range(0, len(operator_ids), _PART):
        rows = session.exec(
            select(Operator.id, Enterprise.name)
            .join(Enterprise, col(Enterprise.id) == Operator.enterprise_id)
            .where(col(Operator.id).in_(operator_ids[start : start + _PART]))
        )
        names |= dict(rows.all())
    return names


def sub_machines_of(session: Session, enterprise_ids: Sequence[UUID]) -> dict[UUID, list[Device]]:
    """The sub machines (分机) in use of these taxpayers."""
    found: dict[UUID, list[Device]] = {enterprise_id: [] for enterprise_id in enterprise_ids}
    for start in range(0, len(enterprise_ids), _PART):
        statement = (
            select(Device)
            .where(
                col(Device.enterprise_id).in_(enterprise_ids[start : start + _PART]),
                col(Device.machine_no) > 0,
                col(Device.state) != DeviceState.RETIRED,
            )
            .order_by(col(Device.machine_no))
        )
        for device in session.exec(statement):
            found[device.enterprise_id].append(device)
    return found
