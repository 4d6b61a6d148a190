"""`qingka clear` with its exit codes, with a server on the same data directory and without one."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from subprocess import CompletedProcess

    from tests.e2e.conftest import NewWorld
    from tests.e2e.harness import Subject, World

SERVED = ("server", "no server")


@pytest.fixture(scope="module")
def world(new_shared_world: "NewWorld") -> "World":
    return new_shared_world(devices=10)


@pytest.fixture(params=SERVED)
def served(request: pytest.FixtureRequest) -> bool:
    """Whether a server runs while the command does."""
    return bool(request.param == SERVED[0])


def _clear(world: "World", subject: "Subject", *options: str) -> "CompletedProcess[str]":
    return world.qingka("clear", "--operator", subject.code, "--period", subject.period, *options)


def _request_of(world: "World", subject: "Subject") -> str:
    found = world.get("/clearing-requests", operator_id=subject.operator_id)["items"]
    assert len(found) == 1
    return str(found[0]["id"])


def _while_served(world: "World", served: bool, run: Callable[[], Any]) -> Any:
    """What `run` gives; afterwards the server runs in any case."""
    if served:
        return run()
    world.stop()
    try:
        return run()
    finally:
        world.start()


def test_exit_0_when_it_succeeds_and_1_for_a_duplicate(world: "World", served: bool) -> None:
    subject = world.subject()

    def run() -> tuple["CompletedProcess[str]", "CompletedProcess[str]"]:
        return _clear(world, subject), _clear(world, subject)

    first, second = _while_served(world, served, run)
    assert first.returncode == 0, first.stderr
    assert "清卡成功 QK" in first.stdout
    assert second.returncode == 1
    assert "clearing.duplicate" in second.stderr
    assert "请勿重复清卡" in second.stderr
    world.assert_cleared_once(subject, _request_of(world, subject))


def test_exit_1_says_why(world: "World", served: bool) -> None:
    subject = world.subject()
    world.file(subject, "not_filed")
    done = _while_served(world, served, lambda: _clear(world, subject))
    assert done.returncode == 1
    assert "bureau.not_filed" in done.stderr
    assert "先完成本期纳税申报" in done.stderr
    assert not world.simulation.cleared(subject.number)


def test_what_a_check_sees_beforehand_is_said_and_nothing_is_kept(
    world: "World", served: bool
) -> None:
    subject = world.subject()
    world.simulation.patch(subject.number, clock_offset_seconds=-25 * 3600)
    done = _while_served(world, served, lambda: _clear(world, subject))
    assert done.returncode == 1
    assert "clearing.blocked" in done.stderr
    assert "device.clock" in done.stderr
    assert "→" in done.stderr
    assert not world.get("/clearing-requests", operator_id=subject.operator_id)["items"]
    assert not world.simulation.cleared(subject.number)


def test_exit_3_when_the_outcome_is_not_known(
    world: "World", served: bool, until: Callable[..., Any]
) -> None:
    subject = world.subject()
    world.simulation.lose_the_clearing(subject.number, "004")

    def run() -> "CompletedProcess[str]":
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(_clear, world, subject)
            until(lambda: world.simulation.is_busy(subject.number), what="the device works")
            world.simulation.patch(subject.number, plugged=False)
            return running.result()

    done = _while_served(world, served, run)
    assert done.returncode == 3, done.stderr
    assert "device.outcome_unknown" in done.stderr
    world.simulation.patch(subject.number, plugged=True)
    world.assert_cleared_once(subject, _request_of(world, subject))


def test_a_past_date_is_refused_and_a_later_one_is_put_on_the_schedule(world: "World") -> None:
    subject = world.subject()
    past = _clear(world, subject, "--date", "2019-01-01")
    assert (past.returncode, "清卡日期 2019-01-01 已经过去" in past.stderr) == (1, True)
    assert not world.get("/clearing-requests", operator_id=subject.operator_id)["items"]
    later = (date.today() + timedelta(days=2)).isoformat()
    done = _clear(world, subject, "--date", later)
    assert done.returncode == 0, done.stderr
    assert f"{later} 09:00 自动执行" in done.stdout
    request = world.request(_request_of(world, subject))
    assert (request["state"], request["clearing_date"]) == ("scheduled", later)
    assert not world.simulation.log(subject.number, "SJCB")


def test_a_warning_is_named_and_accepted_by_its_code(world: "World") -> None:
    subject = world.subject()
    world.simulation.patch(subject.number, clock_offset_seconds=-9 * 60)
    stopped = _clear(world, subject)
    assert stopped.returncode == 1
    assert "--accept device.clock" in stopped.stderr
    assert not world.simulation.log(subject.number, "SJCB")
    done = _clear(world, subject, "--accept", "device.clock")
    assert done.returncode == 0, done.stderr
    assert sum(world.simulation.cleared(subject.number).values()) == 2


def test_an_unknown_operator_is_exit_1(world: "World") -> None:
    done = world.qingka("clear", "--operator", "NOBODY", "--period", "2024-01")
    assert done.returncode == 1
    assert "NOBODY" in done.stderr
