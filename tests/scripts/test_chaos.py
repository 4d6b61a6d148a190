"""The counting programs count right: plans follow from the seed, broken promises are found and named."""

from typing import Any

import pytest

from app.simulator.faults import SCOPES, FaultName
from scripts.chaos.__main__ import chance
from scripts.chaos.faults import STAGES, cells
from scripts.chaos.kills import MOMENTS, VICTIMS, plan
from scripts.chaos.tally import Tally
from scripts.chaos.truth import untrue_outcome
from tests.e2e.harness import TYPES


def test_the_plan_follows_from_the_seed() -> None:
    assert plan(chance(1, "kills"), 40) == plan(chance(1, "kills"), 40)
    assert plan(chance(1, "kills"), 40) != plan(chance(2, "kills"), 40)


def test_the_plan_has_every_moment_for_every_victim_and_random_ones() -> None:
    whole, split = plan(chance(1, "kills"), 200)
    assert len(whole) + len(split) == 200
    assert {run.victims for run in whole} == {("server",)}
    assert {run.moment for run in whole} == {*MOMENTS, None}
    held = {(run.victims, run.moment) for run in split if run.moment is not None}
    assert held == {(victims, moment) for victims in VICTIMS for moment in MOMENTS}
    assert {run.victims for run in split if run.moment is None} == set(VICTIMS)


def test_every_fault_is_tried_wherever_it_can_strike() -> None:
    tried = {(cell.fault, cell.stage, cell.lasting) for cell in cells()}
    assert tried == {
        (fault, stage, lasting)
        for fault in FaultName
        for stage, message in STAGES.items()
        for lasting in (False, True)
        if message in SCOPES[fault]
    }
    assert {cell.fault for cell in cells()} == set(FaultName)


def test_a_broken_promise_is_counted_and_named() -> None:
    tally = Tally()
    right = [tally.is_right]
    tally.check("kill", "once", True, "device 1")
    right.append(tally.is_right)
    tally.check("kill", "once", False, "device 2: {'004': 2}")
    tally.see("kill", "a retry")
    right.append(tally.is_right)
    assert right == [False, True, False], "nothing counted is no success either"
    assert list(tally.wrong()) == ["kill: once: device 2: {'004': 2}"]
    assert list(tally.seen()) == ["kill: 1 × a retry"]
    assert tally.table().splitlines()[2].split() == ["kill", "once", "2", "1"]


ALL, NONE = dict.fromkeys(TYPES, 1), dict.fromkeys(TYPES, 0)
ONE = NONE | {TYPES[0]: 1}


@pytest.mark.parametrize(
    ("state", "said", "recorded", "counts", "true"),
    [
        ("succeeded", "cleared", "cleared", ALL, True),
        ("succeeded", "already", "cleared", ALL, False),
        ("succeeded", "cleared", "already", ALL, False),
        ("succeeded", "partial", "partial", ALL, False),
        ("succeeded", None, "cleared", ALL, False),
        ("succeeded", "cleared", "cleared", ONE, False),
        ("failed", None, None, NONE, True),
        ("failed", "partial", None, ONE, True),
        ("failed", "partial", None, NONE, False),
        ("failed", "already", None, ONE, False),
        ("failed", "cleared", None, ALL, False),
    ],
)
def test_an_outcome_the_device_does_not_bear_out_is_named(
    state: str, said: str | None, recorded: str | None, counts: dict[str, int], *, true: bool
) -> None:
    told = [{"invoice_type": kind} for kind in TYPES]
    request: dict[str, Any] = {"state": state, "outcome": said, "cleared": told}
    record = {"outcome": recorded} if state == "succeeded" else None
    assert (untrue_outcome(request, record, counts) == "") is true
