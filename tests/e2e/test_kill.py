"""kill -9 of the server at every stage: it goes on by itself, and nothing is done twice."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import NewWorld
    from tests.e2e.harness import Subject, World

HELD = 2.5
"""Seconds a message is held up, for the kill to come in the middle of it."""

Reach = Callable[["World", "Subject", str, Callable[..., Any]], None]


@pytest.fixture(scope="module")
def world(new_shared_world: "NewWorld") -> "World":
    return new_shared_world(devices=len(MOMENTS) + 1, settle=1.5)


def _in_stage(stage: str, message: str) -> Reach:
    def reach(
        world: "World", subject: "Subject", request_id: str, until: Callable[..., Any]
    ) -> None:
        world.in_stage(request_id, stage)
        assert not world.simulation.log(subject.number, "SJCB")

    return reach


def _after(message: str, following: str) -> Reach:
    """The message has been taken for both types, and the one that follows has not."""

    def reach(
        world: "World", subject: "Subject", request_id: str, until: Callable[..., Any]
    ) -> None:
        def there() -> bool:
            taken = world.simulation.log(subject.number, message)
            return sorted(",".join(kind for _, kind in taken).split(",")) == ["004", "007"]

        until(there, what=f"{message} of both types")
        assert not world.simulation.log(subject.number, following)

    return reach


def _while_writing(
    world: "World", subject: "Subject", request_id: str, until: Callable[..., Any]
) -> None:
    until(lambda: world.simulation.is_busy(subject.number), what="the device takes the clearing")
    assert world.simulation.log(subject.number, "QLJS")
    assert not world.simulation.log(subject.number, "JKHC")


def _lost_before_writing(
    world: "World", subject: "Subject", request_id: str, until: Callable[..., Any]
) -> None:
    until(lambda: world.simulation.log(subject.number, "JKHC", acted=False), what="JKHC was sent")
    assert not world.simulation.log(subject.number, "JKHC")


def _reading_afterwards(
    world: "World", subject: "Subject", request_id: str, until: Callable[..., Any]
) -> None:
    _after("JKHC", "QLJSJGQR")(world, subject, request_id, until)
    world.simulation.fault(subject.number, "slow", message="SKPXXCX", seconds=HELD)
    world.in_stage(request_id, "done")


MOMENTS: dict[str, tuple[str, str, Reach]] = {
    # what: (fault, message it strikes, how to know that it is there)
    "init": ("slow", "FPCX", _in_stage("init", "FPCX")),
    "backup": ("slow", "TJXXCX", _in_stage("backup", "TJXXCX")),
    "sealed, not delivered": ("slow", "WLCB", _after("SJCB", "WLCB")),
    "asking for the ciphertext": ("slow", "QLJS", _after("WLCB", "QLJS")),
    "ciphertext there, not written": ("lost_before", "JKHC", _lost_before_writing),
    "writing": ("slow", "JKHC", _while_writing),
    "written, not confirmed": ("slow", "QLJSJGQR", _after("JKHC", "QLJSJGQR")),
    "done": ("slow", "QLJSJGQR", _reading_afterwards),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_and_started_again(world: "World", until: Callable[..., Any], moment: str) -> None:
    fault, message, reach = MOMENTS[moment]
    subject = world.subject()
    world.simulation.fault(subject.number, fault, message=message, seconds=HELD, times=1)
    request_id = world.begin(subject)
    reach(world, subject, request_id, until)
    world.kill()
    world.simulation.mend(subject.number)
    world.start()
    world.assert_cleared_once(subject, request_id)
    assert len(world.records(subject)) == 1
    assert world.get("/audit-records/verify")["ok"] is True
    backup = world.post(f"/backups/{world.request(request_id)['backup_id']}/verify")
    assert backup["state"] == "verified"


def test_killed_twice_and_verified_from_the_command_line(
    world: "World", until: Callable[..., Any]
) -> None:
    subject = world.subject()
    world.simulation.fault(subject.number, "slow", message="QLJS", seconds=HELD, times=1)
    request_id = world.begin(subject)
    for _ in range(2):
        until(lambda: world.simulation.log(subject.number, "WLCB"), what="WLCB")
        world.kill()
        world.start()
    world.assert_cleared_once(subject, request_id)
    for command in ("backup", "audit"):
        done = world.qingka(command, "verify")
        assert done.returncode == 0, done.stderr
