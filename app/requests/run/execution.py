"""Who executes a request: of several processes the one that the engine gave it to last.

A process that was paused (a suspended machine, a starved host) and goes on after its work was taken over
knows nothing of that. Each execution therefore claims the request with a number of its own, and every
transaction of its stages checks that the number still stands (`Attempt.write`).
"""

from collections.abc import Callable
from uuid import UUID

from app.clearing import queries
from app.clearing.models import ClearingRequest
from app.core.db import Session
from app.requests.run.context import Context, Execution, Superseded

Begin = Callable[[Session, ClearingRequest], None]
"""What is written in the transaction of the claim."""


def claim(
    context: Context,
    request_id: UUID,
    attempt: int,
    owner: str,
    *,
    holds: Callable[[], bool],
    begin: Begin | None = None,
) -> Execution:
    """Make `owner` the one in charge of this attempt. Raises Superseded.

    `holds` asks the engine's books whether this process has the work. It is asked between two looks at the
    number: whoever was paused after a true answer finds that the number has moved, and asks again.
    """
    while True:
        with context.database.reading() as session:
            known = queries.request(session, request_id).execution_number
        if not holds():
            raise Superseded
        taken = _take(context, request_id, attempt, Execution(owner, known + 1), begin)
        if taken is not None:
            return taken


def _take(
    context: Context, request_id: UUID, attempt: int, execution: Execution, begin: Begin | None
) -> Execution | None:
    """None when another execution took the number."""
    with context.database.transaction() as session:
        request = queries.locked_request(session, request_id)
        if request.attempt != attempt:
            raise Superseded
        if request.execution_number != execution.number - 1:
            return None
        request.execution_owner, request.execution_number = execution.owner, execution.number
        session.add(request)
        if begin is not None:
            begin(session, request)
    return execution
