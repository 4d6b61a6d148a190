"""What belongs to an enterprise somebody does not see is to them as if it were not there: at every address, by every way in."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlmodel import select
from starlette.testclient import TestClient

from app.accounts import service as accounts_service
from app.accounts.principal import SYSTEM, Permission, Role
from app.accounts.service import AccountDraft
from app.backups.models import Backup, BackupKind, BackupState
from app.contracts.devices import InvoiceType
from app.core.db import Database, Session
from app.core.pagination import PageRequest
from app.devices.models import Device
from app.enterprises import service as enterprises_service
from app.enterprises.schemas import EnterpriseCreate
from app.inspections.models import Inspection, InspectionKind
from app.invoices.models import Invoice
from app.main import create_app
from app.reconciliation import run_queries
from app.reconciliation.errors import RunNotFound
from app.reconciliation.models import DifferenceKind, ReconciliationDifference, ReconciliationRun
from app.settings import Settings
from tests.acting import person_of
from tests.contract.test_access import KNOWN
from tests.office import DUE

if TYPE_CHECKING:
    from tests.office import MovableClock, Office

OTHER_TAX_NO = "91310115000000077M"
NOTHING = "01a20bd7-9bea-7718-ae4f-282d8c407c73"
PASSWORD = "who may do what 1"
BODIES: dict[str, dict[str, Any]] = {
    "approve": {"comment": "同意", "password": PASSWORD},
    "reject": {"comment": "资料不齐"},
    "retry": {"password": PASSWORD},
    "checklist": {"items": []},
    "{difference_id}": {"action": "accept", "reason": "已核实"},
    "{invoice_id}": {"clearing_status": "cleared", "reason": "已核实"},
    "issue": {"code": "3100000000", "number": "00000001"},
    "restore": {"preview": True},
}
"""Well-formed ones, by the last word of the address: what is refused is not the form."""

Address = tuple[str, str]
Things = dict[str, UUID]


@pytest.fixture
def app(database: Database, settings: Settings, clock: "MovableClock") -> FastAPI:
    """The whole product."""
    return create_app(settings, clock=clock, database=database)


@pytest.fixture
def things(office: "Office") -> Things:
    """One of each kind, all of one enterprise; by the name an address has for it."""
    subject, cleared, batched = office.operator(), office.operator(), office.operator()
    with office.database.transaction() as session:
        record_id = office.add_record(session, cleared.device_ids[0]).id
        kept = _kept(session, office, subject.device_ids[0])
    return {
        **kept,
        "operator_id": subject.operator_id,
        "device_id": subject.device_ids[0],
        "enterprise_id": office.enterprise_id,
        "request_id": office.submit(subject),
        "record_id": record_id,
        "batch_id": office.open_batch(batched, principal=person_of(Role.ADMIN)),
    }


def _run_of(devices: list[Device], at: datetime, by: str, found: int) -> ReconciliationRun:
    return ReconciliationRun(
        period=DUE,
        devices=[
            {"device_id": str(device.id), "number": device.number, "read": True, "message": ""}
            for device in devices
        ],
        differences=found,
        started_by=by,
        started_by_name="王晓梅",
        started_at=at,
    )


def _kept(session: Session, office: "Office", device_id: UUID, by: str = "someone") -> Things:
    """A backup, a draft, an inspection, and a reconciliation that found something."""
    at, device = office.clock(), session.get_one(Device, device_id)
    whose: dict[str, Any] = {
        "enterprise_id": device.enterprise_id,
        "operator_id": device.operator_id,
    }
    run = _run_of([device], at, by, 1)
    backup = Backup(
        kind=BackupKind.ON_DEMAND,
        state=BackupState.VERIFIED,
        path="2026-01/a.zip",
        size=1,
        sha256="0" * 64,
        summary={"parts": []},
        created_at=at,
        verified_at=at,
        **whose,
    )
    invoice = Invoice(
        device_id=device.id,
        operator_id=device.operator_id,
        invoice_type=InvoiceType.SPECIAL_PAPER,
        issued_at=at,
        period=DUE,
        draft=True,
        created_at=at,
        updated_at=at,
    )
    inspection = Inspection(
        kind=InspectionKind.ON_DEMAND, label="手工", requested_by_name="王晓梅", created_at=at
    )
    session.add_all([run, backup, invoice, inspection])
    session.flush()
    difference = ReconciliationDifference(
        run_id=run.id,
        kind=DifferenceKind.NUMBER_GAP,
        device_id=device.id,
        device_number=device.number,
        period=DUE,
        message="断号",
        details={"from": "1"},
        fingerprint="f" * 64,
        **whose,
    )
    session.add(difference)
    session.flush()
    return {
        "backup_id": backup.id,
        "invoice_id": invoice.id,
        "inspection_id": inspection.id,
        "run_id": run.id,
        "difference_id": difference.id,
    }


@pytest.fixture
def elsewhere(database: Database, clock: "MovableClock") -> frozenset[UUID]:
    """The only enterprise of who is limited."""
    data = EnterpriseCreate(tax_no=OTHER_TAX_NO, name="另一家企业")
    with database.transaction() as session:
        made = enterprises_service.create_enterprise(
            session, data=data, principal=SYSTEM, at=clock()
        )
        return frozenset({made.id})


def _addresses(things: Things) -> Iterator[Address]:
    """Those of these things."""
    for method, path in KNOWN:
        names = re.findall(r"\{(\w+)\}", path)
        if names and names[0] in things:
            yield method, path


def _ask(client: TestClient, address: Address, things: Things) -> Any:
    method, path = address
    filled = re.sub(r"\{(\w+)\}", lambda found: str(things.get(found[1], NOTHING)), path)
    if method == "GET":
        return client.get(filled)
    last = path.rpartition("/")[2]
    if last == "attachments":
        return client.post(filled, files={"file": ("a.pdf", b"%PDF-1.7", "application/pdf")})
    body = BODIES.get(last, {})
    if path.startswith("/api/"):
        return client.request(method, filled, json=body)
    return client.request(method, filled, data=body)


def _key(
    database: Database, clock: "MovableClock", *scopes: Permission, sees: frozenset[UUID] | None
) -> dict[str, str]:
    with database.transaction() as session:
        made = accounts_service.create_api_key(
            session,
            by=SYSTEM,
            name="erp",
            scopes=frozenset(scopes),
            expires_at=None,
            at=clock(),
            enterprise_ids=sees,
        )
        return {"Authorization": f"Bearer {made.key}"}


def _sign_in(
    client: TestClient,
    database: Database,
    settings: Settings,
    clock: "MovableClock",
    sees: frozenset[UUID],
) -> UUID:
    """As a leader of other enterprises: asks and reviews."""
    draft = AccountDraft(
        "leader",
        frozenset({Role.OPERATOR, Role.REVIEWER}),
        password=PASSWORD,
        must_change_password=False,
        enterprise_ids=sees,
    )
    with database.transaction() as session:
        made = accounts_service.create_account(
            session, draft, by=SYSTEM, settings=settings, clock=clock
        )
        opened = accounts_service.open_session(
            session, made.account.id, settings=settings, at=clock(), ip="testclient"
        )
        account_id = made.account.id
    client.cookies.set(accounts_service.cookie_name(settings), opened.token)
    return account_id


def test_the_things_are_there_for_who_sees_them(
    app: FastAPI, database: Database, clock: "MovableClock", things: Things
) -> None:
    headers = _key(database, clock, Permission.READ, sees=None)
    client = TestClient(app, headers=headers, raise_server_exceptions=False)
    asked = [
        (method, path)
        for method, path in _addresses(things)
        if method == "GET" and re.fullmatch(r"/api/v1/[\w-]+/\{\w+\}", path)
    ]
    assert {path.partition("{")[2][:-1] for _, path in asked} == set(things) - {"difference_id"}
    for address in asked:
        assert _ask(client, address, things).status_code == 200, address
    client.close()


@pytest.mark.parametrize("who", ["clerk's key", "reviewer's key", "leader"])
def test_what_is_foreign_is_answered_as_what_is_not_there(
    app: FastAPI,
    database: Database,
    settings: Settings,
    clock: "MovableClock",
    things: Things,
    elsewhere: frozenset[UUID],
    who: str,
) -> None:
    client = TestClient(app, follow_redirects=False, raise_server_exceptions=False)
    if who == "leader":
        _sign_in(client, database, settings, clock, elsewhere)
    else:
        right = Permission.CLEARING_REQUEST if who == "clerk's key" else Permission.CLEARING_REVIEW
        client.headers.update(_key(database, clock, Permission.READ, right, sees=elsewhere))
    asked = 0
    for address in _addresses(things):
        if who != "leader" and not address[1].startswith("/api/"):
            continue  # pages are for people
        foreign, nothing = _ask(client, address, things), _ask(client, address, {})
        assert foreign.status_code in {403, 404}, (address, foreign.text)
        assert _said(foreign, things) == _said(nothing, things), address
        asked += 1
    assert asked > 30
    client.close()


def test_no_list_and_no_page_names_what_is_foreign(
    app: FastAPI,
    database: Database,
    settings: Settings,
    clock: "MovableClock",
    things: Things,
    elsewhere: frozenset[UUID],
) -> None:
    client = TestClient(app, follow_redirects=False, raise_server_exceptions=False)
    with database.reading() as session:
        numbers = session.exec(select(Device.number)).all()
    names = [*numbers, *(str(one) for one in things.values())]
    _sign_in(client, database, settings, clock, elsewhere)
    shown = 0
    for method, path in KNOWN:
        if method != "GET" or "{" in path or path.endswith("/events") or path == "/readyz":
            continue  # what never ends; what says 503 while no engine runs
        answer = client.get(path)
        assert answer.status_code < 500, (path, answer.text)
        assert [one for one in names if one in answer.text] == [], path
        shown += answer.status_code == 200
    assert shown > 30
    client.close()


def test_a_run_of_ones_own_is_foreign_once_its_devices_are(
    app: FastAPI,
    database: Database,
    settings: Settings,
    clock: "MovableClock",
    office: "Office",
    elsewhere: frozenset[UUID],
) -> None:
    """Who was limited after it, or whose enterprise another took over, sees it no more."""
    client = TestClient(app, follow_redirects=False, raise_server_exceptions=False)
    account_id = _sign_in(client, database, settings, clock, elsewhere)
    subject = office.operator()
    with database.transaction() as session:
        kept = _kept(session, office, subject.device_ids[0], by=str(account_id))
        number = session.get_one(Device, subject.device_ids[0]).number
    run_id = kept["run_id"]
    for path in (f"/api/v1/reconciliations/{run_id}", f"/invoices/reconciliations/{run_id}"):
        assert client.get(path).status_code == 404, path
    listed = client.get("/invoices/reconciliations").text
    assert (str(run_id) in listed, number in listed) == (False, False)
    client.close()


def test_a_run_that_found_nothing_is_listed_only_while_all_its_devices_are_seen(
    any_database: Database, clock: "MovableClock", any_office: "Office"
) -> None:
    seen, foreign = any_office.operator(), any_office.operator()
    data = EnterpriseCreate(tax_no=OTHER_TAX_NO, name="另一家企业")
    with any_database.transaction() as session:
        other = enterprises_service.create_enterprise(
            session, data=data, principal=SYSTEM, at=clock()
        )
        theirs = session.get_one(Device, foreign.device_ids[0])
        theirs.enterprise_id = other.id
        own = session.get_one(Device, seen.device_ids[0])
        me = person_of(Role.OPERATOR, enterprise_ids=frozenset({own.enterprise_id}))
        runs = [
            _run_of(devices, clock(), str(me.id), 0)
            for devices in ([own], [own, theirs], [theirs], [])
        ]
        session.add_all(runs)
        session.flush()
        listed, _ = run_queries.page_of_runs(session, me, PageRequest())
        assert {run.id for run in listed} == {runs[0].id, runs[3].id}
        for run in runs[1:3]:
            with pytest.raises(RunNotFound):
                run_queries.run(session, run.id, me)


def _said(answer: Any, things: Things) -> tuple[int, str]:
    """The answer, whatever the id it was asked about."""
    text = answer.text
    for known in (*(str(one) for one in things.values()), NOTHING):
        text = text.replace(known, "ID")
    return answer.status_code, text
