"""Selects about the system as a whole."""

import sqlalchemy as sa
from sqlmodel import col, select

from app.core.db import Session
from app.devices.models import Device, DeviceState
from app.operators.models import Operator


def database_answers(session: Session) -> bool:
    """Whether the database answers."""
    return bool(session.connection().execute(sa.text("SELECT 1")).scalar() == 1)


def totals(session: Session) -> tuple[int, int]:
    """How many operators, and devices in use, there are."""
    operators = session.exec(select(sa.func.count()).select_from(Operator)).one()
    devices = session.exec(
        select(sa.func.count()).where(col(Device.state) != DeviceState.RETIRED)
    ).one()
    return int(operators), int(devices)
