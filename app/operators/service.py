"""Use cases of operators: register, change; and the facts devices and clearings keep in their rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import sqlalchemy as sa

from app.accounts.principal import Principal
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.audit.canonical import JSON
from app.core.db import Session
from app.core.etags import require_match
from app.enterprises import queries as enterprises_queries
from app.errors import Conflict, Invalid, NotFound
from app.operators import queries
from app.operators.models import NEVER_READ, Attention, Operator
from app.operators.schemas import OperatorCreate, OperatorUpdate
from app.operators.search_index import index_operator


class OperatorCodeTaken(Conflict):
    """Codes tell operators apart."""

    code = "operator.code_taken"
    title = "工号已被使用"
    remedy = "请换一个工号，或在操作员列表中查找该工号。"


class OperatorHasDevices(Conflict):
    """Devices belong to the operator's enterprise."""

    code = "operator.has_devices"
    title = "该操作员名下还有税控设备"
    remedy = "请先把设备移交给本企业的其他操作员，再更换企业。"


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """What an operator's row says of the devices in use: `lock_date` is the earliest."""

    numbers: tuple[str, ...]
    lock_date: date | None
    last_cleared_at: datetime | None


def create_operator(
    session: Session, *, data: OperatorCreate, principal: Principal, at: datetime
) -> Operator:
    """Register an operator. Raises OperatorCodeTaken, Invalid for an unknown enterprise."""
    _require_enterprise(session, data.enterprise_id, principal)
    if queries.by_code(session, data.code) is not None:
        raise OperatorCodeTaken
    operator = Operator(**data.model_dump(), created_at=at, updated_at=at)
    session.add(operator)
    _index(session, operator)
    _audit(
        session, operator, AuditAction.OPERATOR_CREATED, principal, at, data.model_dump(mode="json")
    )
    return operator


def change_operator(
    session: Session,
    operator_id: UUID,
    *,
    data: OperatorUpdate,
    principal: Principal,
    at: datetime,
    if_match: str | None = None,
) -> Operator:
    """Change what was sent. Raises NotFound, PreconditionFailed, OperatorCodeTaken, OperatorHasDevices."""
    operator = queries.operator_for_change(session, operator_id, principal=principal)
    require_match(if_match, operator.revision)
    changed = {
        name: value for name, value in data.changes().items() if getattr(operator, name) != value
    }
    if not changed:
        return operator
    _check_changes(session, operator, changed, principal)
    before = {name: getattr(operator, name) for name in changed}
    operator.sqlmodel_update({**changed, "updated_at": at, "revision": operator.revision + 1})
    _index(session, operator)
    details: dict[str, JSON] = {name: [before[name], changed[name]] for name in changed}
    _audit(session, operator, AuditAction.OPERATOR_CHANGED, principal, at, details)
    return operator


def set_device_facts(
    session: Session, operator_id: UUID, *, facts: DeviceFacts, at: datetime
) -> None:
    """Keep what the list shows and sorts by; called whenever a device of the operator changes."""
    operator = queries.locked(session, operator_id)
    numbers = " ".join(facts.numbers)
    renumbered = numbers != operator.device_numbers
    values = {
        "device_numbers": numbers,
        "device_count": len(facts.numbers),
        "lock_date": facts.lock_date,
        "urgency": facts.lock_date or NEVER_READ,
        "last_cleared_at": _later(operator.last_cleared_at, facts.last_cleared_at),
    }
    if any(getattr(operator, name) != value for name, value in values.items()):
        operator.sqlmodel_update({**values, "updated_at": at, "revision": operator.revision + 1})
    if renumbered:
        index_operator(session, operator)
    session.flush()


def set_attention(session: Session, operator_id: UUID, attention: Attention) -> None:
    """Say that a clearing of the operator runs, failed, or neither; the clearing itself is audited."""
    operator = queries.locked(session, operator_id)
    if operator.attention is not attention:
        operator.attention = attention
        operator.revision += 1
        session.flush()


def reset_preferences(session: Session, operator_id: UUID) -> None:
    """Personal settings go with a full clearing, once a backup holds them; the clearing is audited."""
    operator = queries.locked(session, operator_id)
    if operator.preferences:
        operator.preferences = {}
        operator.revision += 1
        session.flush()


def _check_changes(
    session: Session, operator: Operator, changed: dict[str, object], principal: Principal
) -> None:
    enterprise_id = changed.get("enterprise_id")
    if isinstance(enterprise_id, UUID):
        _require_enterprise(session, enterprise_id, principal)
        if operator.device_count:
            raise OperatorHasDevices
    code = changed.get("code")
    if isinstance(code, str) and queries.by_code(session, code) is not None:
        raise OperatorCodeTaken


def _require_enterprise(session: Session, enterprise_id: UUID, principal: Principal) -> None:
    try:
        enterprises_queries.get_enterprise(session, enterprise_id, principal=principal)
    except NotFound as error:
        raise Invalid(errors={"enterprise_id": "没有这个企业"}) from error


def _index(session: Session, operator: Operator) -> None:
    """Two people taking one code at once: the database's unique index decides."""
    try:
        index_operator(session, operator)
    except sa.exc.IntegrityError as error:
        raise OperatorCodeTaken from error


def _later(a: datetime | None, b: datetime | None) -> datetime | None:
    return max((moment for moment in (a, b) if moment is not None), default=None)


def _audit(
    session: Session,
    operator: Operator,
    action: AuditAction,
    principal: Principal,
    at: datetime,
    details: Mapping[str, JSON],
) -> None:
    audit.record(
        session,
        actor=principal.actor,
        action=action,
        object_type="operator",
        object_id=operator.id,
        at=at,
        details=details,
    )
