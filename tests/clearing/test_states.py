"""The table of states is closed, and `move` follows it and nothing else."""

import itertools
from typing import Any

import pytest

from app.clearing import errors
from app.clearing.models import ClearingRequest
from app.clearing.states import (
    ENDED_STATES,
    EXECUTABLE_STATES,
    OPEN_STATES,
    RETRYABLE_STATES,
    TRANSITIONS,
    RequestState,
)
from app.core.clock import Clock
from app.requests.service.control import move

PAIRS = list(itertools.product(RequestState, RequestState))
FINAL = frozenset({RequestState.REJECTED, RequestState.CONFIRMED, RequestState.CANCELLED})


def test_every_state_has_a_row_and_leads_to_known_states() -> None:
    assert set(TRANSITIONS) == set(RequestState)
    assert set().union(*TRANSITIONS.values()) <= set(RequestState)


def test_every_state_can_be_reached_from_submitted() -> None:
    reached: set[RequestState] = set()
    left = [RequestState.SUBMITTED]
    while left:
        state = left.pop()
        if state not in reached:
            reached.add(state)
            left += TRANSITIONS[state]
    assert reached == set(RequestState)


def test_only_these_are_final() -> None:
    assert {state for state, onwards in TRANSITIONS.items() if not onwards} == FINAL


def test_a_success_is_never_taken_back() -> None:
    assert TRANSITIONS[RequestState.SUCCEEDED] == {RequestState.CONFIRMED}


def test_the_groups_agree_with_the_table() -> None:
    running = RequestState.RUNNING
    assert all(running in TRANSITIONS[state] for state in EXECUTABLE_STATES | RETRYABLE_STATES)
    assert FINAL | RETRYABLE_STATES | {RequestState.SUCCEEDED} <= ENDED_STATES
    assert ENDED_STATES.isdisjoint(EXECUTABLE_STATES | {running})
    assert OPEN_STATES.isdisjoint(FINAL | {RequestState.SUCCEEDED, RequestState.FAILED})
    assert {*OPEN_STATES, *ENDED_STATES} == set(RequestState)


def test_only_what_runs_or_waits_before_running_can_be_cancelled() -> None:
    cancellable = {s for s, onwards in TRANSITIONS.items() if RequestState.CANCELLED in onwards}
    assert cancellable == EXECUTABLE_STATES


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_move_follows_the_table(before: RequestState, after: RequestState, clock: Clock) -> None:
    values: dict[str, Any] = {"number": "QK202611-000001", "state": before}
    request = ClearingRequest(**values)
    if after in TRANSITIONS[before]:
        move(request, after, clock)
        assert (request.state, request.updated_at) == (after, clock())
        return
    with pytest.raises(errors.RequestState):
        move(request, after, clock)
    assert request.state is before
