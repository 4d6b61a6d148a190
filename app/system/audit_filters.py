"""The filters of the audit trail and its signer, as dependencies of pages and API."""

from datetime import date
from typing import Annotated

from fastapi import Depends, Query
from pydantic import BeforeValidator

from app.audit.checkpoint import Signer
from app.audit.queries import AuditFilter
from app.core.schemas import Line
from app.core.web import SettingsDep


def _blank_is_none(value: object) -> object:
    """A form sends an empty field as an empty text."""
    return None if value == "" else value


Day = Annotated[date | None, BeforeValidator(_blank_is_none)]


def _audit_filter(
    actor: Annotated[Line, Query(description="account or API key, by id or name")] = "",
    action: Annotated[Line, Query(description="`subject.verb`")] = "",
    object_type: Annotated[Line, Query()] = "",
    object_id: Annotated[Line, Query()] = "",
    from_day: Annotated[Day, Query(alias="from", description="first day, Asia/Shanghai")] = None,
    to_day: Annotated[Day, Query(alias="to", description="last day, Asia/Shanghai")] = None,
    q: Annotated[Line, Query(description="text anywhere in the record")] = "",
) -> AuditFilter:
    return AuditFilter(actor, action, object_type, object_id, from_day, to_day, q)


def _signer(settings: SettingsDep) -> Signer:
    return Signer(settings.root_secret)


AuditFilterDep = Annotated[AuditFilter, Depends(_audit_filter)]
SignerDep = Annotated[Signer, Depends(_signer)]
