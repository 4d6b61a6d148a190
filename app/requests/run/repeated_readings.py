"""Readings that got no answer in time are asked again after pauses; commands never are."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

from app.clearing.models import ClearingRequest
from app.core.db import Session
from app.errors import QingkaError
from app.prechecks import DeviceFault
from app.requests.run.context import Attempt
from app.requests.service import progress

PASSING = frozenset({"device.timeout", "device.busy", "bureau.unreachable", "agent.unreachable"})
"""Failures of a reading that may be over a moment later."""
RETRY_PAUSES = (1.5, 4.0, 10.0)
"""Seconds before a reading is tried again; the last one repeats."""

Found = TypeVar("Found")


async def read_patiently(
    attempt: Attempt,
    read: Callable[[], Awaitable[Found]],
    silent: Callable[[Found], Collection[str]],
) -> Found:
    """Read until every device has answered, as often as is set, and note each pause in the log.

    `silent` tells the numbers of the devices from which nothing came. On the last days of a period the
    bureau is slow for everybody and a device is in use: that passes.
    """
    turn = 0
    while True:
        found = await read()
        numbers = silent(found)
        if not numbers or turn == attempt.context.settings.read_retries:
            return found
        await attempt.write(_note_silent, attempt, numbers)
        await asyncio.sleep(RETRY_PAUSES[min(turn, len(RETRY_PAUSES) - 1)])
        turn += 1


def is_passing(problem: DeviceFault | QingkaError | None) -> bool:
    """Whether a reading failed for a reason that may be over a moment later."""
    return problem is not None and problem.code in PASSING


def _note_silent(
    session: Session, request: ClearingRequest, attempt: Attempt, numbers: Collection[str]
) -> None:
    text = f"设备 {'、'.join(numbers)} 或税务端没有及时应答，稍后再试"
    progress.note(session, request, text, attempt.context.clock(), level="warning")
