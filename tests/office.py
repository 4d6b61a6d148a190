"""A register to clear: an enterprise with operators and devices that were read, on a fixed day."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.accounts.principal import SYSTEM, Principal, Role
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.audit.evidence import seals
from app.batches import service as batches
from app.batches.portions import next_portion
from app.batches.schemas import BatchCreate
from app.clearing import evidence, queries
from app.clearing.models import ClearingRecord, ClearingRequest
from app.clearing.schemas import RequestCreate
from app.clearing.states import Kind, Mode, RequestState, Result, Scope, TargetState
from app.contracts.devices import (
    DeviceKind,
    DeviceReading,
    InvoiceType,
    LinkState,
)
from app.contracts.operations import TypeOutcome
from app.contracts.periods import Period
from app.core.db import Database, Session
from app.devices import service as devices_service
from app.devices.connections import AgentClients
from app.devices.models import Device
from app.devices.schemas import DeviceCreate
from app.enterprises import service as enterprises_service
from app.enterprises.schemas import EnterpriseCreate
from app.invoices.unfinished import Waiting
from app.operators import service as operators_service
from app.operators.schemas import OperatorCreate
from app.prechecks import DeviceFacts, Facts
from app.prechecks.facts import SystemFacts
from app.requests.service import control, submit
from app.settings import Settings
from tests.acting import person_of, product_of

NOW = datetime(2026, 11, 10, 2, 0, tzinfo=UTC)  # 10:00 in Shanghai
DUE = "2026-10"
DUE_DAY = date(2026, 11, 10)
LOCK_DATE = date(2026, 11, 16)
NEXT_LOCK_DATE = date(2026, 12, 15)
TAX_NO = "91420111LQHQ3ULKA4"
TYPES = (InvoiceType.SPECIAL_PAPER, InvoiceType.ORDINARY_PAPER)


class MovableClock:
    """A clock that stands still until moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        """Let time pass."""
        self.now += timedelta(**by)


def reading_of(
    number: str,
    types: tuple[InvoiceType, ...] = TYPES,
    *,
    summary: dict[str, Any] | None = None,
    info: dict[str, Any] | None = None,
    monitor: dict[str, Any] | None = None,
    **more: Any,
) -> DeviceReading:
    """A device that is well (due, unlocked, its clock right), with changes of each part."""
    link = {
        "number": number,
        "kind": DeviceKind.TAX_DISK,
        "driver": "tax_server",
        "transport": "http://127.0.0.1:9",
        "state": LinkState.CONNECTED,
    }
    known = {
        "number": number,
        "tax_no": TAX_NO,
        "taxpayer_name": "武汉源华环保科技股份有限公司",
        "invoice_types": types,
        "clock_at": datetime(2026, 11, 10, 10, 0),
        "version": "V2.0.1",
        "machine_no": 0,
    }
    due = {
        "lock_date": LOCK_DATE,
        "report_from": datetime(2026, 10, 1),
        "last_reported_at": datetime(2026, 10, 8, 9, 0),
    }
    return DeviceReading.model_validate(
        {
            "summary": link | (summary or {}),
            "info": known | (info or {}),
            "monitors": [{"invoice_type": kind, **due, **(monitor or {})} for kind in types],
            "read_at": NOW,
            **more,
        }
    )


