"""Killed at every point at which the journal is written, and at every message: one JKHC for each type."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from app.agent.journal_writer import JournalClosed
from app.agent.runtime import Runtime
from app.contracts.operations import OperationState

if TYPE_CHECKING:
    from tests.agent.conftest import Lab

WRITES_OF_A_CLEARING = 8
"""create, plan, begin of five messages (each with the end of the one before), success."""


def dying(at_write: int, *, after: bool) -> Callable[[Runtime], None]:
    """The process ends at this write of the journal: just before it, or as soon as it is on disk."""

    def prepare(runtime: Runtime) -> None:
        writer = runtime.journal._writer
        original, seen = writer.write, 0

        def write(job: Callable[[sqlite3.Connection], Any]) -> Any:
            nonlocal seen
            seen += 1
            if seen > at_write or (seen == at_write and not after):
                writer.close()
                raise JournalClosed
            return original(job)

        writer.write = write  # type: ignore[method-assign]

    return prepare


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at_write", range(2, WRITES_OF_A_CLEARING + 1))
def test_killed_at_every_write(reported_lab: Lab, at_write: int, after: bool) -> None:
    lab = reported_lab
    lab.running.pop().stop()
    runtime = lab.start(dying(at_write, after=after))
    operation_id = lab.submit()
    lab.eventually(lambda: True if not runtime._devices[0].port.busy else None)
    assert after or runtime.journal._writer._closed
    lab.restart()
    assert lab.done(operation_id).state is OperationState.SUCCEEDED
    assert sorted(lab.world.clears()) == ["004", "007"]
    assert len(set(lab.world.ciphertexts)) == 2
    assert all(state.confirmed for state in lab.world.types.values())


@pytest.mark.parametrize("acted", [False, True])
@pytest.mark.parametrize("kind", ["004", "007"])
def test_killed_while_the_ciphertext_is_written(reported_lab: Lab, kind: str, acted: bool) -> None:
    lab = reported_lab
    lab.world.will("JKHC", "crash_after" if acted else "crash_before", kind=kind)
    operation_id = lab.submit()
    lab.eventually(lambda: True if kind in lab.world.sent("JKHC") else None)
    lab.restart()
    assert lab.done(operation_id).state is OperationState.SUCCEEDED
    assert lab.world.clears() == ["004", "007"]
    assert lab.world.sent("JKHC").count(kind) == (1 if acted else 2)


def test_killed_and_the_device_is_gone_when_it_starts_again(reported_lab: Lab) -> None:
    lab = reported_lab
    lab.world.will("JKHC", "crash_after", kind="004")
    operation_id = lab.submit()
    lab.eventually(lambda: True if lab.world.sent("JKHC") else None)
    lab.world.plugged = False
    lab.restart()
    lab.until(operation_id, OperationState.UNKNOWN)
    lab.restart()
    lab.until(operation_id, OperationState.UNKNOWN)
    lab.world.plugged = True
    assert lab.done(operation_id).state is OperationState.SUCCEEDED
    assert lab.world.sent("JKHC") == ["004", "007"]


def test_the_same_id_is_never_executed_twice(reported_lab: Lab) -> None:
    lab = reported_lab
    request = lab.request()
    runtime = lab.running[-1]
    for _ in range(50):
        runtime.submit(lab.world.number, request)
    lab.done(request.id)
    runtime = lab.restart()
    again = runtime.submit(lab.world.number, request)
    assert again.state is OperationState.SUCCEEDED
    assert lab.world.sent("JKHC") == ["004", "007"]
    assert len(lab.world.sent("QLJS")) == 1


def test_a_mistake_of_ours_after_the_ciphertext_leaves_the_outcome_open(
    reported_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unexpected error is no answer: the device is read again, and shows that it is cleared."""
    from app.agent import turns as turns_module
    from app.agent.operations.clear import ClearExecution

    monkeypatch.setattr(turns_module, "_RETRY_PAUSE", 0.01)
    original, broken = ClearExecution._conclude, [True]

    def conclude(self: ClearExecution, *given: Any) -> Any:
        if broken.pop() if broken else False:
            raise ZeroDivisionError
        return original(self, *given)

    monkeypatch.setattr(ClearExecution, "_conclude", conclude)
    operation = reported_lab.run()
    assert operation.state is OperationState.SUCCEEDED
    assert reported_lab.world.sent("JKHC") == ["004", "007"]


def test_a_mistake_of_ours_before_it_is_a_failure(
    reported_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.agent.operations.clear import ClearExecution

    def types_to_do(self: ClearExecution, before: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(ClearExecution, "types_to_do", types_to_do)
    operation = reported_lab.run()
    assert operation.fault is not None
    assert operation.fault.code == "agent.failed"
    assert reported_lab.world.sent("JKHC") == []
