"""Accounts and devices to notify about, a receiver of webhooks, a mail server, a clock to be moved."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from email.message import Message
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.accounts.models import Account, AccountEnterprise, AccountRole
from app.accounts.principal import Principal, Role
from app.contracts.devices import DeviceKind
from app.core.db import Database, Session
from app.core.security import hash_password
from app.devices.models import Device, DeviceState
from app.enterprises.models import Enterprise
from app.notifications.api import router as api
from app.notifications.kinds import EventKind
from app.notifications.pages import router as pages
from app.notifications.sender import Sender
from app.notifications.service import Subject, publish
from app.notifications.webhooks_api import router as webhooks_api
from app.operators.models import Operator
from app.settings import Settings
from tests.acting import app_of, person_of
from tests.free_ports import free_port

NOW = datetime(2026, 12, 9, 2, 0, tzinfo=UTC)


class MovedClock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Loopback receivers are allowed; the guard has tests of its own."""
    return Settings(
        data_dir=tmp_path,
        secret_key="a root secret for tests of thirty-two bytes",
        public_url="https://qingka.example",
        webhook_allow_private=True,
    )


@pytest.fixture
def sender(any_database: Database, settings: Settings, clock: MovedClock) -> Sender:
    """A sender driven by hand, on both databases."""
    return Sender(any_database, settings, clock)


@dataclass
class World:
    """Who and what there is."""

    database: Database
    names: Iterator[int] = field(default_factory=lambda: iter(range(10**6)))

    def account(
        self,
        *roles: Role,
        operator_id: UUID | None = None,
        enterprises: list[UUID] | None = None,
        disabled: bool = False,
    ) -> Account:
        number = next(self.names)
        with self.database.transaction() as session:
            account = Account(
                name=f"account{number}",
                display_name=f"账号{number}",
                password_hash="-",
                password_changed_at=NOW,
                all_enterprises=enterprises is None,
                operator_id=operator_id,
                disabled_at=NOW if disabled else None,
                created_at=NOW,
            )
            session.add(account)
            session.flush()
            session.add_all(AccountRole(account_id=account.id, role=role) for role in roles)
            session.add_all(
                AccountEnterprise(account_id=account.id, enterprise_id=one)
                for one in enterprises or ()
            )
            session.flush()
            session.expunge_all()
        return account

    def operator(self, *, email: str = "") -> Operator:
        number = next(self.names)
        with self.database.transaction() as session:
            enterprise = Enterprise(
                tax_no=f"{number:015d}", name=f"企业{number}", created_at=NOW, updated_at=NOW
            )
            session.add(enterprise)
            session.flush()
            operator = Operator(
                code=f"KP{number}",
                name=f"操作员{number}",
                email=email,
                enterprise_id=enterprise.id,
                created_at=NOW,
                updated_at=NOW,
            )
            session.add(operator)
            session.flush()
            session.expunge_all()
        return operator

    def device(self, operator: Operator, *, lock_date: date | None = None, **values: Any) -> Device:
        number = next(self.names)
        given: dict[str, Any] = {"state": DeviceState.CONNECTED, "read_at": NOW} | values
        with self.database.transaction() as session:
            device = Device(
                number=f"{661814461322 + number}",
                kind=DeviceKind.TAX_DISK,
                enterprise_id=operator.enterprise_id,
                operator_id=operator.id,
                lock_date=lock_date,
                created_at=NOW,
                updated_at=NOW,
                **given,
            )
            session.add(device)
            session.flush()
            session.expunge_all()
        return device


@pytest.fixture
def world(any_database: Database) -> World:
    return World(any_database)


def principal_of(account: Account | None = None, *roles: Role) -> Principal:
    known = {"id": account.id, "name": account.name} if account else {"name": "lin"}
    return person_of(*roles, display_name="林会计", ip="127.0.0.1", **known)


@pytest.fixture
def admin() -> Principal:
    return principal_of()


