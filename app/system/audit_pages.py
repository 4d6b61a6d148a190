"""审计: the trail with filters, verification, export."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from app.accounts.deps import AuditReader
from app.audit import queries
from app.audit.actions import LABELS
from app.audit.models import ACTOR_LABELS, AuditRecord
from app.audit.queries import AuditFilter
from app.core.page_parts import Option, Pager
from app.core.pagination import PageRequest
from app.core.routing import Router
from app.core.templating import redirect, render
from app.core.web import ClockDep, DatabaseDep, Paging, Reading, SettingsDep
from app.proof.service import prove_now
from app.system.audit_filters import AuditFilterDep

router = Router(include_in_schema=False)

PATH = "/audit"
LONGEST_TEXT = 40
"""Of one detail in the list; API and export have the whole."""


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One record as the list shows it; `details` are (name, text) pairs."""

    seq: int
    at: datetime
    actor: str
    actor_kind: str
    action: str
    action_label: str
    object_type: str
    object_label: str
    object_id: str
    ip: str
    details: tuple[tuple[str, str], ...]
    hash: str


@dataclass(frozen=True, slots=True)
class AuditPage:
    """templates/audit/list.html. `export_href` exports exactly what is filtered."""

    rows: list[AuditRow]
    wanted: AuditFilter
    actions: list[Option]
    limit: int
    pager: Pager
    export_href: str


@router.get(PATH)
def audit_list(
    request: Request, session: Reading, _: AuditReader, wanted: AuditFilterDep, page: Paging
) -> Response:
    """The trail, newest first."""
    records, next_cursor = queries.list_records(session, wanted, page)
    context = AuditPage(
        rows=[_row(record) for record in records],
        wanted=wanted,
        actions=[Option(action.value, label) for action, label in LABELS.items()],
        limit=page.limit,
        pager=_pager(wanted, page, next_cursor),
        export_href=_href("/api/v1/audit-records/export", _parameters(wanted)),
    )
    return render(request, "audit/list.html", context)


@router.post(f"{PATH}/verify")
def audit_verify(
    database: DatabaseDep, principal: AuditReader, settings: SettingsDep, clock: ClockDep
) -> RedirectResponse:
    """验证审计链: verify now and tell the result on the list."""
    result = prove_now(database, settings, actor=principal.actor, clock=clock)
    return redirect(PATH, flash=result.sentence, kind="ok" if result.ok else "bad")


def _row(record: AuditRecord) -> AuditRow:
    return AuditRow(
        seq=record.seq,
        at=record.at,
        actor=record.actor_label,
        actor_kind=ACTOR_LABELS.get(record.actor_kind, record.actor_kind),
        action=record.action,
        action_label=record.action_label,
        object_type=record.object_type,
        object_label=record.object_label,
        object_id=record.object_id,
        ip=record.ip,
        details=tuple((name, _text(value)) for name, value in queries.details_of(record).items()),
        hash=record.hash,
    )


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "、".join(_text(item) for item in value)
    if isinstance(value, dict):
        return "；".join(f"{name} {_text(item)}" for name, item in value.items())
    if value is None or isinstance(value, bool):
        return {None: "—", True: "是", False: "否"}[value]
    text = str(value)
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"


def _parameters(wanted: AuditFilter) -> dict[str, str]:
    names = {"from_day": "from", "to_day": "to"}
    values = {
        names.get(field.name, field.name): getattr(wanted, field.name) for field in fields(wanted)
    }
    return {name: str(value) for name, value in values.items() if value}


def _pager(wanted: AuditFilter, page: PageRequest, next_cursor: str | None) -> Pager:
    parameters = {**_parameters(wanted), "limit": str(page.limit)}
    return Pager(
        next_href=_href(PATH, {**parameters, "cursor": next_cursor}) if next_cursor else None,
        first_href=_href(PATH, parameters) if page.cursor else None,
    )


def _href(path: str, parameters: dict[str, str]) -> str:
    return f"{path}?{urlencode(parameters)}" if parameters else path
