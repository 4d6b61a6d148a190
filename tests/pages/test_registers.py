"""The pages that register enterprises, operators and devices, and the ledger."""

import re
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlmodel import select
from starlette.testclient import TestClient

from app.contracts.devices import InvoiceType
from app.core.db import Database
from app.core.ids import new_id
from app.devices.models import Device
from app.enterprises.models import Enterprise
from app.invoices.models import ClearingStatus, Invoice
from app.operators.models import Operator

TAX_NO = "91320118MA20LU6N3P"
ENTERPRISE = {"tax_no": TAX_NO, "name": "南京德茂商贸有限公司", "filing_cycle": "monthly"}


@pytest.fixture
def enterprise(client: TestClient, database: Database) -> UUID:
    client.post("/settings/enterprises", data={**ENTERPRISE, "review_required": "true"})
    with database.reading() as session:
        return session.exec(select(Enterprise.id)).one()


@pytest.fixture
def operator(client: TestClient, database: Database, enterprise: UUID) -> UUID:
    data = {"code": "KP0012", "name": "王晓梅", "enterprise_id": str(enterprise), "active": "true"}
    client.post("/settings/operators", data=data)
    with database.reading() as session:
        return session.exec(select(Operator.id)).one()


@pytest.fixture
def device(client: TestClient, database: Database, operator: UUID) -> UUID:
    data = {"number": "661814461322", "kind": "tax_disk", "operator_code": "KP0012"}
    client.post("/devices/new", data=data)
    with database.reading() as session:
        return session.exec(select(Device.id)).one()


@pytest.fixture
def invoice(database: Database, device: UUID, operator: UUID, now: datetime) -> UUID:
    invoice_id = new_id()
    with database.transaction() as session:
        session.add(
            Invoice(
                id=invoice_id,
                device_id=device,
                operator_id=operator,
                invoice_type=InvoiceType.ORDINARY_PAPER,
                code="032002100311",
                number="20117764",
                issued_at=now,
                period="2026-12",
                amount=Decimal("1284.50"),
                buyer_name="苏州锦程物流有限公司",
                created_at=now,
                updated_at=now,
            )
        )
    return invoice_id


def revision_in(html: str) -> str:
    found = re.search(r'name="revision" value="(\d+)"', html)
    assert found, html
    return found[1]


def test_with_more_enterprises_than_a_select_offers_the_chosen_one_is_kept(
    client: TestClient, database: Database, operator: UUID, enterprise: UUID, now: datetime
) -> None:
    with database.transaction() as session:
        session.get_one(Enterprise, enterprise).name = "~ 排在最后的企业"
        session.add_all(
            Enterprise(
                tax_no=f"3101150000{n:05d}", name=f"企业{n:05d}", created_at=now, updated_at=now
            )
            for n in range(500)
        )
    chosen = f'<option value="{enterprise}" selected>'
    assert chosen not in client.get("/settings/operators").text
    for path in (
        f"/settings/operators/{operator}",
        f"/settings/operators?enterprise_id={enterprise}",
    ):
        assert chosen in client.get(path).text, path
    link = f"/settings/operators?enterprise_id={enterprise}"
    assert f'href="{link}"' in client.get(f"/settings/enterprises/{enterprise}").text
    refused = client.post("/settings/operators", data={"enterprise_id": str(enterprise)})
    assert refused.status_code == 422
    assert chosen in refused.text


def test_devices_of_an_enterprise_among_many(
    client: TestClient, database: Database, device: UUID, enterprise: UUID, now: datetime
) -> None:
    def shown(query: str) -> bool:
        return f'href="/devices/{device}"' in client.get(f"/devices{query}").text

    assert f'<option value="{enterprise}">' in client.get("/devices").text
    with database.transaction() as session:
        session.add_all(
            Enterprise(tax_no=f"3101150000{n:05d}", name=f"企业{n}", created_at=now, updated_at=now)
            for n in range(60)
        )
    page = client.get("/devices").text
    assert 'name="enterprise"' in page
    assert len(page) < 60_000
    assert shown("?enterprise=德茂")
    assert shown(f"?enterprise_id={enterprise}")
    assert not shown("?enterprise=企业7")
    assert not shown("?enterprise=企业")
    assert "请选择" in client.get("/devices?enterprise=企业").text
    assert "没有名称或税号符合" in client.get("/devices?enterprise=没有").text


def test_a_wrong_tax_number_keeps_the_input(client: TestClient, database: Database) -> None:
    answer = client.post("/settings/enterprises", data={**ENTERPRISE, "tax_no": "913201"})
    assert answer.status_code == 422
    assert 'value="913201"' in answer.text
    assert 'id="tax_no-error"' in answer.text
    assert "<dialog" in answer.text
    assert " open>" in answer.text
    with database.reading() as session:
        assert session.exec(select(Enterprise)).all() == []


