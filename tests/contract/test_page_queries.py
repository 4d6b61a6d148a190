"""The number of queries of a page is small, and the same with one row and with fifty."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from app.accounts import service as accounts_service
from app.accounts.principal import SYSTEM, Permission
from app.core.db import Database
from app.main import create_app
from app.settings import Settings

if TYPE_CHECKING:
    from tests.office import MovableClock, Office, Subject

MOST = 10
PAGES = (
    "/",
    "/clearing?limit=200",
    "/clearing?enterprise=a",
    "/devices?limit=200",
    "/clearing/requests?limit=200",
    "/clearing/records?limit=200",
    "/api/v1/operators?limit=200",
    "/api/v1/devices?limit=200",
    "/api/v1/clearing-requests?limit=200",
    "/api/v1/clearing-records?limit=200",
    "/api/v1/invoices?limit=200",
    "/api/v1/backups?limit=200",
)


@pytest.fixture
def client(
    database: Database, settings: Settings, clock: "MovableClock", office: "Office"
) -> Iterator[TestClient]:
    """Signed in with a key that may see everything; the application is not started."""
    with database.transaction() as session:
        key = accounts_service.create_api_key(
            session,
            by=SYSTEM,
            name="counting",
            scopes={Permission.ADMIN},
            expires_at=None,
            at=clock(),
        ).key
    client = TestClient(create_app(settings, clock=clock, database=database))
    client.headers["Authorization"] = f"Bearer {key}"
    with counting(database):
        assert client.get("/api/v1/me").status_code == 200  # its use has been noted by now
    yield client
    client.close()


@contextmanager
def counting(database: Database) -> Iterator[list[str]]:
    """The statements that are run meanwhile."""
    found: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        if not statement.startswith(("PRAGMA", "BEGIN")):
            found.append(statement)

    sa.event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        sa.event.remove(database.engine, "before_cursor_execute", note)


def _fill(office: "Office", count: int) -> "Subject":
    """This many operators with a device, an open request and a record each."""
    for _ in range(count):
        subject = office.operator()
        office.submit(subject)
        with office.database.transaction() as session:
            office.add_record(session, subject.device_ids[0])
    return subject


def _count(client: TestClient, database: Database, path: str) -> int:
    with counting(database) as statements:
        answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return len(statements)


@pytest.mark.parametrize("path", PAGES)
def test_the_number_of_queries_does_not_grow(
    client: TestClient, office: "Office", path: str
) -> None:
    _fill(office, 1)
    one = _count(client, office.database, path)
    _fill(office, 49)
    assert _count(client, office.database, path) == one
    assert 2 <= one <= MOST


@pytest.mark.parametrize("path", ["/clearing/operators/{operator}", "/clearing/requests/{request}"])
def test_nor_does_that_of_one_operator_and_one_request(
    client: TestClient, office: "Office", path: str
) -> None:
    subject = office.operator(machines=(0,))
    request_id = office.submit(subject)
    address = path.format(operator=subject.operator_id, request=request_id)
    few = _count(client, office.database, address)
    with office.database.transaction() as session:
        for _ in range(50):
            office.add_record(session, subject.device_ids[0])
    _fill(office, 5)
    assert _count(client, office.database, address) == few


def test_counting_counts(client: TestClient, database: Database) -> None:
    """The counter would notice one query more."""
    with counting(database) as statements, database.reading() as session:
        session.connection().execute(sa.text("SELECT 1"))
        session.connection().execute(sa.text("SELECT 2"))
    assert statements == ["SELECT 1", "SELECT 2"]
