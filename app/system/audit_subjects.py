"""What audit records are about, by the names people know, and where the reader may look at it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import SQLModel, col

from app.accounts.models import Account, ApiKey
from app.accounts.principal import Permission, Principal
from app.audit.models import AuditRecord
from app.backups.models import Backup
from app.clearing.models import ClearingBatch, ClearingRecord, ClearingRequest
from app.core.db import Session
from app.core.ids import uuid_or_none
from app.devices.models import Agent, Device
from app.enterprises.models import Enterprise
from app.operators.models import Operator
from app.reconciliation.models import ReconciliationDifference, ReconciliationRun


@dataclass(frozen=True, slots=True)
class Subject:
    """One object: its name, where it is, and (of a clearing) the operator it was done for."""

    name: str
    href: str = ""
    operator: str = ""
    operator_href: str = ""


Subjects = Mapping[tuple[str, str], Subject]
"""By type and id of the object."""


@dataclass(frozen=True, slots=True)
class _Named:
    """How objects of a type are found and called."""

    table: type[SQLModel]
    name: Any
    path: str = ""
    permission: Permission = Permission.READ


_NAMED: dict[str, _Named] = {
    "account": _Named(Account, Account.display_name, "/settings/accounts/{}", Permission.ADMIN),
    "agent": _Named(Agent, Agent.name),
    "api_key": _Named(ApiKey, ApiKey.name, "/settings/api-keys", Permission.ADMIN),
    "backup": _Named(Backup, Backup.path, "/backups/{}"),
    "clearing_batch": _Named(ClearingBatch, ClearingBatch.number, "/clearing/batches/{}"),
    "clearing_record": _Named(ClearingRecord, ClearingRecord.device_number, "/clearing/records/{}"),
    "clearing_request": _Named(ClearingRequest, ClearingRequest.number, "/clearing/requests/{}"),
    "device": _Named(Device, Device.number, "/devices/{}"),
    "enterprise": _Named(Enterprise, Enterprise.name, "/settings/enterprises/{}"),
    "operator": _Named(Operator, Operator.name, "/clearing/operators/{}"),
    "reconciliation": _Named(
        ReconciliationRun, ReconciliationRun.period, "/invoices/reconciliations/{}"
    ),
    "reconciliation_difference": _Named(
        ReconciliationDifference, ReconciliationDifference.device_number
    ),
}
_FOR_AN_OPERATOR = frozenset({"clearing_request", "clearing_record", "device"})


def subjects_of(
    session: Session, records: Iterable[AuditRecord], principal: Principal
) -> dict[tuple[str, str], Subject]:
    """The objects and actors of these records that are still there and that the reader may see."""
    wanted: dict[str, set[UUID]] = defaultdict(set)
    for record in records:
        for kind, text in (
            (record.object_type, record.object_id),
            (record.actor_kind, record.actor_id),
        ):
            object_id = uuid_or_none(text)
            if object_id is not None and kind in _NAMED:
                wanted[kind].add(object_id)
    found: dict[tuple[str, str], Subject] = {}
    for object_type, ids in wanted.items():
        found |= _found(session, object_type, ids, principal)
    return found


def _found(
    session: Session, object_type: str, ids: set[UUID], principal: Principal
) -> dict[tuple[str, str], Subject]:
    named = _NAMED[object_type]
    columns = named.table.__table__.c  # type: ignore[attr-defined]
    for_operator = object_type in _FOR_AN_OPERATOR
    statement = sa.select(columns.id, named.name).where(columns.id.in_(ids))
    if for_operator:
        statement = statement.add_columns(
            col(Operator.id), col(Operator.name), col(Operator.code)
        ).outerjoin(Operator, columns.operator_id == col(Operator.id))
    limit = principal.enterprise_ids
    if limit is not None:
        owner = columns.id if object_type == "enterprise" else columns.get("enterprise_id")
        if owner is None and for_operator:
            owner = col(Operator.enterprise_id)
        statement = statement.where(owner.in_(limit) if owner is not None else sa.false())
    may_look = principal.can(named.permission)
    found: dict[tuple[str, str], Subject] = {}
    for row in session.execute(statement):
        href = named.path.format(row[0]) if may_look else ""
        subject = Subject(str(row[1]), href)
        if for_operator and row[2] is not None:
            operator = f"{row[3]}（{row[4]}）"
            subject = Subject(str(row[1]), href, operator, f"/clearing/operators/{row[2]}")
        found[object_type, str(row[0])] = subject
    return found
