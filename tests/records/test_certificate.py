"""Certificates: what is printed, and that only a genuine code finds its record."""

import base64
import re
import zlib
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from starlette.testclient import TestClient

from app.accounts.principal import SYSTEM, Permission, Principal, Role
from app.clearing import queries
from app.clearing.models import ClearingRecord
from app.clearing.states import Result
from app.core.db import Session
from app.core.ids import new_id
from app.records import certificate, certificate_pdf
from app.records.certificate import CertificateNotGenuine, CertificateUnavailable
from tests.acting import key_of

if TYPE_CHECKING:
    from tests.office import Office

EVIDENCE = {
    "types": [
        {
            "invoice_type": kind,
            "lock_date_before": "2026-11-16",
            "lock_date_after": "2026-12-15",
            "cleared": True,
        }
        for kind in ("004", "007")
    ],
    "steps": [],
}


@pytest.fixture
def record_id(office: "Office") -> UUID:
    return _add(office)


def _add(office: "Office", *, vouched: bool = True, **changes: object) -> UUID:
    device_id = office.operator().device_ids[0]
    values: dict[str, Any] = {
        "invoices_cleared": 1586,
        "amount": Decimal("1692455.22"),
        "tax": Decimal("211204.88"),
        "approved_by": "r1",
        "approved_by_name": "顾主管",
        "lock_date_before": date(2026, 11, 16),
        "lock_date_after": date(2026, 12, 15),
        "evidence": EVIDENCE,
    }
    with office.database.transaction() as session:
        record = office.add_record(session, device_id, vouched=vouched, **values | changes)
        return record.id


def _code(office: "Office", record_id: UUID) -> str:
    with office.database.reading() as session:
        record = session.get_one(ClearingRecord, record_id)
        return certificate.code_of(record, office.settings)


def _pdf(office: "Office", record_id: UUID) -> bytes:
    with office.database.reading() as session:
        record = session.get_one(ClearingRecord, record_id)
        found = certificate.certificate_of(session, record, settings=office.settings)
    return certificate_pdf.render(found, printed_at=office.clock())


def _text(pdf: bytes) -> str:
    """What the page says: reportlab writes CID text as strings of UTF-16."""
    strings = re.findall(rb"\(((?:\\.|[^\\()])*)\) Tj", _content(pdf), re.DOTALL)
    return "".join(_unescaped(string).decode("utf-16-be") for string in strings)


def _content(pdf: bytes) -> bytes:
    """The page's drawing operators."""
    (raw,) = re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL)
    return zlib.decompress(base64.a85decode(raw.strip().removesuffix(b"~>")))


def _unescaped(string: bytes) -> bytes:
    """A PDF string (ISO 32000-1, 7.3.4.2): octal escapes and escaped characters."""
    names = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}

    def one(match: re.Match[bytes]) -> bytes:
        found = match[1]
        if found.isdigit():
            return bytes([int(found, 8)])
        return names.get(found, found)

    return re.sub(rb"\\([0-7]{3}|.)", one, string, flags=re.DOTALL)


def test_the_certificate_says_what_the_record_says(office: "Office", record_id: UUID) -> None:
    text = _text(_pdf(office, record_id))
    groups = certificate.grouped(_code(office, record_id)).split("-")
    for words in (
        "清卡凭证",
        "王晓梅（KP0001）",
        "武汉源华环保科技股份有限公司",
        "91420111LQHQ3ULKA4",
        "税控盘 660000001000",
        "2026-10",
        "004 增值税专用发票",
        "2026-11-16",
        "2026-12-15",
        "1,586 张",
        "1,692,455.22 元 / 211,204.88 元",
        "顾主管",
        "2026-11-10 10:00:00",
        *groups,
    ):
        assert words in text, words
    assert str(record_id) in text
    assert "模拟" not in text


def test_a_simulated_one_says_so_in_big_letters(office: "Office") -> None:
    pdf = _pdf(office, _add(office, simulated=True))
    assert "模拟设备的清卡结果，不具有任何效力" in _text(pdf)
    assert b" 190 Tf" in _content(pdf)
    assert b" 190 Tf" not in _content(_pdf(office, _add(office)))


