"""Selects about the system as a whole."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import SQLModel, col, select

from app.accounts.principal import Principal
from app.clearing.models import ClearingRecord, ClearingRequest, EngineProcess
from app.clearing.states import Result
from app.core.db import Session
from app.devices.models import Agent, Device, DeviceState
from app.enterprises.queries import within
from app.jobs.models import Job
from app.notifications.models import Event
from app.operators.models import Operator
from app.system.models import IdempotencyKey

KEPT_FOR = timedelta(hours=24)
"""How long the answer to a POST with an Idempotency-Key is kept."""

_KEPT_ANSWER = sa.select(IdempotencyKey.__table__).where(  # type: ignore[attr-defined]
    col(IdempotencyKey.owner) == sa.bindparam("owner"),
    col(IdempotencyKey.key) == sa.bindparam("key"),
    col(IdempotencyKey.answered_at) > sa.bindparam("since"),
)


def kept_answer(connection: sa.Connection, owner: str, key: str, at: datetime) -> Any | None:
    """The row of an answer that is still kept."""
    wanted = {"owner": owner, "key": key, "since": at - KEPT_FOR}
    return connection.execute(_KEPT_ANSWER, wanted).one_or_none()


def forget_old_answer(session: Session, owner: str, key: str, at: datetime) -> None:
    """An answer kept long enough makes room for a new one."""
    session.execute(
        sa.delete(IdempotencyKey).where(
            col(IdempotencyKey.owner) == owner,
            col(IdempotencyKey.key) == key,
            col(IdempotencyKey.answered_at) <= at - KEPT_FOR,
        )
    )


def database_answers(session: Session) -> bool:
    """Whether the database answers."""
    return bool(session.connection().execute(sa.text("SELECT 1")).scalar() == 1)


@dataclass(frozen=True, slots=True)
class Connections:
    """Connections of a PostgreSQL server: allowed to ordinary users, in use, and who of ours is running."""

    allowed: int
    used: int
    processes: int


def connections(session: Session) -> Connections:
    """Count the connections of this PostgreSQL server and the processes that execute clearings on it."""
    row = session.connection().execute(
        sa.text(
            "SELECT current_setting('max_connections')::int"
            " - current_setting('superuser_reserved_connections')::int,"
            " (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')"
        )
    )
    allowed, used = row.one()
    processes = session.exec(select(sa.func.count()).select_from(EngineProcess)).one()
    return Connections(int(allowed), int(used), int(processes))


def totals(session: Session, principal: Principal) -> tuple[int, int]:
    """How many operators, and devices in use, the principal sees."""
    operators = session.exec(
        select(sa.func.count())
        .select_from(Operator)
        .where(within(principal, col(Operator.enterprise_id)))
    ).one()
    devices = session.exec(
        select(sa.func.count()).where(
            col(Device.state) != DeviceState.RETIRED,
            within(principal, col(Device.enterprise_id)),
        )
    ).one()
    return int(operators), int(devices)


def rows_of_tables(session: Session) -> dict[str, int]:
    """How many rows every table has."""
    return {
        table.name: int(session.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())
        for table in SQLModel.metadata.sorted_tables
    }


def recent_failures(session: Session, limit: int) -> list[ClearingRecord]:
    """The newest executions that did not succeed."""
    wanted = select(ClearingRecord).where(ClearingRecord.result != Result.SUCCEEDED)
    return list(session.exec(wanted.order_by(col(ClearingRecord.id).desc()).limit(limit)))


def clearings_by_state(session: Session) -> dict[str, int]:
    """How many requests there are in each state."""
    return _counts(session, col(ClearingRequest.state))


def devices_by_state(session: Session) -> dict[str, int]:
    """How many devices there are in each state."""
    return _counts(session, col(Device.state))


def agents_by_name(session: Session) -> dict[str, str]:
    """The state of every agent."""
    return {name: str(state) for name, state in session.exec(select(Agent.name, Agent.state))}


def events_waiting(session: Session) -> int:
    """Events of the outbox that nobody has spread yet."""
    wanted = select(sa.func.count()).where(col(Event.spread_at).is_(None))
    return int(session.exec(wanted).one())


def job_state(session: Session, name: str) -> dict[str, Any]:
    """What a recurring job remembers; nothing before it was entered."""
    job = session.get(Job, name)
    return {} if job is None else job.state


def _counts(session: Session, column: Any) -> dict[str, int]:
    rows = session.execute(sa.select(column, sa.func.count()).group_by(column))
    return {str(value): int(count) for value, count in rows}
