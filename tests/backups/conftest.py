"""Ledgers to back up, and places to keep backups: directories and a real S3 server on a free port."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlmodel import select

import app.models  # noqa: F401  (registers every table)
from app.accounts.principal import SYSTEM
from app.audit.models import AuditRecord
from app.backups import service
from app.backups.encryption import KeyRing
from app.backups.local_target import LocalTarget
from app.backups.models import Backup
from app.backups.rows import row_of
from app.backups.s3_target import S3Target
from app.backups.storage import Storage
from app.contracts.devices import DeviceKind, InvoiceStatus, InvoiceType
from app.contracts.periods import Period
from app.core.db import Database, Session
from app.devices.models import Device
from app.enterprises.models import Enterprise
from app.invoices.models import ClearingStatus, Invoice
from app.operators.models import Operator

NOW = datetime(2026, 12, 9, 2, 0, tzinfo=UTC)
PERIOD = Period("2026-11")
KEY = bytes(range(32))


class MovableClock:
    """A clock that stands still until moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        """Let time pass."""
        self.now += timedelta(**by)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@dataclass(frozen=True)
class Subject:
    """An enterprise with one operator and one device, and its invoices in the ledger."""

    enterprise_id: UUID
    operator_id: UUID
    device_id: UUID
    number: str
    tax_no: str


Populate = Callable[..., Subject]


@pytest.fixture
def populate() -> Populate:
    """Fills a ledger: invoices of three types and two months, and drafts."""
    numbers = iter(range(1, 10**6))

    def fill(database: Database, *, invoices: int = 6, drafts: int = 2) -> Subject:
        place = next(numbers)
        with database.transaction() as session:
            subject = _register(session, place)
            for index in range(invoices):
                session.add(_invoice(subject, index))
            for index in range(drafts):
                session.add(_draft(subject, index))
        return subject

    return fill


def _register(session: Session, place: int) -> Subject:
    tax_no = f"{place:015d}"
    enterprise = Enterprise(tax_no=tax_no, name=f"企业{place}", created_at=NOW, updated_at=NOW)
    session.add(enterprise)
    session.flush()
    operator = Operator(
        code=f"KP{place:04d}",
        name="王晓梅",
        enterprise_id=enterprise.id,
        device_count=1,
        created_at=NOW,
        updated_at=NOW,
    )
    session.add(operator)
    session.flush()
    device = Device(
        number=f"6618{place:08d}",
        kind=DeviceKind.TAX_DISK,
        enterprise_id=enterprise.id,
        operator_id=operator.id,
        created_at=NOW,
        updated_at=NOW,
    )
    session.add(device)
    session.flush()
    return Subject(enterprise.id, operator.id, device.id, device.number, tax_no)


def _invoice(subject: Subject, index: int) -> Invoice:
    kind = (InvoiceType("004"), InvoiceType("007"), InvoiceType("026"))[index % 3]
    return Invoice(
        device_id=subject.device_id,
        operator_id=subject.operator_id,
        invoice_type=kind,
        code="032001900104" if index % 2 else "",
        number=f"{index:08d}",
        issued_at=datetime(2026, 11, 1 + index % 28, 3, 4, 5, 678901, tzinfo=UTC),
        period=PERIOD,
        amount=Decimal(index * 100) / 100 - 2,
        tax=Decimal("0.13"),
        status=InvoiceStatus.RED if index == 0 else InvoiceStatus.NORMAL,
        uploaded=index % 2 == 0,
        buyer_name='南京"德茂"商贸\\有限公司, 客户',
        created_at=NOW,
        updated_at=NOW,
    )


def _draft(subject: Subject, index: int) -> Invoice:
    return Invoice(
        device_id=subject.device_id,
        operator_id=subject.operator_id,
        invoice_type=InvoiceType("007"),
        issued_at=datetime(2026, 12, 2, index, tzinfo=UTC),
        period="2026-12",
        amount=Decimal("12.30"),
        draft=True,
        buyer_name="未开完",
        created_at=NOW,
        updated_at=NOW,
    )


Ledger = Callable[[Database], dict[str, dict[str, object]]]


@pytest.fixture
def ledger() -> Ledger:
    """Every invoice by its id, every column of it."""

    def read(database: Database) -> dict[str, dict[str, object]]:
        with database.reading() as session:
            return {str(one.id): row_of(one) for one in session.exec(select(Invoice))}

    return read


Clear = Callable[[Database, Subject], None]


@pytest.fixture
def clear() -> Clear:
    """What a full clearing does to the ledger: invoices are cleared, drafts are gone."""

    def do(database: Database, subject: Subject) -> None:
        table = Invoice.__table__  # type: ignore[attr-defined]
        mine = table.c.device_id == subject.device_id
        cleared = {
            "clearing_status": ClearingStatus.CLEARED,
            "revision": table.c.revision + 1,
            "updated_at": NOW + timedelta(minutes=3),
        }
        with database.transaction() as session:
            session.execute(sa.delete(table).where(mine, table.c.draft))
            session.execute(sa.update(table).where(mine).values(cleared))

    return do


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of a real S3 server of this test run."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_target(s3_server: str, request: pytest.FixtureRequest) -> S3Target:
    """A bucket of its own."""
    import boto3

    bucket = f"b{abs(hash(request.node.nodeid)):x}"
    access = {"key": "test", "secret": "test-secret"}
    client = boto3.client(
        "s3",
        endpoint_url=s3_server,
        region_name="us-east-1",
        aws_access_key_id=access["key"],
        aws_secret_access_key=access["secret"],
    )
    client.create_bucket(Bucket=bucket)
    client.close()
    options = (("endpoint", s3_server), ("region", "us-east-1"), *access.items())
    return S3Target("office-s3", bucket, "/qingka/", options)


@pytest.fixture
def local(tmp_path: Path) -> Storage:
    """One directory, no encryption."""
    return Storage((LocalTarget("local", tmp_path / "backups"),), tmp_path / "spool")


@pytest.fixture(params=["local", "local-encrypted", "s3", "s3-encrypted"])
def storage(request: pytest.FixtureRequest, local: Storage) -> Storage:
    """Each place, encrypted and not."""
    found = local
    if request.param.startswith("s3"):
        found = replace(found, targets=(request.getfixturevalue("s3_target"),))
    if request.param.endswith("encrypted"):
        found = replace(found, keys=KeyRing.of(KEY))
    return found


BackUp = Callable[..., Backup]


@pytest.fixture
def back_up(clock: MovableClock) -> BackUp:
    """A backup of a subject's period on demand."""

    def make(database: Database, storage: Storage, subject: Subject) -> Backup:
        return service.back_up_operator(
            database,
            storage,
            operator_id=subject.operator_id,
            period=PERIOD,
            principal=SYSTEM,
            clock=clock,
        )

    return make


Actions = Callable[[Database], list[str]]


@pytest.fixture
def actions() -> Actions:
    """The audited actions, in order."""

    def read(database: Database) -> list[str]:
        with database.reading() as session:
            return list(session.exec(select(AuditRecord.action).order_by(sa.text("seq"))))

    return read
