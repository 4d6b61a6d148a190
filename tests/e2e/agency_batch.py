"""The agency's batch: trouble, one confirmation for all, a pause, what failed and was tried again."""

from collections import Counter
from typing import Any

import httpx

from app.contracts.periods import Period
from tests.e2e.agency import (
    BATCH,
    CLEARED,
    FAILING,
    FAILING_AGAIN,
    LOCKED,
    MISMATCH,
    NOT_FILED,
    UNPLUGGED,
    ZOMBIES,
    Agency,
    inbox,
    send,
)
from tests.e2e.harness import PASSWORD, TYPES, until


def trouble_is_made(agency: Agency) -> None:
    """Returns not filed or not matching; plugs pulled, which the server notices and tells the admin."""
    world = agency.world
    for place in (*NOT_FILED, *MISMATCH):
        world.file(agency.subjects[place], "mismatch" if place in MISMATCH else "not_filed")
    for number in agency.numbers(UNPLUGGED):
        world.simulation.patch(number, plugged=False)
    _until_disconnected(agency, UNPLUGGED)
    with world.signed_in("admin") as admin:
        until(
            lambda: len(inbox(admin, "device.disconnected")) == len(UNPLUGGED),
            what="the admin hears of the plugs",
        )


def _until_disconnected(agency: Agency, places: frozenset[int]) -> None:
    def seen() -> set[str]:
        return {one["number"] for one in agency.world.pages("/devices", state="disconnected")}

    until(lambda: seen() == agency.numbers(places), what="the server sees the plugs")


def a_batch_clears_all_others(agency: Agency) -> str:
    """One confirmation by the admin; zombies are skipped, failures have their codes; gives its path.

    Each main machine comes after its sub machines. One of a zombie and one that is locked are for the
    tax office: their main machines go on without them. The register shows that beforehand, so the admin
    has to accept it.
    """
    world = agency.world
    order = {
        "operator_ids": [agency.subjects[place].operator_id for place in sorted(BATCH)],
        "reason": "月末批量清卡",
        "password": PASSWORD,
    }
    with world.signed_in("admin") as admin:
        refused = send(admin, "POST", "/clearing-batches", 409, order)
        codes = [one["code"] for one in refused["warnings"]]
        assert codes == ["machines.order"], refused
        accepted = {"accepted_warnings": codes}
        made = send(admin, "POST", "/clearing-batches", 202, order | accepted)
        path = f"/clearing-batches/{made['id']}"
        assert (made["phase"], made["total"]) == ("preparing", len(BATCH))
        made = world.prepared(made["id"])
        assert Counter(one["code"] for one in made["skipped"]) == {"batch.zombie": len(ZOMBIES)}
        assert agency.places_of([one["operator_id"] for one in made["skipped"]]) == ZOMBIES
        assert len(made["requests"]) == len(BATCH - ZOMBIES)
        _pause_and_resume(admin, path)
        batch = _finished(admin, path)
    failing = sum(map(len, FAILING.values()))
    assert batch["counts"] == {"succeeded": len(BATCH - ZOMBIES) - failing, "failed": failing}
    _assert_failures(agency, batch, FAILING)
    return path


def _pause_and_resume(admin: httpx.Client, path: str) -> None:
    """In the middle: while it is paused what runs goes on, and nothing else is started."""

    def ended() -> int:
        counts = send(admin, "GET", path, 200)["counts"]
        return int(counts.get("succeeded", 0)) + int(counts.get("failed", 0))

    until(lambda: ended() >= 10, what="ten of the batch have ended")
    paused = send(admin, "POST", f"{path}/pause", 200)
    waiting = paused["counts"]["scheduled"]
    assert (paused["state"], waiting > 0) == ("paused", True)

    def drained() -> dict[str, Any]:
        found = send(admin, "GET", path, 200)
        return {} if found["counts"].get("running") else found

    still = until(drained, seconds=180, what="what runs has ended")
    assert (still["state"], still["counts"]["scheduled"]) == ("paused", waiting)
    assert send(admin, "POST", f"{path}/resume", 200)["state"] == "running"


def _finished(admin: httpx.Client, path: str) -> dict[str, Any]:
    """The batch once nothing of it is made, waits or runs."""

    def over() -> dict[str, Any]:
        found = send(admin, "GET", path, 200)
        return found if found["phase"] == "ended" else {}

    return until(over, seconds=400, what="the batch has ended")


def _assert_failures(
    agency: Agency, batch: dict[str, Any], expected: dict[str, frozenset[int]]
) -> None:
    failed = [one for one in batch["requests"] if one["state"] == "failed"]
    found = {
        code: agency.places_of([one["operator_id"] for one in failed if one["error_code"] == code])
        for code in {one["error_code"] for one in failed}
    }
    assert found == expected


def causes_are_removed_and_the_failed_tried_again(agency: Agency, path: str) -> None:
    """Filed and plugged in, they succeed; what nobody mended fails with the same code."""
    world = agency.world
    for place in NOT_FILED:
        world.file(agency.subjects[place], "filed")
    for number in agency.numbers(UNPLUGGED):
        world.simulation.patch(number, plugged=True)
    _until_disconnected(agency, frozenset())
    with world.signed_in("admin") as admin:
        send(admin, "POST", f"{path}/retry-failed", 202, {"password": PASSWORD})
        batch = _finished(admin, path)
    failing = sum(map(len, FAILING_AGAIN.values()))
    assert batch["counts"] == {"succeeded": len(BATCH - ZOMBIES) - failing, "failed": failing}
    _assert_failures(agency, batch, FAILING_AGAIN)


def every_device_was_cleared_once_or_not_at_all(agency: Agency) -> None:
    """The device's own log: one JKHC for each type where it succeeded, monthly or quarterly filer."""
    world = agency.world
    cleared = world.cleared_on_devices()
    assert cleared == {number: Counter(TYPES) for number in agency.numbers(CLEARED)}
    states = {one["code"]: one["clearing_state"] for one in world.pages("/operators")}
    for place, subject in enumerate(agency.subjects):
        device = world.simulation.view(subject.number)
        moved = Period(device["lock_date"][:7]) > Period.of(world.today)
        assert moved == (place in CLEARED), subject
        by_place = {LOCKED: "failed"} | dict.fromkeys(MISMATCH, "failed")
        by_place |= dict.fromkeys(ZOMBIES, "locked")
        assert states[subject.code] == by_place.get(place, "cleared"), subject
