"""The audit page tells auditors in sentences who did what, for whom, on what, and why."""

import re

from sqlmodel import select

from app.accounts.principal import Principal, Role
from app.audit import queries
from app.audit.actions import AuditAction
from app.audit.models import AuditRecord
from app.system.audit_subjects import subjects_of
from app.system.audit_words import Part, sentence
from tests.acting import person_of
from tests.proof.conftest import Proven


def _said(proven: Proven, reader: Principal) -> dict[str, list[Part]]:
    """The newest sentence of each action."""
    with proven.database.reading() as session:
        records = session.exec(select(AuditRecord).order_by(AuditRecord.seq)).all()  # type: ignore[arg-type]
        subjects = subjects_of(session, records, reader)
        return {one.action: sentence(one, queries.details_of(one), subjects) for one in records}


def _text(parts: list[Part]) -> str:
    return "".join(part.text for part in parts)


def test_what_was_done_is_a_sentence_with_names_numbers_and_reasons(proven: Proven) -> None:
    said = _said(proven, person_of(Role.AUDITOR))
    texts = {action: _text(parts) for action, parts in said.items()}
    assert texts[AuditAction.CLEARING_SUBMITTED] == (
        "operator 为 操作员2（KP0002）提交清卡申请 QK202611-000002，原因：按期清卡"
    )
    assert texts[AuditAction.CLEARING_APPROVED] == (
        "reviewer 为 操作员1（KP0001）通过清卡申请 QK202611-000001，意见：同意"
    )
    assert texts[AuditAction.CLEARING_REJECTED].endswith("QK202611-000002，意见：资料不全")
    assert (
        texts[AuditAction.CLEARING_SUCCEEDED] == "操作员1（KP0001）清卡成功，申请 QK202611-000001"
    )
    assert texts[AuditAction.ENTERPRISE_CREATED] == "系统 新建企业 武汉源华环保科技股份有限公司"


def test_no_sentence_holds_a_raw_id_or_a_name_of_the_program(proven: Proven) -> None:
    for action, parts in _said(proven, person_of(Role.AUDITOR)).items():
        text = _text(parts)
        assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-", text), text
        assert action not in text
        assert "_" not in text


def test_objects_lead_to_their_pages_for_who_may_see_them(proven: Proven) -> None:
    submitted = _said(proven, person_of(Role.AUDITOR))[AuditAction.CLEARING_SUBMITTED]
    links = [part.href for part in submitted if part.href]
    assert any(href.startswith("/clearing/operators/") for href in links)
    assert f"/clearing/requests/{proven.rejected}" in links
    stranger = person_of(Role.AUDITOR, enterprise_ids=frozenset())
    submitted = _said(proven, stranger)[AuditAction.CLEARING_SUBMITTED]
    assert [part.href for part in submitted if part.href] == []
    assert "KP0002" not in _text(submitted)
