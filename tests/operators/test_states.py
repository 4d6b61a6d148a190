"""清卡状态 of an operator: the rules, and that Python and SQL agree on any day."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import col

from app.core.db import Database
from app.core.ids import new_id
from app.enterprises.models import Enterprise
from app.operators.models import NEVER_READ, Attention, Operator
from app.operators.states import ClearingState, state_conditions, state_of, state_ranges


@pytest.mark.parametrize(
    ("lock_date", "state"),
    [
        (date(2026, 12, 8), ClearingState.LOCKED),
        (date(2026, 11, 30), ClearingState.LOCKED),
        (date(2026, 12, 9), ClearingState.DUE),
        (date(2026, 12, 31), ClearingState.DUE),
        (date(2027, 1, 1), ClearingState.CLEARED),
        (None, ClearingState.DUE),
    ],
)
def test_the_lock_date_decides_when_nothing_runs(
    lock_date: date | None, state: ClearingState, today: date
) -> None:
    assert state_of(Attention.NONE, lock_date, today) is state


@pytest.mark.parametrize("lock_date", [None, date(2026, 12, 8), date(2027, 1, 15)])
def test_running_and_failed_come_before_the_lock_date(lock_date: date | None, today: date) -> None:
    assert state_of(Attention.RUNNING, lock_date, today) is ClearingState.RUNNING
    assert state_of(Attention.FAILED, lock_date, today) is ClearingState.FAILED


def test_ranges_are_in_order_and_apart(today: date) -> None:
    for state in ClearingState:
        ranges = state_ranges(state, today)
        assert all(a.last < b.first for a, b in pairwise(ranges))


days = st.dates(date(2020, 1, 1), date(2035, 12, 31))


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    attention=st.sampled_from(Attention),
    lock=st.none() | st.integers(-70, 70) | days,
    today=days,
)
def test_python_and_sql_agree(
    database: Database, attention: Attention, lock: int | date | None, today: date
) -> None:
    lock_date = today + timedelta(days=lock) if isinstance(lock, int) else lock
    with database.engine.connect() as connection, connection.begin() as transaction:
        enterprise, operator = new_id(), new_id()
        moment = sa.text("'2026-12-09 00:00:00'")
        connection.execute(
            sa.insert(Enterprise).values(
                id=enterprise,
                tax_no="110000000000001",
                name="甲",
                filing_cycle="monthly",
                revision=1,
                created_at=moment,
                updated_at=moment,
            )
        )
        connection.execute(
            sa.insert(Operator).values(
                id=operator,
                code="KP1",
                name="王",
                enterprise_id=enterprise,
                attention=attention,
                lock_date=lock_date,
                urgency=lock_date or NEVER_READ,
                device_count=0,
                revision=1,
                created_at=moment,
                updated_at=moment,
            )
        )
        holding = [
            state
            for state in ClearingState
            if connection.execute(
                sa.select(col(Operator.id)).where(state_conditions(state, today))
            ).all()
        ]
        transaction.rollback()
    assert holding == [state_of(attention, lock_date, today)]
