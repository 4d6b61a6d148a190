"""A device to have invoices of, and an application with the routes of the ledger."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.accounts.principal import Principal
from app.contracts.devices import DeviceInvoice, DeviceKind, InvoiceStatus, InvoiceType
from app.core.db import Database, Session
from app.devices.models import Device
from app.enterprises.models import Enterprise
from app.invoices.api import router
from app.invoices.models import Invoice
from app.operators.models import Operator
from app.settings import Settings
from tests.acting import app_of, person_of

NOW = datetime(2026, 12, 9, 2, 0, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def admin() -> Principal:
    return person_of(name="lin", display_name="林会计")


@pytest.fixture
def add_device() -> Callable[[Session], Device]:
    """Adds a device of an operator in an enterprise of their own."""
    numbers = iter(range(10**6))

    def add(session: Session) -> Device:
        number = next(numbers)
        times: dict[str, Any] = {"created_at": NOW, "updated_at": NOW}
        enterprise = Enterprise(tax_no=f"{number:015d}", name=f"企业{number}", **times)
        session.add(enterprise)
        session.flush()
        operator = Operator(code=f"KP{number}", name="王晓梅", enterprise_id=enterprise.id, **times)
        session.add(operator)
        session.flush()
        device = Device(
            number=f"{661814461322 + number}",
            kind=DeviceKind.TAX_DISK,
            enterprise_id=enterprise.id,
            operator_id=operator.id,
            **times,
        )
        session.add(device)
        session.flush()
        return device

    return add


@pytest.fixture
def add_invoice() -> Callable[..., Invoice]:
    """Adds an invoice of November 2026 with a number of its own."""
    numbers = iter(range(10**6))

    def add(session: Session, device: Device, **values: Any) -> Invoice:
        given: dict[str, Any] = {
            "invoice_type": InvoiceType.ORDINARY_PAPER,
            "code": "3200201130",
            "number": f"{next(numbers):08d}",
            "issued_at": datetime(2026, 11, 20, 3, 0, tzinfo=UTC),
            "period": "2026-11",
            "amount": Decimal("100.10"),
            "tax": Decimal("13.01"),
            "uploaded": True,
        }
        invoice = Invoice(
            device_id=device.id,
            operator_id=device.operator_id,
            created_at=NOW,
            updated_at=NOW,
            **given | values,
        )
        session.add(invoice)
        session.flush()
        return invoice

    return add


@pytest.fixture
def device_invoice() -> Callable[..., DeviceInvoice]:
    """An invoice as a device tells it."""

    def make(number: str, **values: Any) -> DeviceInvoice:
        given: dict[str, Any] = {
            "invoice_type": InvoiceType.ORDINARY_PAPER,
            "code": "3200201130",
            "number": number,
            "status": InvoiceStatus.NORMAL,
            "uploaded": True,
            "issued_at": datetime(2026, 11, 30, 23, 59, 59),
            "amount": Decimal("100.10"),
            "tax": Decimal("13.01"),
            "total": Decimal("113.11"),
            "buyer_name": "无锡云帆科技有限公司",
        }
        return DeviceInvoice(**given | values)

    return make


@pytest.fixture
def app(database: Database, tmp_path: Path, admin: Principal) -> FastAPI:
    """Its requests come from `app.state.principal`."""
    return app_of(database, Settings(data_dir=tmp_path), lambda: NOW, admin, api=[router])


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client