def test_the_same_moment_gives_the_same_bytes(office: "Office", record_id: UUID) -> None:
    first = _pdf(office, record_id)
    assert first.startswith(b"%PDF-")
    assert _pdf(office, record_id) == first
    office.clock.move(seconds=1)
    assert _pdf(office, record_id) != first


def test_names_are_printed_as_they_are(office: "Office") -> None:
    hostile = '<b>A&B</b> "x"'
    text = _text(_pdf(office, _add(office, operator_name=hostile, executed_by_name="赵" * 60)))
    assert hostile in text
    assert text.count("赵") == 60


@pytest.mark.parametrize("result", [Result.FAILED, Result.UNKNOWN])
def test_only_a_success_is_certified(office: "Office", client: TestClient, result: Result) -> None:
    record_id = _add(office, result=result)
    with pytest.raises(CertificateUnavailable):
        _pdf(office, record_id)
    answer = client.get(f"/api/v1/clearing-records/{record_id}/certificate")
    assert (answer.status_code, answer.json()["code"]) == (409, "certificate.unavailable")
    assert "清卡凭证" not in client.get(f"/clearing/records/{record_id}").text
    assert "验证码无效" in _verified(client, _code(office, record_id))


def test_the_record_leads_to_its_certificate(
    office: "Office", client: TestClient, record_id: UUID
) -> None:
    link = f"/api/v1/clearing-records/{record_id}/certificate"
    assert link in client.get(f"/clearing/records/{record_id}").text
    answer = client.get(link)
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"] == (
        'attachment; filename="certificate-660000001000-2026-10.pdf"'
    )
    assert answer.content == _pdf(office, record_id)


def test_certificates_of_others_are_not_found(
    app: FastAPI, client: TestClient, record_id: UUID, person: Callable[..., Principal]
) -> None:
    app.state.principal = person(Role.OPERATOR, enterprise_ids=frozenset({new_id()}))
    answer = client.get(f"/api/v1/clearing-records/{record_id}/certificate")
    assert (answer.status_code, answer.json()["code"]) == (404, "record.not_found")


def _verified(client: TestClient, code: str) -> str:
    answer = client.get("/audit/certificate", params={"code": code})
    assert answer.status_code == 200
    return str(answer.text)


def test_a_genuine_code_finds_its_record(
    office: "Office", client: TestClient, record_id: UUID
) -> None:
    code = _code(office, record_id)
    assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{48}", code)
    for typed in (code, certificate.grouped(code), code.lower(), f" {code[:20]} {code[20:]}\n"):
        page = _verified(client, typed)
        assert "凭证真实" in page
        assert str(record_id) in page
        assert "1,692,455.22" in page


def test_letters_that_look_like_digits_are_read_as_these(
    office: "Office", client: TestClient, record_id: UUID
) -> None:
    code = _code(office, record_id)
    assert "凭证真实" in _verified(client, code.replace("0", "O").replace("1", "l"))


def test_every_other_code_is_refused(office: "Office", client: TestClient, record_id: UUID) -> None:
    code = _code(office, record_id)
    for place in range(len(code)):
        other = "2" if code[place] != "2" else "3"
        forged = code[:place] + other + code[place + 1 :]
        with office.database.reading() as session, pytest.raises(CertificateNotGenuine):
            certificate.verify_code(session, forged, principal=SYSTEM, settings=office.settings)
    page = _verified(client, forged)
    assert "验证码无效" in page
    assert "王晓梅" not in page


@pytest.mark.parametrize(
    "code", ["1", "0" * 48, "U" * 48, "0" * 47, "0" * 49, "王" * 48, "%00", "'"]
)
def test_what_is_no_code_is_refused(client: TestClient, code: str) -> None:
    assert "验证码无效" in _verified(client, code)


@given(st.text(max_size=200))
def test_no_text_breaks_the_verification(text: str) -> None:
    with pytest.raises(CertificateNotGenuine):
        certificate._decoded(text + "U")


