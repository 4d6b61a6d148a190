"""A database that goes away in the middle of a stage: the stage is run again, for as long as is set."""

import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy.exc import OperationalError

from app.clearing.outcomes import Failure
from app.requests.run import context
from app.requests.run.context import StageFailed, repeat_when_lost

WAITS = (0.0, 0.0, 0.0)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "DATABASE_WAITS", WAITS)


class _Stage:
    """Raises one error after the other, then comes to its end."""

    def __init__(self, *errors: Exception) -> None:
        self._errors: Iterator[Exception] = iter(errors)
        self.runs = 0

    async def __call__(self) -> None:
        self.runs += 1
        for error in self._errors:
            raise error


def _lost() -> OperationalError:
    return OperationalError("SELECT 1", {}, Exception("terminating connection"))


def test_a_stage_that_loses_the_database_is_run_again() -> None:
    stage = _Stage(_lost(), _lost())
    asyncio.run(repeat_when_lost(stage))
    assert stage.runs == 3


def test_a_database_that_stays_away_ends_it() -> None:
    stage = _Stage(*(_lost() for _ in range(10)))
    with pytest.raises(OperationalError):
        asyncio.run(repeat_when_lost(stage))
    assert stage.runs == len(WAITS) + 1


def test_a_failure_of_the_stage_is_not_repeated() -> None:
    stage = _Stage(StageFailed(Failure("device.offline", "离线", "插上设备")))
    with pytest.raises(StageFailed):
        asyncio.run(repeat_when_lost(stage))
    assert stage.runs == 1
