"""What goes back over the wire, and how a fault makes it go wrong."""

from dataclasses import dataclass
from enum import StrEnum

from app.simulator.codes import DeviceRefusal
from app.simulator.faults import FaultName, Plan
from app.simulator.messages import Fields, Request, build_answer, result


class Ending(StrEnum):
    """How the transport ends an exchange."""

    WHOLE = "whole"
    DROPPED = "dropped"  # close the connection without a byte
    HALF = "half"  # send the first half, then close
    DOWN = "down"  # the service is not there (HTTP 503)


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back over the wire."""

    body: bytes
    ending: Ending = Ending.WHOLE


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a device or the bureau made of a message, before faults of the wire."""

    body: bytes
    returncode: str
    acted: bool


def damaged(body: bytes) -> bytes:
    """`body` as a disturbed line delivers it: every seventh byte has a bit flipped."""
    return bytes(byte ^ 0x10 if place % 7 == 3 else byte for place, byte in enumerate(body))


def answer(request: Request, output: Fields) -> bytes:
    return build_answer(request.id, output, comment=request.comment, dialect=request.dialect)


def reply(plan: Plan, outcome: Outcome) -> Reply:
    """Let the answer go the way the plan says."""
    if plan.after is FaultName.LOST_AFTER:
        return Reply(b"", Ending.DROPPED)
    if plan.after is FaultName.HALF:
        return Reply(outcome.body, Ending.HALF)
    if plan.after is FaultName.GARBAGE:
        return Reply(damaged(outcome.body))
    return Reply(outcome.body)


def refused(request: Request, refusal: DeviceRefusal) -> Outcome:
    body = answer(request, result(refusal.code, refusal.text))
    return Outcome(body, refusal.code, acted=False)
