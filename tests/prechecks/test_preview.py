"""What a clearing will do, told by the API and on the pages before it is confirmed."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from app.accounts.principal import SYSTEM
from app.clearing import queries
from app.clearing.models import ClearedType
from app.contracts.periods import Period
from app.devices.models import Device
from app.invoices import service as invoices_service
from app.invoices.figures import Figures, Sum
from app.invoices.schemas import InvoiceCreate
from app.operators.models import Operator
from app.prechecks import preview
from app.prechecks.choice import Choice

if TYPE_CHECKING:
    from tests.office import Office, Subject


@pytest.fixture
def subject(office: "Office") -> "Subject":
    """A main and a sub machine: invoices of both types on the main one, drafts, personal settings."""
    subject = office.operator(machines=(0, 1))
    main = subject.device_ids[0]
    _invoice(office, main, "004", "1", amount="100.00", tax="13.00")
    _invoice(office, main, "004", "2", amount="50.50", tax="6.57")
    _invoice(office, main, "007", "3", amount="10.00", tax="1.30")
    _invoice(office, main, "004", "4", amount="9.00", tax="1.00", month=9)
    _invoice(office, main, "007", "", amount="1.00", tax="0.10", month=11, draft=True)
    with office.database.transaction() as session:
        session.get_one(Operator, subject.operator_id).preferences = {"默认税率": "13%"}
    return subject


def _invoice(
    office: "Office",
    device_id: UUID,
    kind: str,
    number: str,
    *,
    amount: str,
    tax: str,
    month: int = 10,
    draft: bool = False,
) -> None:
    data = InvoiceCreate.model_validate(
        {
            "device_id": device_id,
            "invoice_type": kind,
            "code": "3200154130",
            "number": number.rjust(8, "0") if number else "",
            "issued_at": datetime(2026, month, 5, 4, tzinfo=UTC),
            "amount": Decimal(amount),
            "tax": Decimal(tax),
            "uploaded": True,
            "draft": draft,
        }
    )
    with office.database.transaction() as session:
        invoices_service.create_invoice(session, data=data, principal=SYSTEM, at=office.clock())


def _preview(client: TestClient, subject: "Subject", **query: Any) -> dict[str, Any]:
    answer = client.get(f"/api/v1/operators/{subject.operator_id}/clearing-preview", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def _figures(count: int, amount: str, tax: str) -> dict[str, Any]:
    """Positive invoices alone."""
    none = {"count": 0, "amount": "0.00", "tax": "0.00"}
    all_of_it = {"count": count, "amount": amount, "tax": tax}
    return {"positive": all_of_it, "red": none, "void": none, "net": all_of_it}


def test_all_that_a_full_clearing_does(client: TestClient, subject: "Subject") -> None:
    found = _preview(client, subject)
    assert (found["period"], found["register_effect"]) == ("2026-10", "kept")
    sub, main = found["devices"]
    assert [UUID(one["device_id"]) for one in (sub, main)] == [*reversed(subject.device_ids)]
    assert main["report"] == ["004", "007"]
    assert main["clear"] == [
        {
            "invoice_type": "004",
            "along": False,
            "already": False,
            "invoices": 2,
            "amount": "150.50",
            "tax": "19.57",
            "ledger": _figures(2, "150.50", "19.57"),
        },
        {
            "invoice_type": "007",
            "along": False,
            "already": False,
            "invoices": 1,
            "amount": "10.00",
            "tax": "1.30",
            "ledger": _figures(1, "10.00", "1.30"),
        },
    ]
    assert sub["clear"][0]["invoices"] == 0
    assert (found["invoices"], found["amount"], found["tax"]) == (3, "160.50", "20.87")
    assert (found["drafts"], found["settings"], found["left_out"]) == (1, ["默认税率"], [])
    assert found["keeps"] == ["other_periods", "other_devices", "invoice_contents", "register"]


def test_a_part_of_it(client: TestClient, office: "Office", subject: "Subject") -> None:
    main, sub = subject.device_ids
    with office.database.transaction() as session:
        session.get_one(Device, main).clear_groups = [["004", "007"]]
        session.add(_cleared(office, session, sub))
    wanted: dict[str, Any] = {"scope": "partial", "invoice_types": ["007"], "kind": "tax"}
    found = _preview(client, subject, **wanted, mode="update")
    assert found["register_effect"] == "updated"
    [device] = found["devices"]
    assert [(one["invoice_type"], one["along"]) for one in device["clear"]] == [
        ("004", True),
        ("007", False),
    ]
    assert (device["report"], device["not_reported"]) == ([], ["004", "007"])
    assert (found["drafts"], found["settings"]) == (0, [])
    assert len(found["left_out"]) == 1
    assert {"drafts", "settings"} <= set(found["keeps"])


def test_a_first_clearing_that_is_none(
    client: TestClient, office: "Office", subject: "Subject"
) -> None:
    with office.database.transaction() as session:
        office.add_record(session, subject.device_ids[0], period="2026-08")
    sub, main = _preview(client, subject, mode="first")["devices"]
    assert (sub["not_first"], main["not_first"]) == (False, True)


def test_a_device_that_cannot_be_read_now_is_told_by_what_was_read_last(
    client: TestClient, subject: "Subject"
) -> None:
    for device in _preview(client, subject, mode="update", read=True)["devices"]:
        assert device["changes"] is None
        assert device["unreadable"]
        assert device["report"] == ["004", "007"]
    for device in _preview(client, subject, mode="update")["devices"]:
        assert (device["changes"], device["unreadable"]) == (None, "")


def _cleared(office: "Office", session: Any, device_id: UUID) -> ClearedType:
    record = office.add_record(session, device_id)
    return ClearedType(
        device_id=device_id, period="2026-10", invoice_type="007", record_id=record.id
    )


def test_one_of_the_devices(client: TestClient, subject: "Subject") -> None:
    found = _preview(client, subject, device_ids=[str(subject.device_ids[1])])
    assert [one["device_id"] for one in found["devices"]] == [str(subject.device_ids[1])]
    assert (found["invoices"], len(found["left_out"])) == (0, 1)


def test_the_ledger_is_summed_up_on_either_database(any_office: "Office") -> None:
    subject = any_office.operator()
    device_id = subject.device_ids[0]
    _invoice(any_office, device_id, "007", "1", amount="10.10", tax="1.31")
    _invoice(any_office, device_id, "007", "2", amount="0.20", tax="0.03")
    _invoice(any_office, device_id, "007", "", amount="1.00", tax="0.10", draft=True)
    request_id = any_office.submit(subject, mode="first")
    with any_office.database.reading() as session:
        found = preview.of_operator(
            session, subject.operator_id, Choice.usual(Period("2026-10")), principal=SYSTEM
        )
        request = queries.request(session, request_id)
        assert preview.of_request(session, request).devices[0].clear == found.devices[0].clear
    assert found.invoices == Figures(Sum(2, Decimal("10.30"), Decimal("1.34")))
    assert found.drafts == 1


@pytest.mark.parametrize("route", ["clearing-preview", "pre-checks"])
@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"scope": "partial"}, "invalid"),
        ({"invoice_types": "004"}, "invalid"),
        ({"mode": "other"}, "invalid"),
        ({"period": "2026-13"}, "invalid"),
        ({"device_ids": str(UUID(int=9))}, "clearing.no_devices"),
    ],
)
def test_what_cannot_be_asked_for_can_be_neither_previewed_nor_checked(
    client: TestClient, subject: "Subject", query: dict[str, str], code: str, route: str
) -> None:
    path = f"/api/v1/operators/{subject.operator_id}/{route}"
    answer = client.get(path, params=query)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_the_pre_checks_document_what_they_take_as_the_preview_does(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]

    def parameters(route: str) -> dict[str, Any]:
        found = paths[f"/api/v1/operators/{{operator_id}}/{route}"]["get"]["parameters"]
        return {one["name"]: one for one in found}

    taken, previewed = parameters("pre-checks"), parameters("clearing-preview")
    del previewed["read"]  # the pre-checks always read the devices
    assert taken == previewed
    assert taken["mode"]["schema"]["default"] == "regular"
    assert set(taken) >= {"mode", "kind", "scope", "invoice_types", "period"}


# -- pages -----------------------------------------------------------------------------------------


def _form(**changes: Any) -> dict[str, Any]:
    values = {
        "mode": "regular",
        "kind": "device",
        "scope": "full",
        "period": "2026-10",
        "clearing_date": "2026-11-10",
        "reason": "按期清卡",
    }
    return values | changes


def _shown(html: str) -> str:
    """The choice whose effects the page shows."""
    [text] = re.findall(r'name="previewed" value="([^"]*)"', html)
    return str(text)


def test_the_page_shows_the_effects_of_what_it_offers(
    client: TestClient, subject: "Subject"
) -> None:
    html = client.get(f"/clearing/operators/{subject.operator_id}").text
    assert _shown(html) == "regular device full 2026-10"
    assert "160.50 元" in html
    assert "重置个人设置 1 项：默认税率" in html


def test_a_changed_choice_is_previewed_with_the_input_kept(
    client: TestClient, office: "Office", subject: "Subject"
) -> None:
    path = f"/clearing/operators/{subject.operator_id}/preview"
    form = _form(
        kind="tax", scope="partial", invoice_types=["007"], reason="月末补办", password="secret"
    )
    page = client.post(path, data=form)
    assert page.status_code == 200
    assert _shown(page.text) == "regular tax partial 2026-10 007"
    assert "月末补办" in page.text
    assert "secret" not in page.text
    assert "尚未抄报" in page.text
    part = client.post(path, data=form, headers={"X-Fragment": "parts"})
    assert _shown(part.text) == _shown(page.text)
    assert "<form" not in part.text
    with office.database.reading() as session:
        assert queries.open_request_of(session, subject.operator_id) is None


@pytest.mark.parametrize(
    "wrong", [{"mode": "other"}, {"period": "soon"}, {"scope": "partial", "invoice_types": ["999"]}]
)
def test_input_that_means_nothing_is_previewed_as_the_usual(
    client: TestClient, subject: "Subject", wrong: dict[str, Any]
) -> None:
    path = f"/clearing/operators/{subject.operator_id}/preview"
    page = client.post(path, data=_form(**wrong))
    assert page.status_code == 200
    assert _shown(page.text).startswith("regular device")


def test_nothing_is_confirmed_that_was_not_previewed(
    client: TestClient, office: "Office", subject: "Subject"
) -> None:
    form = _form(kind="tax", previewed="regular device full 2026-10")
    page = client.post(f"/clearing/operators/{subject.operator_id}", data=form)
    assert page.status_code == 409
    assert "选择已改变" in page.text
    assert _shown(page.text) == "regular tax full 2026-10"
    with office.database.reading() as session:
        assert queries.open_request_of(session, subject.operator_id) is None


def test_the_reviewer_sees_what_the_request_will_touch(
    client: TestClient, office: "Office", subject: "Subject"
) -> None:
    request_id = office.submit(subject, scope="partial", invoice_types=["004"], mode="first")
    html = client.get(f"/clearing/requests/{request_id}").text
    assert _shown(html) == "first device partial 2026-10 004"
    assert "150.50 元" in html
    assert "只抄报，不清卡" in html
    office.execute(request_id)
    assert "将会发生什么" not in client.get(f"/clearing/requests/{request_id}").text
