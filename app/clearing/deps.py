""" "Load or 404" for clearing requests."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends

from app.accounts.deps import CurrentPrincipal, Reader
from app.clearing import queries
from app.clearing.models import ClearingRequest
from app.core.web import Reading, Writing


def _visible(session: Reading, request_id: UUID, principal: Reader) -> ClearingRequest:
    return queries.visible_request(session, request_id, principal)


def _due(session: Writing, request_id: UUID, principal: CurrentPrincipal) -> ClearingRequest:
    queries.visible_request(session, request_id, principal)
    return queries.locked_request(session, request_id)


VisibleRequest = Annotated[ClearingRequest, Depends(_visible)]
"""The request of the path, to be shown."""

DueRequest = Annotated[ClearingRequest, Depends(_due)]
"""The request of the path, locked to be changed."""
