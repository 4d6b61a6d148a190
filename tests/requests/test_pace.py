"""The queue is looked into often while there is work, and seldom after a quiet time."""

import pytest

from app.requests.run import pace
from app.requests.run.pace import BUSY_SECONDS, IDLE_SECONDS, Pace


@pytest.fixture
def told() -> list[float]:
    return []


@pytest.fixture
def paced(told: list[float]) -> Pace:
    paced = Pace()
    paced.set_by(told.append)
    return paced


def test_it_begins_busy_and_stays_so_for_a_while(paced: Pace, told: list[float]) -> None:
    paced.keep(busy=False)
    assert (paced.seconds, told) == (BUSY_SECONDS, [])


def test_it_slows_down_once_and_speeds_up_with_the_first_work(
    paced: Pace, told: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "QUIET_SECONDS", 0.0)
    paced.keep(busy=False)
    paced.keep(busy=False)
    assert told == [IDLE_SECONDS]
    monkeypatch.setattr(pace, "QUIET_SECONDS", 60.0)
    paced.keep(busy=True)
    paced.keep(busy=True)
    assert told == [IDLE_SECONDS, BUSY_SECONDS]


def test_what_could_not_be_set_is_set_at_the_next_word(
    paced: Pace, told: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: float) -> None:
        raise OSError("the database is away")

    monkeypatch.setattr(pace, "QUIET_SECONDS", 0.0)
    paced.set_by(away)
    paced.keep(busy=False)
    paced.set_by(told.append)
    paced.keep(busy=False)
    assert told == [IDLE_SECONDS]
