"""Whether whoever is answered for long is still there: a session ends, a key is revoked, a right is lost.

A stream of events is identified when it begins; from then on it asks here again every few seconds.
"""

from collections.abc import Callable
from functools import partial
from typing import Annotated, cast

from fastapi import Depends, FastAPI, Request
from fastapi.security.utils import get_authorization_scheme_param

from app.accounts.deps import Reader
from app.accounts.principal import Permission, Principal
from app.accounts.service.api_keys import authenticate_api_key
from app.accounts.service.sessions import authenticate_session, cookie_name
from app.core.sse import Places
from app.core.web import client_ip, clock_of, database_of, settings_of
from app.errors import QingkaError

ASK_SECONDS = 3.0
"""How long a stream may outlive the session or the right it was opened with."""

STREAMS_EACH = 40
"""How many streams one account or key may hold in this process."""

Again = Callable[[], Principal | None]
"""Who the asker is now; None: nobody any more who may read. Blocks on the database."""


class TooManyStreams(QingkaError):
    status = 429
    code = "streams.too_many"
    title = "同时打开的实时连接过多"
    remedy = "请关闭不用的页面或连接后重试；进度也可以直接查询。"


class Presence:
    """The asker of a stream, who can be asked for again, and the place held meanwhile."""

    def __init__(self, principal: Principal, again: Again, places: Places) -> None:
        self.principal = principal
        self.again = again
        self._places = places

    def enter(self) -> Callable[[], None]:
        """Take a place; gives what gives it back. Raises TooManyStreams."""
        if not self._places.take(self.principal.id):
            raise TooManyStreams(headers={"Retry-After": "5"})
        return partial(self._places.give, self.principal.id)


def who_now(request: Request) -> Principal | None:
    """Who the request's key or session stands for at this moment; asking is no use of it."""
    scheme, key = get_authorization_scheme_param(request.headers.get("Authorization"))
    token = request.cookies.get(cookie_name(settings_of(request)), "")
    database, settings = database_of(request), settings_of(request)
    at, ip = clock_of(request)(), client_ip(request)
    if scheme.lower() == "bearer" and key:
        found = authenticate_api_key(database, key, settings=settings, at=at, ip=ip, note_use=False)
    else:
        found = authenticate_session(
            database, token, settings=settings, at=at, ip=ip, note_use=False
        )
    if found is None or found.must_change_password or not found.can(Permission.READ):
        return None
    return found


async def _presence(request: Request, principal: Reader) -> Presence:
    app = cast(FastAPI, request.app)
    if not hasattr(app.state, "stream_places"):
        app.state.stream_places = Places(STREAMS_EACH)
    return Presence(principal, partial(who_now, request), app.state.stream_places)


Present = Annotated[Presence, Depends(_presence)]
"""Who asks for a stream."""
