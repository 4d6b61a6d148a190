"""A small application with the routes of accounts, a clock that moves, and accounts to sign in with."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request
from sqlmodel import col, select
from starlette.testclient import TestClient

from app import error_handlers
from app.accounts import api, pages, service
from app.accounts.deps import CurrentPrincipal, Permitted, principal_of
from app.accounts.models import Account
from app.accounts.principal import SYSTEM, Permission, Principal, Role
from app.accounts.service import AccountDraft
from app.audit.models import AuditRecord
from app.core.db import Database
from app.settings import Settings
from tests.acting import person_of

PASSWORD = "correct horse battery"


class MovableClock:
    """A clock that stands still until moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 5, 2, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        """Let time pass."""
        self.now += timedelta(**by)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, login_attempts=3, login_lock_minutes=15)


MakeAccount = Callable[..., Account]


def _maker(database: Database, settings: Settings, clock: MovableClock) -> MakeAccount:
    def make(name: str, *roles: Role, **more: Any) -> Account:
        values = {"password": PASSWORD, "must_change_password": False, **more}
        draft = AccountDraft(name=name, roles=frozenset(roles or {Role.OPERATOR}), **values)
        with database.transaction() as session:
            new = service.create_account(session, draft, by=SYSTEM, settings=settings, clock=clock)
            session.flush()
            session.expunge(new.account)
        return new.account

    return make


@pytest.fixture
def make_account(database: Database, settings: Settings, clock: MovableClock) -> MakeAccount:
    """Makes accounts with the password PASSWORD on the SQLite database."""
    return _maker(database, settings, clock)


@pytest.fixture
def make_on_any(any_database: Database, settings: Settings, clock: MovableClock) -> MakeAccount:
    """The same on each kind of database."""
    return _maker(any_database, settings, clock)


def as_person(
    account: Account, *, ip: str = "10.0.0.1", session_id: UUID | None = None
) -> Principal:
    """The principal a signed-in account would be."""
    return person_of(
        id=account.id,
        name=account.name,
        display_name=account.display_name,
        ip=ip,
        session_id=session_id,
    )


def audited(database: Database) -> list[str]:
    """The actions on the trail, oldest first."""
    with database.reading() as session:
        rows = session.exec(select(AuditRecord).order_by(col(AuditRecord.seq)))
        return [row.action for row in rows]


def _probe_routes() -> APIRouter:
    router = APIRouter()
    for permission in Permission:
        name = permission.value.replace(":", "-")

        @router.get(f"/api/v1/probe/{name}", dependencies=[Depends(Permitted(permission))])
        def allowed() -> dict[str, bool]:
            return {"allowed": True}

    @router.get("/page")
    def page(principal: CurrentPrincipal) -> dict[str, str]:
        return {"name": principal.name}

    @router.get("/")
    def home(principal: CurrentPrincipal) -> dict[str, str]:
        return {"name": principal.name}

    return router


def _layout(request: Request) -> dict[str, Any]:
    return {
        "me": principal_of(request),
        "nav": [],
        "deadline": None,
        "simulated": False,
        "version": "0",
    }


@pytest.fixture
def app(database: Database, settings: Settings, clock: MovableClock) -> FastAPI:
    app = FastAPI()
    app.state.database = database
    app.state.settings = settings
    app.state.clock = clock
    app.state.layout = _layout
    error_handlers.install(app)
    app.include_router(api.router, prefix="/api/v1")
    app.include_router(pages.router)
    app.include_router(_probe_routes())
    return app


Browse = Callable[..., TestClient]


@pytest.fixture
def browse(app: FastAPI) -> Iterator[Browse]:
    """Makes browsers at an address, signed in when a name is given."""
    opened: list[TestClient] = []

    def open_browser(
        name: str = "", *, ip: str = "10.0.0.1", password: str = PASSWORD
    ) -> TestClient:
        client = TestClient(
            app, client=(ip, 50_000), follow_redirects=False, raise_server_exceptions=True
        )
        opened.append(client)
        if name:
            answer = client.post("/login", data={"username": name, "password": password})
            assert answer.status_code == 303, answer.text
        return client

    yield open_browser
    for client in opened:
        client.close()
