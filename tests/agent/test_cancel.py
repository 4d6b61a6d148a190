"""Cancelling an operation: until its point of no return, and never past it. Pruning the journal."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import pytest

from app.agent import errors
from app.agent import turns as turns_module
from app.agent.api import create_agent_app
from app.contracts.operations import Operation, OperationState
from app.core.ids import new_id

if TYPE_CHECKING:
    from tests.agent.conftest import Lab

NUMBER = "661814461322"
TOKEN = "t0ken"


class Held:
    """The world stops before it answers this message, until released."""

    def __init__(self, lab: Lab, message: str) -> None:
        self.reached, self._gate = threading.Event(), threading.Event()
        original = lab.world._handle

        def handle(side: str, name: str, *rest: Any) -> bytes:
            if name == message:
                self.reached.set()
                assert self._gate.wait(20)
            answer: bytes = original(side, name, *rest)
            return answer

        setattr(lab.world, "_handle", handle)  # noqa: B010

    def release(self) -> None:
        self._gate.set()


@pytest.fixture
def hold(lab: Lab) -> Iterator[Callable[[str], Held]]:
    made: list[Held] = []

    def begin(message: str) -> Held:
        made.append(Held(lab, message))
        return made[-1]

    yield begin
    for held in made:
        held.release()


def cancelled(operation: Operation) -> bool:
    return operation.fault is not None and operation.fault.code == "agent.cancelled"


def test_one_that_waits_for_its_turn(lab: Lab, hold: Callable[[str], Held]) -> None:
    runtime = lab.start()
    held = hold("SJCB")
    running, waiting = lab.submit("report"), lab.submit("clear")
    assert held.reached.wait(10)
    assert cancelled(runtime.cancel(waiting))
    held.release()
    assert lab.done(running).state is OperationState.SUCCEEDED
    assert lab.done(waiting).state is OperationState.FAILED
    lab.eventually(lambda: True if not runtime._devices[0].port.busy else None)
    assert lab.world.sent("QLJS") == []


@pytest.mark.parametrize("message", ["SKSBQTYXXCX", "QLJS"])
def test_a_clearing_that_has_not_written_yet(
    reported_lab: Lab, hold: Callable[[str], Held], message: str
) -> None:
    lab = reported_lab
    held = hold(message)
    clearing = lab.submit()
    assert held.reached.wait(10)
    assert cancelled(lab.running[-1].cancel(clearing))
    held.release()
    lab.eventually(lambda: True if not lab.running[-1]._devices[0].port.busy else None)
    assert lab.world.sent("JKHC") == []
    operation = lab.running[-1].operation(clearing)
    assert operation.state is OperationState.FAILED
    assert cancelled(operation)
    assert operation.steps[-1].name == message
    assert operation.steps[-1].finished_at is not None
    assert lab.run().state is OperationState.SUCCEEDED
    assert sorted(lab.world.clears()) == ["004", "007"]


@pytest.mark.parametrize("message", ["JKHC", "QLJSJGQR"])
def test_a_clearing_that_has_written_goes_on(
    reported_lab: Lab, hold: Callable[[str], Held], message: str
) -> None:
    lab = reported_lab
    held = hold(message)
    clearing = lab.submit()
    assert held.reached.wait(10)
    with pytest.raises(errors.OperationNotCancellable):
        lab.running[-1].cancel(clearing)
    held.release()
    assert lab.done(clearing).state is OperationState.SUCCEEDED


def test_a_clock_that_is_being_set(lab: Lab, hold: Callable[[str], Held]) -> None:
    lab.start()
    held = hold("SKPBSP")
    setting = lab.submit("set_clock", period=None)
    assert held.reached.wait(10)
    with pytest.raises(errors.OperationNotCancellable):
        lab.running[-1].cancel(setting)


def test_a_cancelled_one_stays_so_after_a_restart(lab: Lab, hold: Callable[[str], Held]) -> None:
    lab.start()
    held = hold("SJCB")
    lab.submit("report")
    waiting = lab.submit("clear")
    assert held.reached.wait(10)
    lab.running[-1].cancel(waiting)
    held.release()
    runtime = lab.restart()
    assert cancelled(runtime.operation(waiting))
    assert cancelled(runtime.cancel(waiting)), "asking again gives the same"
    assert waiting not in [left.id for left in runtime.journal.unfinished()]


def test_over_http(reported_lab: Lab) -> None:
    app = create_agent_app(reported_lab.running[-1], TOKEN)
    done = reported_lab.submit()
    reported_lab.done(done)

    def delete(operation_id: UUID) -> httpx.Response:
        async def ask() -> httpx.Response:
            headers = {"Authorization": f"Bearer {TOKEN}"}
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://agent") as client:
                return await client.delete(f"/agent/v1/operations/{operation_id}", headers=headers)

        return asyncio.run(ask())

    refused = delete(done)
    assert refused.status_code == 409
    assert refused.json()["code"] == "agent.not_cancellable"
    assert "等待" in refused.json()["remedy"]
    assert delete(new_id()).status_code == 404


def test_old_operations_are_forgotten_after_400_days(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.start()
    old = lab.submit("report")
    assert lab.done(old).state is OperationState.SUCCEEDED
    lab.now += timedelta(days=300)
    young = lab.submit("report")
    lab.done(young)
    lab.now += timedelta(days=101)
    monkeypatch.setattr(turns_module, "_FIRST_PRUNE", 0.0)
    runtime = lab.restart()
    lab.eventually(lambda: True if runtime.journal.find(old) is None else None)
    assert runtime.journal.find(young) is not None
    assert runtime.journal.steps(old) == []


def test_what_is_open_is_never_forgotten(reported_lab: Lab) -> None:
    lab = reported_lab
    lab.world.will("JKHC", "unplugged_after", kind="004")
    clearing = lab.submit()
    lab.until(clearing, OperationState.UNKNOWN)
    assert lab.running[-1].journal.prune(lab.now + timedelta(days=1)) >= 1
    assert lab.running[-1].journal.find(clearing) is not None
    lab.world.plugged = True
    assert lab.done(clearing).state is OperationState.SUCCEEDED
