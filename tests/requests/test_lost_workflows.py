"""Workflows that are pending in this process's name, but that it no longer executes."""

from app.requests.run.lost_workflows import GRACE_SECONDS, LostWorkflows


class _Process:
    """What it executes, and its clock."""

    def __init__(self) -> None:
        self.executing: set[str] = set()
        self.now = 100.0
        self.lost = LostWorkflows(lambda: frozenset(self.executing), seconds=lambda: self.now)

    def later(self, seconds: float, *pending: str) -> list[str]:
        self.now += seconds
        return self.lost.among(pending)


def test_what_is_executed_is_never_lost() -> None:
    process = _Process()
    process.executing = {"a"}
    assert process.later(0, "a") == []
    assert process.later(10 * GRACE_SECONDS, "a") == []


def test_what_is_not_executed_is_lost_after_the_grace_and_told_once() -> None:
    process = _Process()
    assert process.later(0, "a") == []
    assert process.later(GRACE_SECONDS, "a") == []
    assert process.later(1, "a") == ["a"]
    assert process.later(1, "a") == []


def test_what_was_executed_or_gone_meanwhile_starts_anew() -> None:
    process = _Process()
    process.later(0, "a", "b")
    process.executing = {"a"}
    process.later(GRACE_SECONDS / 2, "a")
    process.executing = set()
    process.later(GRACE_SECONDS / 2, "a", "b")
    assert process.later(GRACE_SECONDS / 2 + 1, "a", "b") == []
    assert process.later(GRACE_SECONDS / 2, "a", "b") == ["a", "b"]
