""" "Load or 404" for clearing requests."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Header, Query

from app.accounts.deps import Reader
from app.clearing import queries
from app.clearing.live import POSITION, Position
from app.clearing.models import ClearingRequest
from app.core.web import Reading


def _visible(session: Reading, request_id: UUID, principal: Reader) -> ClearingRequest:
    return queries.visible_request(session, request_id, principal)


VisibleRequest = Annotated[ClearingRequest, Depends(_visible)]
"""The request of the path, to be shown. One to be changed is locked by the route itself, in one go with
the change: between a dependency and its route a thread has to be had, while others wait for the lock."""


async def _position(
    after: Annotated[
        str | None, Query(pattern=POSITION, description="id of the last event seen")
    ] = None,
    last_event_id: Annotated[str | None, Header(pattern=POSITION)] = None,
) -> Position | None:
    known = last_event_id or after
    return Position.parse(known) if known else None


FollowedFrom = Annotated[Position | None, Depends(_position)]
"""Behind which event a follower goes on; a browser that comes back says so in a header."""
