"""审计: the trail with filters, verification, export."""

import json
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Form, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from app.accounts.deps import AuditReader
from app.accounts.principal import Permission
from app.audit import queries, tree
from app.audit.actions import LABELS
from app.audit.checkpoint import CheckpointInvalid, Signer
from app.audit.models import ACTOR_LABELS, AuditRecord
from app.audit.queries import AuditFilter
from app.core.page_parts import Option, Pager
from app.core.pagination import PageRequest
from app.core.routing import Router
from app.core.templating import redirect, render
from app.core.web import ClockDep, DatabaseDep, Paging, Reading, SettingsDep
from app.proof.result import Proof
from app.proof.service import prove, prove_now
from app.system.audit_filters import AuditFilterDep
from app.system.audit_subjects import Subjects, subjects_of
from app.system.audit_words import Part, sentence

router = Router(include_in_schema=False)

PATH = "/audit"
LONGEST_TEXT = 400
"""Of one detail in the list; API and export have the whole."""


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One record as the list shows it: a sentence, and the record itself for who unfolds it."""

    seq: int
    at: datetime
    said: list[Part]
    actor: str
    actor_id: str
    actor_kind: str
    action: str
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
    can_accept: bool


@router.get(PATH)
def audit_list(
    request: Request, session: Reading, principal: AuditReader, wanted: AuditFilterDep, page: Paging
) -> Response:
    """The trail, newest first."""
    records, next_cursor = queries.list_records(session, wanted, page)
    subjects = subjects_of(session, records, principal)
    context = AuditPage(
        rows=[_row(record, subjects) for record in records],
        wanted=wanted,
        actions=[Option(action.value, label) for action, label in LABELS.items()],
        limit=page.limit,
        pager=_pager(wanted, page, next_cursor),
        export_href=_href("/api/v1/audit-records/export", _parameters(wanted)),
        can_accept=principal.can(Permission.ADMIN),
    )
    return render(request, "audit/list.html", context)


@router.get(f"{PATH}/checkpoint.txt")
def audit_checkpoint(session: Reading, _: AuditReader, settings: SettingsDep) -> Response:
    """下载检查点: the trail as it is, signed, to be kept where nobody who alters it can reach."""
    signed = tree.current(session, Signer(settings.root_secret))
    name = f"qingka-audit-{signed.checkpoint.size}.txt"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return PlainTextResponse(signed.text, headers=headers)


@router.post(f"{PATH}/verify")
def audit_verify(
    database: DatabaseDep, principal: AuditReader, settings: SettingsDep, clock: ClockDep
) -> RedirectResponse:
    """验证审计链: verify now and tell the result on the list."""
    return _told(prove_now(database, settings, actor=principal.actor, clock=clock))


@router.post(f"{PATH}/compare")
def audit_compare(
    database: DatabaseDep,
    _: AuditReader,
    settings: SettingsDep,
    checkpoint: Annotated[str, Form(max_length=4096)],
) -> RedirectResponse:
    """与检查点比对: a checkpoint that was kept elsewhere, pasted as it was given out."""
    kept = "\n".join(checkpoint.strip().splitlines()) + "\n"
    try:
        return _told(prove(database, settings, kept=kept))
    except CheckpointInvalid as error:
        return redirect(PATH, flash=f"{error.title}：{error.detail}。{error.remedy}", kind="bad")


def _told(proof: Proof) -> RedirectResponse:
    return redirect(PATH, flash=proof.summary, kind="ok" if proof.ok else "bad")


def _row(record: AuditRecord, subjects: Subjects) -> AuditRow:
    details = queries.details_of(record)
    return AuditRow(
        seq=record.seq,
        at=record.at,
        said=sentence(record, details, subjects),
        actor=record.actor_label,
        actor_id=record.actor_id,
        actor_kind=ACTOR_LABELS.get(record.actor_kind, record.actor_kind),
        action=record.action,
        object_type=record.object_type,
        object_label=record.object_label,
        object_id=record.object_id,
        ip=record.ip,
        details=tuple((name, _text(value)) for name, value in details.items()),
        hash=record.hash,
    )


def _text(value: Any) -> str:
    """A detail as it is kept."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
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
