"""What routes share: sessions of the database, settings and the clock, as dependencies."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, cast

from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel

from app.core.answers import KEEPER, WRITING, Keeper
from app.core.clock import Clock
from app.core.db import Database, Session
from app.core.pagination import DEFAULT_LIMIT, MAX_LIMIT, PageRequest
from app.core.routing import READING
from app.settings import Settings


def database_of(request: Request) -> Database:
    """The database this application was assembled with."""
    return cast(Database, request.app.state.database)


def settings_of(request: Request) -> Settings:
    """The settings this application was assembled with."""
    return cast(Settings, request.app.state.settings)


def clock_of(request: Request) -> Clock:
    """The clock this application was assembled with."""
    return cast(Clock, request.app.state.clock)


# A plain function as a dependency costs a turn on a thread of the pool, which is right only for what may
# block: what merely looks something up is a coroutine.


async def _settings(request: Request) -> Settings:
    return settings_of(request)


async def _clock(request: Request) -> Clock:
    return clock_of(request)


async def _database(request: Request) -> Database:
    return database_of(request)


async def _client_ip(request: Request) -> str:
    return client_ip(request)


async def _reading(request: Request) -> Session:
    """The route closes it (app.core.routing): a generator that does costs more than a select."""
    session = database_of(request).open_reading()
    request.scope[READING] = session
    return session


def _writing(request: Request) -> Iterator[Session]:
    with database_of(request).transaction() as session:
        request.scope[WRITING] = session
        yield session


@contextmanager
def session_of(request: Request) -> Iterator[Session]:
    """The session in which this request holds a connection, or else one for reading.

    A request that took a second connection beside its first could wait for one that another such request
    holds, which waits for this one's.
    """
    for name in (READING, WRITING):
        session: Session | None = request.scope.get(name)
        if session is not None and session.in_transaction():
            yield session
            return
    with database_of(request).reading() as session:
        yield session


async def _keep(request: Request, response: Response) -> Callable[[Session, BaseModel], None]:
    keeper: Keeper | None = request.scope.get(KEEPER)

    def keep(session: Session, body: BaseModel) -> None:
        if keeper is not None:
            headers = {**response.headers, "content-type": "application/json"}
            status = request.scope["route"].status_code or 200
            keeper.keep(session, Response(body.model_dump_json(), status, headers))

    return keep


def client_ip(request: Request) -> str:
    """The peer's address as the server sees it (uvicorn resolves trusted proxies)."""
    return request.client.host if request.client else ""


def wants_html(request: Request) -> bool:
    """Whether a person's browser asks: a page's path, never one of the API."""
    return not request.url.path.startswith(("/api/", "/agent/", "/healthz", "/readyz", "/metrics"))


async def _page_request(
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    cursor: Annotated[str | None, Query(max_length=1000)] = None,
) -> PageRequest:
    return PageRequest(limit, cursor or None)


Reading = Annotated[Session, Depends(_reading)]
"""A session for reading."""

Writing = Annotated[Session, Depends(_writing, scope="function")]
"""A session that commits before the response goes out: a failed commit is a failed request."""

Keep = Annotated[Callable[[Session, BaseModel], None], Depends(_keep)]
"""For a long action with several transactions: keeps its answer in the one that makes it true."""

SettingsDep = Annotated[Settings, Depends(_settings)]
ClockDep = Annotated[Clock, Depends(_clock)]
DatabaseDep = Annotated[Database, Depends(_database)]
ClientIp = Annotated[str, Depends(_client_ip)]
Paging = Annotated[PageRequest, Depends(_page_request)]