@pytest.fixture
def make_principal() -> Callable[..., Principal]:
    return principal_of


def failed_clearing(
    session: Session, operator: Operator, *, requester_id: str = "", at: datetime = NOW
) -> UUID:
    event = publish(
        session,
        EventKind.CLEARING_FAILED,
        subject=Subject(
            "clearing_request", "r1", operator.enterprise_id, operator.id, requester_id
        ),
        data={
            "number": "QK202612-0001",
            "operator": operator.name,
            "devices": ["661814461322"],
            "period": "2026-11",
            "lock_date_before": "2026-12-15",
            "code": "bureau.not_filed",
            "message": "税务端未申报",
            "remedy": "先完成本期纳税申报，再重试清卡。",
        },
        at=at,
    )
    assert event is not None
    return event.id


@pytest.fixture
def publish_failure() -> Callable[..., UUID]:
    """Publishes a failed clearing of an operator in the caller's transaction."""
    return failed_clearing


@dataclass
class Receiver:
    """The process of receiver.py."""

    port: int
    directory: Path

    def url(self, path: str = "ok") -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def expect(self, secret: str) -> None:
        """Verify signatures with this secret from now on."""
        (self.directory / "secret").write_text(secret)

    def robots_accept(self) -> None:
        (self.directory / "robot-ok").touch()

    @property
    def requests(self) -> list[dict[str, Any]]:
        log = self.directory / "log"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    directory = tmp_path / "receiver"
    directory.mkdir()
    program = Path(__file__).with_name("receiver.py")
    process = subprocess.Popen(
        [sys.executable, str(program), str(directory / "secret"), str(directory / "log")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield Receiver(int(process.stdout.readline()), directory)
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def _nothing() -> None:
    return


class _Mailbox(MessageHandler):
    """Keeps what arrives; answers RCPT of `refused` addresses with a code.

    `most`: so many letters a connection, then it has had enough (421 to a NOOP). `then`: what to do
    when so many letters are there.
    """

    def __init__(self) -> None:
        super().__init__()
        self.letters: list[Message] = []
        self.refuse: dict[str, str] = {}
        self.connections = 0
        self.most = 0
        self.then: dict[int, Callable[[], None]] = {}
        self._lock = threading.Lock()

    async def handle_EHLO(
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name, session.letters = hostname, 0
        self.connections += 1
        return responses

    async def handle_NOOP(self, server: Any, session: Any, envelope: Any, arg: str) -> str:
        return "421 enough" if self.most and session.letters >= self.most else "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        session.letters += 1
        self.handle_message(self.prepare_message(session, envelope))
        await asyncio.to_thread(self.then.get(len(self.letters), _nothing))
        return "250 OK"

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    def handle_message(self, message: Message) -> None:
        with self._lock:
            self.letters.append(message)


@dataclass
class MailServer:
    """A real SMTP server on a free port."""

    controller: Controller
    mailbox: _Mailbox

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.controller.port}?from=qingka@example.com&tls=none"

    @property
    def letters(self) -> list[Message]:
        return self.mailbox.letters


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    mailbox = _Mailbox()
    controller = Controller(
        mailbox, hostname="127.0.0.1", port=free_port(), loop=asyncio.new_event_loop()
    )
    controller.start()
    yield MailServer(controller, mailbox)
    controller.stop()


@pytest.fixture
def account(any_database: Database, world: Any) -> Account:
    """An admin with a password to be asked for."""
    made: Account = world.account(Role.ADMIN)
    with any_database.transaction() as session:
        session.get_one(Account, made.id).password_hash = hash_password("correct horse battery")
    return made


@pytest.fixture
def app(
    any_database: Database,
    settings: Settings,
    clock: Any,
    account: Account,
    make_principal: Callable[..., Principal],
) -> FastAPI:
    principal = make_principal(account)
    return app_of(any_database, settings, clock, principal, api=[api, webhooks_api], pages=[pages])


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, follow_redirects=False) as client:
        yield client
