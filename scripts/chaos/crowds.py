"""Many at once: a stuck device delays no other, one request runs once, one device takes one request."""

import statistics
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

from scripts.chaos.tally import Tally
from scripts.chaos.truth import Case, settle, settle_all, verify_whole
from scripts.rig import Rig, RigPlan, at_once
from tests.e2e.harness import Subject

STUCK_SECONDS = 25.0
EXECUTES = 50
SUBMITS = 10
ALLOWED = 3.0
"""A clearing beside a stuck device may take so many times what one takes without it, and so many seconds more."""


def crowds(tally: Tally, folder: Path, *, others: int) -> None:
    """All three, on one site."""
    rig = Rig(folder / "crowds", RigPlan(devices=2 * others + 3, timeout=STUCK_SECONDS + 10))
    try:
        rig.start()
        _stuck(rig, tally, others)
        _fifty(rig, tally)
        _two(rig, tally)
        verify_whole(rig, tally, "crowds, afterwards")
    finally:
        rig.close()


def _stuck(rig: Rig, tally: Tally, others: int) -> None:
    part = "stuck device"
    calm = _durations(rig, tally, part, rig.subjects(others))
    limit = ALLOWED * statistics.median(calm) + ALLOWED
    (stuck,) = rig.subjects(1)
    rig.simulation.fault(stuck.number, "slow", message="SJCB", seconds=STUCK_SECONDS, times=1)
    case = Case(stuck, rig.begin(stuck), "the stuck device itself")
    time.sleep(1.0)
    for seconds in _durations(rig, tally, part, rig.subjects(others)):
        what = f"{seconds:.2f} s beside a stuck device, limit {limit:.2f} s"
        tally.check(part, "no other is delayed", seconds <= limit, what)
    running = rig.request(case.request_id)["state"]
    tally.check(part, "it was stuck all the while", running == "running", running)
    settle(rig, tally, part, case)


def _durations(rig: Rig, tally: Tally, part: str, subjects: list[Subject]) -> list[float]:
    ids = at_once(4, subjects, rig.begin)
    cases = [
        Case(one, found, f"device {one.number}") for one, found in zip(subjects, ids, strict=True)
    ]
    settle_all(rig, tally, part, cases)
    return [_seconds(rig.request(case.request_id)) for case in cases]


def _seconds(request: dict[str, Any]) -> float:
    times = [
        datetime.fromisoformat(stage[name])
        for stage in request["stages"]
        for name in ("started_at", "finished_at")
        if stage[name]
    ]
    return (max(times) - min(times)).total_seconds()


def _fifty(rig: Rig, tally: Tally) -> None:
    part = f"{EXECUTES} executes at once"
    (subject,) = rig.subjects(1)
    request_id = str(rig.post("/clearing-requests", subject.order)["id"])
    answers = at_once(
        EXECUTES,
        range(EXECUTES),
        lambda _: rig.api.post(f"/clearing-requests/{request_id}/execute").status_code,
    )
    counts = Counter(answers)
    kept = counts == Counter({202: 1, 409: EXECUTES - 1})
    tally.check(part, "one is taken, the others are told 409", kept, str(dict(counts)))
    settle(rig, tally, part, Case(subject, request_id, part))
    attempt = rig.request(request_id)["attempt"]
    tally.check(part, "it ran once", attempt == 1, f"attempt {attempt}")


def _two(rig: Rig, tally: Tally) -> None:
    part = f"{SUBMITS} requests for one device"
    (subject,) = rig.subjects(1)
    answers = at_once(
        SUBMITS, range(SUBMITS), lambda _: rig.api.post("/clearing-requests", json=subject.order)
    )
    counts = Counter(answer.status_code for answer in answers)
    kept = counts == Counter({201: 1, 409: SUBMITS - 1})
    tally.check(part, "one is taken, the others are told 409", kept, str(dict(counts)))
    (taken,) = [str(one.json()["id"]) for one in answers if one.status_code == 201][:1]
    rig.post(f"/clearing-requests/{taken}/execute")
    settle(rig, tally, part, Case(subject, taken, part))
