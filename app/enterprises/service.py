"""Use cases of enterprises: register and change."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from app.accounts.principal import Principal
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.core.db import Session
from app.core.etags import require_match
from app.enterprises import queries
from app.enterprises.models import Enterprise
from app.enterprises.schemas import EnterpriseCreate, EnterpriseUpdate
from app.errors import Conflict, Forbidden


class TaxNoTaken(Conflict):
    """One taxpayer is one enterprise."""

    code = "enterprise.tax_no_taken"
    title = "纳税人识别号已登记"
    remedy = "请在企业列表中查找该识别号，修改已有企业。"


class EnterpriseLimited(Forbidden):
    """Who is limited to some enterprises cannot add another, which they would not see."""

    code = "enterprise.limited"
    title = "您的账号只能查看指定的企业"
    remedy = "请联系管理员登记新企业，并为您的账号分配。"


def create_enterprise(
    session: Session,
    *,
    data: EnterpriseCreate,
    principal: Principal,
    at: datetime,
    review_by_default: bool = True,
) -> Enterprise:
    """Register a taxpayer. Raises TaxNoTaken, EnterpriseLimited."""
    if principal.enterprise_ids is not None:
        raise EnterpriseLimited
    if queries.tax_no_taken(session, data.tax_no):
        raise TaxNoTaken
    if data.review_required is None:
        data = data.model_copy(update={"review_required": review_by_default})
    enterprise = Enterprise(**data.model_dump(), created_at=at, updated_at=at)
    session.add(enterprise)
    _flush(session)
    audit.record(
        session,
        actor=principal.actor,
        action=AuditAction.ENTERPRISE_CREATED,
        object_type="enterprise",
        object_id=enterprise.id,
        at=at,
        details=data.model_dump(mode="json"),
    )
    return enterprise


def change_enterprise(
    session: Session,
    enterprise_id: UUID,
    *,
    data: EnterpriseUpdate,
    principal: Principal,
    at: datetime,
    if_match: str | None = None,
) -> Enterprise:
    """Change what was sent. Raises NotFound, PreconditionFailed, TaxNoTaken."""
    enterprise = queries.enterprise_for_change(session, enterprise_id, principal=principal)
    require_match(if_match, enterprise.revision)
    changed = {
        name: value for name, value in data.changes().items() if getattr(enterprise, name) != value
    }
    if not changed:
        return enterprise
    if "tax_no" in changed and queries.tax_no_taken(
        session, changed["tax_no"], besides=enterprise.id
    ):
        raise TaxNoTaken
    before = {name: getattr(enterprise, name) for name in changed}
    enterprise.sqlmodel_update({**changed, "updated_at": at, "revision": enterprise.revision + 1})
    _flush(session)
    audit.record(
        session,
        actor=principal.actor,
        action=AuditAction.ENTERPRISE_CHANGED,
        object_type="enterprise",
        object_id=enterprise.id,
        at=at,
        details={name: [before[name], changed[name]] for name in changed},
    )
    return enterprise


def _flush(session: Session) -> None:
    """Two people registering one number at once: the database's unique index decides."""
    try:
        session.flush()
    except sa.exc.IntegrityError as error:
        raise TaxNoTaken from error
