"""`qingka clear` with its exit codes, with a server on the same data directory and without one."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from subprocess import CompletedProcess

    from tests.e2e.conftest import NewWorld
    from tests.e2e.harness import Subject, World

SERVED = ("server", "no server")


@pytest.fixture(scope="module")
def world(new_shared_world: "NewWorld") -> "World":
    return new_shared_world(devices=6)


@pytest.fixture(params=SERVED)
def served(request: pytest.FixtureRequest) -> bool:
    """Whether a server runs while the command does."""
    return bool(request.param == SERVED[0])


def _clear(world: "World", subject: "Subject") -> "CompletedProcess[str]":
    return world.qingka("clear", "--operator", subject.code, "--period", subject.period)


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


def test_an_unknown_operator_is_exit_1(world: "World") -> None:
    done = world.qingka("clear", "--operator", "NOBODY", "--period", "2024-01")
    assert done.returncode == 1
    assert "NOBODY" in done.stderr
