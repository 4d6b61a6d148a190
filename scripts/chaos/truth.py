"""Holds what the product says to what the simulated devices say, request by request and as a whole."""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from app.settings import ROOT
from scripts.chaos.tally import Tally
from scripts.rig import Rig
from tests.e2e.harness import TYPES, Subject

T = TypeVar("T")

ONCE = "exactly one JKHC for every type"
TRUE = "the request ends in a state that is true"
SUCCEEDS = "it succeeds, where need be at a retry"
WAITS = "nothing waits for ever"
BACKUPS = "every backup verifies"
AUDIT = "the audit chain verifies"

FINAL = frozenset({"succeeded", "failed"})
"""`needs_attention` is none: the system is to find out."""

PATIENCE = 120.0
VERIFY_LIMIT = 600.0


@dataclass(frozen=True, slots=True)
class Case:
    """One clearing under way, and what it is called in the report."""

    subject: Subject
    request_id: str
    name: str


def patiently(question: Callable[[], T], *, seconds: float) -> T | None:
    """The first true answer; None when none comes in time. A server that is away is asked again."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if answer := question():
                return answer
        except (httpx.TransportError, RuntimeError):
            time.sleep(0.2)
        time.sleep(0.05)
    return None


def wait_end(rig: Rig, case: Case, *, seconds: float = PATIENCE) -> dict[str, Any] | None:
    """The request once it has ended; None when it has not within the time."""

    def look() -> dict[str, Any]:
        found = rig.request(case.request_id)
        return found if found["state"] in FINAL else {}

    return patiently(look, seconds=seconds)


def settle(rig: Rig, tally: Tally, part: str, case: Case, *, tries: int = 3) -> str:
    """Wait for the end, retry what failed, and count every promise; gives how it went.

    `ok`: succeeded by itself; `retried`: after a failure that was true; else what was wrong.
    """
    for attempt in range(1, tries + 1):
        request = wait_end(rig, case)
        tally.check(part, WAITS, request is not None, case.name)
        if request is None:
            return "waits"
        lie = _lie(rig, case, request)
        tally.check(part, TRUE, not lie, f"{case.name}: {lie}")
        if lie or request["state"] == "succeeded" or attempt == tries:
            return _count_end(rig, tally, part, case, request, lie, attempt)
        tally.see(part, f"a retry after {_error(request)}")
        patiently(lambda: _retried(rig, case), seconds=PATIENCE)
    raise ValueError("at least one try")


def _count_end(
    rig: Rig,
    tally: Tally,
    part: str,
    case: Case,
    request: dict[str, Any],
    lie: str,
    attempt: int,
) -> str:
    succeeded = request["state"] == "succeeded"
    tally.check(part, SUCCEEDS, succeeded, f"{case.name}: {_error(request)}")
    counts = rig.simulation.cleared(case.subject.number)
    tally.check(part, ONCE, counts == Counter(TYPES), f"{case.name}: {dict(counts)}")
    if lie or not succeeded:
        return "WRONG"
    return "ok" if attempt == 1 else "retried"


def _retried(rig: Rig, case: Case) -> bool:
    """Ask for a retry; one whose answer got lost has been done."""
    if rig.request(case.request_id)["state"] == "failed":
        rig.post(f"/clearing-requests/{case.request_id}/retry")
    return True


def _error(request: dict[str, Any]) -> str:
    error = request["error"] or {}
    return f"{request['state']} {error.get('code', '')}".strip()


def _lie(rig: Rig, case: Case, request: dict[str, Any]) -> str:
    """What of the request does not agree with the device; empty when all does."""
    device = rig.simulation.view(case.subject.number)
    done = all(device["cleared_counts"][kind] == 1 for kind in TYPES)
    found = patiently(
        lambda: rig.get("/clearing-records", operator_id=case.subject.operator_id), seconds=PATIENCE
    )
    records = [] if found is None else found["items"]
    succeeded = [one for one in records if one["result"] == "succeeded"]
    if request["state"] == "succeeded":
        if not done:
            return f"succeeded, but the device says {device['cleared_counts']}"
        if len(succeeded) != 1 or succeeded[0]["lock_date_after"] != device["lock_date"]:
            return f"{len(succeeded)} records of success, lock date {device['lock_date']}"
        return untrue_outcome(request, succeeded[0], device["cleared_counts"])
    if succeeded:
        return "failed, but a record says succeeded"
    if not request["error"]:
        return "failed without a reason"
    return untrue_outcome(request, None, device["cleared_counts"])


def untrue_outcome(
    request: Mapping[str, Any], record: Mapping[str, Any] | None, counts: Mapping[str, int]
) -> str:
    """What request and record say that it came to, where the device's count of clearings says otherwise.

    Every device of a trial is cleared by its one request, all types of it: a success is `cleared`, never
    `already` (a clearing whose answer got lost is the request's own) and never `partial`. A failed request
    has come to nothing, or to `partial` where the device took the clearing of some type.
    """
    said = [request["outcome"]] + ([] if record is None else [record["outcome"]])
    taken = {kind for kind in TYPES if counts.get(kind)}
    truths: set[str | None]
    if request["state"] == "succeeded":
        truths, told = {"cleared"}, {one["invoice_type"] for one in request["cleared"] or ()}
        if told != taken:
            return f"says {sorted(told)} were cleared, the device took {sorted(taken)}"
    else:
        truths = {None, "partial"} if taken else {None}
    untrue = [one for one in said if one not in truths]
    return f"outcome {untrue[0]}, the device took {sorted(taken)}" if untrue else ""


def verify_whole(rig: Rig, tally: Tally, part: str) -> None:
    """Every backup and the audit chain, by the command line, as an auditor would."""
    for promise, command in ((BACKUPS, "backup"), (AUDIT, "audit")):
        done = subprocess.run(  # noqa: S603 - our own program, no shell
            [sys.executable, "-m", "app.cli", command, "verify"],
            cwd=ROOT,
            env=rig.environment,
            capture_output=True,
            text=True,
            timeout=VERIFY_LIMIT,
            check=False,
        )
        output = (done.stdout + done.stderr).strip().splitlines()
        tally.check(part, promise, done.returncode == 0, "; ".join(output[-3:]))


def settle_all(
    rig: Rig, tally: Tally, part: str, cases: Sequence[Case], *, tries: int = 3
) -> list[str]:
    """Settle one after the other: they all have been running meanwhile."""
    return [settle(rig, tally, part, case, tries=tries) for case in cases]


def keeps_state_before(rig: Rig, case: Case) -> str:
    """Whether the backup of a clearing still shows what was before it: what it says is wrong, or nothing.

    Restoring it would make every invoice of the period uncleared again, and is only previewed.
    """
    backup_id = rig.request(case.request_id)["backup_id"]
    if not backup_id:
        return "there is no backup"
    answer = rig.api.post(f"/backups/{backup_id}/restore", json={"preview": True})
    if not answer.is_success:
        return f"{answer.status_code} {answer.text}"
    return "" if answer.json()["writes"] else "restoring it would change nothing"
