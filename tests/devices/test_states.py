"""States by the device's own clock: docs/domain.md, rule 2."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.devices.states import TypeState, as_shown, clock_now, is_zombie, type_state, worst

CLOCK = datetime(2026, 12, 9, 10, 42)


@pytest.mark.parametrize(
    ("reported", "lock", "state"),
    [
        (datetime(2026, 11, 4), date(2026, 12, 15), TypeState.NOT_REPORTED),
        (None, date(2026, 12, 15), TypeState.NOT_REPORTED),
        (datetime(2025, 12, 9), date(2026, 12, 15), TypeState.NOT_REPORTED),
        (datetime(2026, 12, 9, 10, 40), date(2026, 12, 15), TypeState.REPORTED),
        (datetime(2026, 12, 9, 10, 40), date(2027, 1, 18), TypeState.CLEARED),
        (datetime(2026, 11, 4), date(2027, 1, 18), TypeState.CLEARED),
        (datetime(2026, 12, 1), date(2026, 12, 9), TypeState.REPORTED),
        (datetime(2026, 12, 1), date(2026, 12, 8), TypeState.LOCKED),
        (datetime(2026, 12, 1), date(2026, 11, 15), TypeState.LOCKED),
    ],
)
def test_rule_2(reported: datetime | None, lock: date, state: TypeState) -> None:
    assert type_state(reported, lock, CLOCK) is state


def test_a_device_is_as_bad_as_its_worst_type() -> None:
    states = [TypeState.CLEARED, TypeState.REPORTED, TypeState.NOT_REPORTED, TypeState.LOCKED]
    for index, state in enumerate(states):
        assert worst(states[: index + 1]) is state
    assert worst([]) is None


@pytest.mark.parametrize(("days", "zombie"), [(90, False), (91, True), (0, False)])
def test_a_zombie_has_not_reported_for_more_than_90_days(days: int, zombie: bool) -> None:
    assert is_zombie([None, CLOCK - timedelta(days=days)], CLOCK) is zombie


def test_the_newest_report_counts_and_one_never_made_is_not_known() -> None:
    assert not is_zombie([CLOCK - timedelta(days=200), CLOCK - timedelta(days=3)], CLOCK)
    assert not is_zombie([None], CLOCK)


def test_the_clock_of_now_goes_by_the_drift() -> None:
    now = datetime(2026, 12, 31, 16, 30, tzinfo=UTC)
    assert clock_now(now, None) == datetime(2027, 1, 1, 0, 30)
    assert clock_now(now, -3600) == datetime(2026, 12, 31, 23, 30)
    assert as_shown(datetime(2027, 1, 1, 0, 30)) == now


@given(
    st.none() | st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),
    st.dates(date(2020, 1, 1), date(2030, 1, 1)),
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),
)
def test_every_reading_has_the_state_the_rule_gives(
    reported: datetime | None, lock: date, clock: datetime
) -> None:
    def month(day: date) -> int:
        return day.year * 12 + day.month

    now, rep = month(clock), month(reported) if reported else 0
    if lock < clock.date():
        expected = TypeState.LOCKED
    elif rep < now and month(lock) <= now:
        expected = TypeState.NOT_REPORTED
    elif month(lock) <= now:
        expected = TypeState.REPORTED
    else:
        expected = TypeState.CLEARED
    assert type_state(reported, lock, clock) is expected