def test_a_code_of_another_installation_is_refused(
    office: "Office", client: TestClient, record_id: UUID
) -> None:
    other = office.settings.model_copy(update={"secret_key": SecretStr("another installation" * 2)})
    vars(other).pop("root_secret", None)
    with office.database.reading() as session:
        record = session.get_one(ClearingRecord, record_id)
        foreign = certificate.code_of(record, other)
    assert foreign != _code(office, record_id)
    assert "验证码无效" in _verified(client, foreign)


@pytest.mark.parametrize(
    "change",
    [
        "amount = amount + 1",
        "operator_name = '李四'",
        "approved_by = NULL",
        "lock_date_after = '2026-12-16'",
        "evidence = '{}'",
        "executed_by = 'x'",
    ],
)
def test_a_record_altered_behind_our_back_is_found(
    office: "Office", client: TestClient, record_id: UUID, change: str
) -> None:
    code = _code(office, record_id)
    assert "凭证真实" in _verified(client, code)
    with office.database.engine.begin() as connection:
        connection.execute(sa.text("DROP TRIGGER clearing_records_no_update"))
        connection.execute(sa.text(f"UPDATE clearing_records SET {change}"))
    assert "验证码无效" in _verified(client, code)


def test_no_certificate_and_no_code_vouches_for_an_altered_record(
    office: "Office", client: TestClient, record_id: UUID
) -> None:
    """A code made after the alteration fits the altered record: the audit chain decides."""
    with office.database.engine.begin() as connection:
        connection.execute(sa.text("DROP TRIGGER clearing_records_no_update"))
        connection.execute(sa.text("UPDATE clearing_records SET executed_by_name = '别人'"))
    response = client.get(f"/api/v1/clearing-records/{record_id}/certificate")
    assert (response.status_code, response.json()["code"]) == (409, "certificate.record_altered")
    assert "验证码无效" in _verified(client, _code(office, record_id))


def test_a_record_slipped_in_gets_no_certificate(office: "Office", client: TestClient) -> None:
    record_id = _add(office, vouched=False)
    response = client.get(f"/api/v1/clearing-records/{record_id}/certificate")
    assert (response.status_code, response.json()["code"]) == (409, "certificate.record_altered")


def test_without_a_code_the_page_asks_for_one(client: TestClient) -> None:
    page = _verified(client, "")
    assert 'name="code"' in page
    assert "验证码无效" not in page


@pytest.mark.parametrize("role", list(Role))
def test_every_role_may_verify(
    app: FastAPI, client: TestClient, person: Callable[..., Principal], role: Role
) -> None:
    app.state.principal = person(role)
    assert client.get("/audit/certificate").status_code == 200


def test_reading_alone_does_not_allow_it(app: FastAPI, client: TestClient, record_id: UUID) -> None:
    app.state.principal = key_of(Permission.READ)
    assert client.get("/audit/certificate").status_code == 403
    assert "验证凭证" not in client.get("/clearing/records").text


def test_who_may_not_see_the_record_learns_nothing(
    office: "Office",
    app: FastAPI,
    client: TestClient,
    record_id: UUID,
    person: Callable[..., Principal],
) -> None:
    code = _code(office, record_id)
    app.state.principal = person(Role.OPERATOR, enterprise_ids=frozenset({new_id()}))
    assert "验证码无效" in _verified(client, code)


def test_what_the_code_covers_are_columns_that_exist() -> None:
    assert set(certificate.FIELDS) <= set(ClearingRecord.model_fields)


def test_codes_are_the_same_on_both_databases(any_office: "Office") -> None:
    """What is read back is what was written: times, amounts, lists."""
    record_id = _add(any_office)

    def read(session: Session) -> bytes:
        return certificate.canonical(queries.record(session, record_id, SYSTEM))

    with any_office.database.transaction() as session:
        device_id = session.get_one(ClearingRecord, record_id).device_id
        written = any_office.add_record(session, device_id, evidence=EVIDENCE, period="2026-09")
        fresh, fresh_id = certificate.canonical(written), written.id
    with any_office.database.reading() as session:
        assert certificate.canonical(queries.record(session, fresh_id, SYSTEM)) == fresh
        assert read(session) == read(session)
