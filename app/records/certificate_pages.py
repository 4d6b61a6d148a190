"""验证清卡凭证: whether a certificate is genuine, and the record it stands for (/audit/certificate)."""

from typing import Annotated

from fastapi import Query, Request
from starlette.responses import HTMLResponse

from app.accounts.deps import Reader
from app.accounts.principal import Principal
from app.core.db import Session
from app.core.routing import Router
from app.core.templating import render
from app.core.web import Reading, SettingsDep
from app.records import certificate
from app.records.certificate import CertificateNotGenuine
from app.records.contexts import CertificatePage, CertifiedRecord
from app.settings import Settings

router = Router()


@router.get(certificate.VERIFY_PATH)
def verify(
    request: Request,
    session: Reading,
    principal: Reader,
    settings: SettingsDep,
    code: Annotated[str, Query(max_length=200)] = "",
) -> HTMLResponse:
    """Ask for a code; with one, say whether it is genuine and show its record."""
    certificate.require_verifier(principal)
    page = _judged(session, code, principal, settings) if code.strip() else CertificatePage("")
    return render(request, "records/certificate.html", page)


def _judged(
    session: Session, code: str, principal: Principal, settings: Settings
) -> CertificatePage:
    try:
        record = certificate.verify_code(session, code, principal=principal, settings=settings)
    except CertificateNotGenuine as error:
        return CertificatePage(code, "refused", refusal=error.remedy)
    facts = tuple(certificate.facts(session, record))
    types = tuple(
        (
            line.invoice_type,
            f"锁死日期 {line.lock_date_before or '—'} → {line.lock_date_after or '—'}",
        )
        for line in certificate.type_lines(record)
    )
    found = CertifiedRecord(str(record.id), facts + types, record.simulated)
    genuine = certificate.grouped(certificate.code_of(record, settings))
    return CertificatePage(genuine, "genuine", found)