@dataclass
class Office:
    """Makes what a test needs, each with numbers of its own."""

    database: Database
    settings: Settings
    clock: MovableClock
    enterprise_id: UUID
    made: int = 0

    def operator(self, *, machines: tuple[int, ...] = (0,), read: bool = True) -> "Subject":
        """An operator with one device for each machine number."""
        self.made += 1
        with self.database.transaction() as session:
            data = OperatorCreate(
                code=f"KP{self.made:04d}",
                name=f"操作员{self.made}",
                enterprise_id=self.enterprise_id,
            )
            operator = operators_service.create_operator(
                session, data=data, principal=SYSTEM, at=self.clock()
            )
            devices = [self._device(session, operator.id, place, read) for place in machines]
            return Subject(operator.id, tuple(devices))

    def _device(self, session: Session, operator_id: UUID, place: int, read: bool) -> UUID:
        number = f"66{self.made:07d}{place:03d}"
        machine_no = self.made * 10 + place if place else None
        data = DeviceCreate(
            number=number,
            kind=DeviceKind.TAX_DISK,
            operator_id=operator_id,
            machine_no=machine_no,
        )
        device = devices_service.register_device(
            session, data=data, principal=SYSTEM, at=self.clock()
        )
        if read:
            reading = reading_of(number, info={"machine_no": machine_no or 0})
            devices_service.store_reading(session, device, reading, at=self.clock())
        return device.id

    def submit(self, subject: "Subject", *, principal: Principal = SYSTEM, **changes: Any) -> UUID:
        """Submit a request; gives its id."""
        values = {"operator_id": subject.operator_id, "period": DUE, "reason": "按期清卡"}
        with self.database.transaction() as session:
            data = RequestCreate.model_validate(values | changes)
            return submit.submit_request(
                session, principal=principal, clock=self.clock, data=data
            ).id

    def open_batch(
        self, *subjects: "Subject", principal: Principal, proven: bool = True, **changes: Any
    ) -> UUID:
        """Confirm a batch; its requests are still to be made."""
        ids = [one.operator_id for one in subjects]
        data = BatchCreate.model_validate({"operator_ids": ids, "reason": "月末"} | changes)
        with self.database.reading() as session:
            planned = batches.plan(
                session,
                principal=principal,
                settings=self.settings,
                clock=self.clock,
                data=data,
            )
        with self.database.transaction() as session:
            return batches.open_batch(
                session,
                planned,
                principal=principal,
                settings=self.settings,
                clock=self.clock,
                data=data,
                proven=proven,
            ).id

    def carry_out(self) -> int:
        """Do what was ordered of batches, as the engine does; gives in how many portions."""
        portions = 0
        while next_portion(self.database, self.settings, self.clock):
            portions += 1
        return portions

    def execute(self, request_id: UUID, *, principal: Principal = SYSTEM) -> None:
        """Start its first attempt; nothing runs it."""
        self.change(
            request_id,
            lambda session, request: control.execute(
                session, request, principal=principal, settings=self.settings, clock=self.clock
            ),
        )

    def change(
        self, request_id: UUID, change: Callable[[Session, ClearingRequest], object]
    ) -> None:
        """Change a request in one transaction."""
        with self.database.transaction() as session:
            request = queries.locked_request(session, request_id)
            change(session, request)
            session.add(request)

    def add_record(
        self, session: Session, device_id: UUID, *, vouched: bool = True, **changes: Any
    ) -> ClearingRecord:
        """A record of a device that succeeded, and the confirmed request it is of.

        `vouched`: the audit trail holds its digest, as that of every record written properly.
        """
        device = session.get_one(Device, device_id)
        request = ClearingRequest(
            number=queries.next_number(session, DUE_DAY),
            operator_id=device.operator_id,
            enterprise_id=device.enterprise_id,
            mode=Mode.REGULAR,
            kind=Kind.DEVICE,
            scope=Scope.FULL,
            invoice_types=[],
            period=DUE,
            clearing_date=DUE_DAY,
            reason="按期清卡",
            state=RequestState.CONFIRMED,
            requested_by="someone",
            requested_by_name="王晓梅",
            created_at=self.clock(),
            updated_at=self.clock(),
        )
        session.add(request)
        session.flush()
        values: dict[str, Any] = {
            "request_id": request.id,
            "attempt": 1,
            "operator_id": device.operator_id,
            "operator_name": "王晓梅",
            "enterprise_id": device.enterprise_id,
            "device_id": device_id,
            "device_number": device.number,
            "mode": Mode.REGULAR,
            "kind": Kind.DEVICE,
            "scope": Scope.FULL,
            "period": DUE,
            "invoice_types": ["004", "007"],
            "result": Result.SUCCEEDED,
            "started_at": self.clock(),
            "finished_at": self.clock(),
            "executed_by": "someone",
            "executed_by_name": "王晓梅",
            "evidence": {},
        }
        record = ClearingRecord(**values | changes)
        session.add(record)
        session.flush()
        if vouched:
            audit.record(
                session,
                actor=SYSTEM.actor,
                action=AuditAction.CLEARING_SUCCEEDED,
                object_type=evidence.REQUEST.object_type,
                object_id=request.id,
                at=self.clock(),
                details=seals(session, evidence.RECORD, [record.id]),
            )
        return record

    def state(self, request_id: UUID) -> RequestState:
        """Where it stands."""
        with self.database.reading() as session:
            return queries.request(session, request_id).state

    def put(self, request_id: UUID, state: RequestState) -> None:
        """Put a request into a state, whatever the rules say."""
        self.change(request_id, lambda _, request: setattr(request, "state", state))

    def clear_on_device(self, request_id: UUID) -> None:
        """What the stages leave when every device shows that it is cleared."""

        def change(session: Session, request: ClearingRequest) -> None:
            for target in queries.targets(session, request.id):
                target.state = TargetState.CLEARED
                target.types = [outcome_of(kind).model_dump(mode="json") for kind in TYPES]
                session.add(target)

        self.change(request_id, change)