def test_an_enterprise_is_registered_and_changed(
    client: TestClient, database: Database, enterprise: UUID
) -> None:
    assert TAX_NO in client.get("/settings/enterprises", params={"q": "德茂"}).text
    path = f"/settings/enterprises/{enterprise}"
    revision = revision_in(client.get(path).text)
    data = {**ENTERPRISE, "contact_name": "王晓梅", "revision": revision}
    answer = client.post(path, data=data, follow_redirects=False)
    assert answer.status_code == 303
    with database.reading() as session:
        changed = session.get_one(Enterprise, enterprise)
        assert (changed.contact_name, changed.review_required) == ("王晓梅", False)


def test_a_change_of_what_somebody_else_changed_is_refused(
    client: TestClient, enterprise: UUID
) -> None:
    path = f"/settings/enterprises/{enterprise}"
    data = {**ENTERPRISE, "revision": revision_in(client.get(path).text)}
    client.post(path, data={**data, "contact_name": "甲"})
    answer = client.post(path, data={**data, "contact_name": "乙"})
    assert answer.status_code == 412
    assert "数据已被他人修改" in answer.text
    assert 'value="乙"' in answer.text


def test_the_same_tax_number_twice_is_refused(client: TestClient, enterprise: UUID) -> None:
    answer = client.post("/settings/enterprises", data=ENTERPRISE)
    assert answer.status_code == 409
    assert "纳税人识别号已登记" in answer.text


def test_an_operator_is_registered_and_changed(
    client: TestClient, database: Database, enterprise: UUID, operator: UUID
) -> None:
    assert "KP0012" in client.get("/settings/operators", params={"q": "wxm"}).text
    path = f"/settings/operators/{operator}"
    data = {
        "code": "KP0012",
        "name": "王小梅",
        "enterprise_id": str(enterprise),
        "revision": revision_in(client.get(path).text),
    }
    assert client.post(path, data=data, follow_redirects=False).status_code == 303
    with database.reading() as session:
        changed = session.get_one(Operator, operator)
        assert (changed.name, changed.active) == ("王小梅", False)


def test_an_operator_needs_an_enterprise(client: TestClient) -> None:
    answer = client.post("/settings/operators", data={"code": "KP1", "name": "赵伟"})
    assert answer.status_code == 422
    assert 'id="enterprise_id-error"' in answer.text


def test_a_device_is_registered(client: TestClient, database: Database, device: UUID) -> None:
    with database.reading() as session:
        assert session.get_one(Device, device).number == "661814461322"
    assert "661814461322" in client.get("/devices").text


def test_a_device_of_nobody_is_refused(client: TestClient, operator: UUID) -> None:
    data = {"number": "661814461322", "kind": "tax_disk", "operator_code": "KP9999"}
    answer = client.post("/devices/new", data=data)
    assert answer.status_code == 422
    assert "没有这个工号的操作员" in answer.text


def test_the_form_of_a_device_takes_over_what_was_chosen(client: TestClient) -> None:
    text = client.get("/devices/new", params={"number": "539904612711", "kind": "ukey"}).text
    assert 'value="539904612711"' in text
    assert '<option value="ukey" selected>' in text


def test_the_ledger_and_its_filters(client: TestClient, invoice: UUID) -> None:
    assert "20117764" in client.get("/invoices", params={"period": "2026-12", "q": "锦程"}).text
    assert "没有符合条件的发票" in client.get("/invoices", params={"period": "2026-11"}).text
    assert client.get("/invoices", params={"period": "2026-13"}).status_code == 422


def test_clearing_status_is_corrected_with_a_reason(
    client: TestClient, database: Database, invoice: UUID
) -> None:
    path = f"/invoices/{invoice}"
    data = {"clearing_status": "cleared", "revision": revision_in(client.get(path).text)}
    refused = client.post(path, data={**data, "reason": " "})
    assert refused.status_code == 422
    assert 'id="reason-error"' in refused.text
    answer = client.post(path, data={**data, "reason": "设备已清卡"}, follow_redirects=False)
    assert answer.status_code == 303
    with database.reading() as session:
        assert session.get_one(Invoice, invoice).clearing_status is ClearingStatus.CLEARED


@pytest.mark.parametrize("path", ["/settings/enterprises", "/settings/operators", "/invoices"])
def test_an_auditor_sees_the_lists(client: TestClient, as_auditor: None, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert "<dialog" not in answer.text


def test_an_auditor_changes_nothing(
    client: TestClient,
    enterprise: UUID,
    operator: UUID,
    invoice: UUID,
    request: pytest.FixtureRequest,
) -> None:
    request.getfixturevalue("as_auditor")
    for path in (
        "/settings/enterprises",
        f"/settings/enterprises/{enterprise}",
        "/settings/operators",
        f"/settings/operators/{operator}",
        "/devices/new",
        f"/invoices/{invoice}",
    ):
        assert client.post(path, data={}).status_code == 403, path
    assert "保存" not in client.get(f"/settings/enterprises/{enterprise}").text


def test_every_address_in_the_menu_exists(app: FastAPI, client: TestClient) -> None:
    html = client.get("/help").text
    menu = html[html.index('<nav class="nav"') : html.index("</nav>")]
    for href in re.findall(r'href="([^"]+)"', menu):
        if href == "/account":
            continue  # of an account in the database, which this principal is not
        assert client.get(href).status_code == 200, href
