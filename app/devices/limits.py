"""How often strangers may try codes and tokens of agents."""

from fastapi import Request
from starlette.requests import HTTPConnection

from app.core.ratelimit import RateLimiter
from app.core.web import client_ip
from app.errors import TooManyRequests

PER_ADDRESS = 20
"""Tries a minute from one address."""
IN_ALL = 300
"""Tries a minute from all addresses together."""


class _Limits:
    def __init__(self) -> None:
        self.per_address = RateLimiter(PER_ADDRESS)
        self.in_all = RateLimiter(IN_ALL)


def enrollment_limit(request: Request) -> None:
    """A dependency. Raises TooManyRequests."""
    count_try(request, client_ip(request))


def count_try(connection: HTTPConnection, ip: str) -> None:
    """Count one try of a code or token. Raises TooManyRequests."""
    state = connection.app.state
    limits: _Limits | None = getattr(state, "agent_limits", None)
    if limits is None:
        limits = state.agent_limits = _Limits()
    now = state.clock().timestamp()
    for limiter, key in ((limits.per_address, ip), (limits.in_all, "")):
        verdict = limiter.take(key, now)
        if not verdict.allowed:
            raise TooManyRequests(headers=verdict.headers)