@dataclass(frozen=True)
class Subject:
    """An operator and the devices, in the order they were registered."""

    operator_id: UUID
    device_ids: tuple[UUID, ...]


def outcome_of(kind: InvoiceType) -> TypeOutcome:
    """A type that was cleared."""
    return TypeOutcome(
        invoice_type=kind,
        lock_date_before=LOCK_DATE,
        lock_date_after=NEXT_LOCK_DATE,
        reported=True,
        cleared=True,
    )


def new_office(database: Database, settings: Settings, clock: MovableClock) -> Office:
    """An enterprise to register operators of."""
    with database.transaction() as session:
        data = EnterpriseCreate(tax_no=TAX_NO, name="武汉源华环保科技股份有限公司")
        enterprise = enterprises_service.create_enterprise(
            session, data=data, principal=SYSTEM, at=clock()
        )
        return Office(database, settings, clock, enterprise.id)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.model_validate({"data_dir": tmp_path, "agent": "off"})


@pytest.fixture
def office(database: Database, settings: Settings, clock: MovableClock) -> Office:
    """On SQLite."""
    return new_office(database, settings, clock)


@pytest.fixture
def any_office(any_database: Database, settings: Settings, clock: MovableClock) -> Office:
    """On each kind of database."""
    return new_office(any_database, settings, clock)


@pytest.fixture
def make_office() -> Callable[[Database, Settings, MovableClock], Office]:
    """For a database of one's own."""
    return new_office


@pytest.fixture
def person() -> Callable[..., Principal]:
    """Makes a person with a role: person(Role.OPERATOR, enterprise_ids=…)."""
    return person_of


def facts_of(
    reading: DeviceReading, *, device: dict[str, Any] | None = None, **changes: Any
) -> Facts:
    """What the pre-checks look at when all is well with the one device that was read, with changes."""
    known: dict[str, Any] = {
        "device_id": UUID(int=1),
        "number": reading.info.number,
        "machine_no": 0,
        "invoice_types": (),
        "reading": reading,
        "fault": None,
        "drafts": 0,
        "later_drafts": 0,
        "not_uploaded": Waiting(),
        "uploads_read": True,
        "cleared_types": frozenset(),
        "last_cleared_at": None,
    }
    values: dict[str, Any] = {
        "now": NOW,
        "period": Period(DUE),
        "devices": (DeviceFacts(**known | (device or {})),),
        "tax_no": TAX_NO,
        "taxpayer_name": "武汉源华环保科技股份有限公司",
        "free_bytes": 10 << 30,
        "needed_bytes": 1 << 30,
        "target_problem": "",
        "peak_window": None,
        "override_window": False,
        "exceptional": False,
        "min_days_between": 20,
        "system": SystemFacts("1.0", "0013", "0013"),
    }
    return Facts(**values | changes)


@pytest.fixture
def well_facts() -> Callable[..., Facts]:
    """Makes the facts of a reading and changes."""
    return facts_of


@pytest.fixture
def reading() -> Callable[..., DeviceReading]:
    """Makes a reading of a device that is well, with changes."""
    return reading_of


@pytest.fixture
def app(office: Office) -> FastAPI:
    """The routes of clearing; requests come from `app.state.principal`, an admin unless a test says otherwise."""
    app = product_of(office.database, office.settings, office.clock, person_of(Role.ADMIN))
    app.state.agents = AgentClients(office.database, office.settings)
    return app


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, follow_redirects=False) as client:
        yield client
