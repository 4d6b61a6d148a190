"""The published table and rule 11 of docs/domain.md."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.calendar.rules import (
    FilingDeadline,
    Source,
    is_rest_day,
    published_deadlines,
    rule_deadline,
    statutory_deadline,
)
from app.contracts.periods import Period

PUBLISHED = sorted(published_deadlines())
BY_RULE_ALONE = [month for month in PUBLISHED if "2021" <= month[:4] <= "2024"]
months = st.builds(
    lambda year, month: Period(f"{year}-{month:02d}"), st.integers(2000, 2099), st.integers(1, 12)
)


def test_the_table_is_what_was_shared() -> None:
    assert len(PUBLISHED) == 72
    assert len(BY_RULE_ALONE) == 48
    assert published_deadlines()[Period("2022-10")] == FilingDeadline(
        Period("2022-10"), date(2022, 10, 25), Source.PUBLISHED, "税总办征科函〔2021〕201号"
    )


@pytest.mark.parametrize("month", PUBLISHED)
def test_published_rows_hold(month: Period) -> None:
    found = statutory_deadline(month)
    assert found.source is Source.PUBLISHED
    assert Period.of(found.deadline) == month
    assert found.deadline.day >= 15
    assert not is_rest_day(found.deadline)


@pytest.mark.parametrize("month", BY_RULE_ALONE)
def test_the_rule_alone_gives_2021_to_2024(month: Period) -> None:
    assert rule_deadline(month) == published_deadlines()[month].deadline


def _rests(*days: int) -> Callable[[date], bool]:
    return lambda day: day.day in days


@pytest.mark.parametrize(
    ("rest_days", "deadline"),
    [
        ((), 15),
        ((15, 16), 17),
        ((1, 2, 8, 9), 15),
        ((3, 4, 5), 18),
        ((3, 4, 5, 16, 17), 20),
        ((1, 2, 3, 8, 9, 10), 21),
        ((14, 15, 16), 17),
        ((13, 14, 15), 18),
        ((13, 14, 15, 16, 17), 20),
        ((3, 4, 5, 14, 15, 16), 19),
    ],
)
def test_the_rule_case_by_case(rest_days: tuple[int, ...], deadline: int) -> None:
    assert rule_deadline(Period("2030-06"), _rests(*rest_days)) == date(2030, 6, deadline)


@given(months)
def test_the_rule_always_gives_a_working_day_from_the_15th_on(month: Period) -> None:
    deadline = rule_deadline(month)
    assert Period.of(deadline) == month
    assert deadline.day >= 15
    assert not is_rest_day(deadline)


def test_rest_days_with_and_without_the_state_council() -> None:
    assert is_rest_day(date(2024, 2, 12))  # 春节
    assert not is_rest_day(date(2024, 2, 18))  # a Sunday worked in exchange
    saturday = date(2099, 5, 16)
    assert [is_rest_day(saturday + timedelta(days=n)) for n in (-1, 0, 1, 2)] == [
        False,
        True,
        True,
        False,
    ]


def test_months_not_in_the_table_are_told_as_computed() -> None:
    assert statutory_deadline(Period("2019-05")).source is Source.RULE
    assert statutory_deadline(Period("2099-12")) == FilingDeadline(
        Period("2099-12"), date(2099, 12, 15), Source.RULE
    )
