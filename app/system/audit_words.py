"""An audit record as a sentence: who did what, for whom, on what, and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.audit.actions import AuditAction
from app.audit.models import AuditRecord
from app.system.audit_subjects import Subject, Subjects


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the sentence; with `href` it leads to what it names."""

    text: str
    href: str = ""


_NO_OBJECT = Subject("")
_REASONS: tuple[tuple[str, str], ...] = (
    ("comment", "意见：{}"),
    ("reason", "原因：{}"),
    ("message", "{}"),
)
_HAPPENED = frozenset(
    {
        AuditAction.CLEARING_STARTED,
        AuditAction.CLEARING_SUCCEEDED,
        AuditAction.CLEARING_FAILED,
        AuditAction.CLEARING_NEEDS_ATTENTION,
    }
)
"""What became of a request rather than what somebody did to it."""

_OWN_ACCOUNT = frozenset({"account", "session"})
_LONGEST = 120


def sentence(record: AuditRecord, details: Mapping[str, Any], subjects: Subjects) -> list[Part]:
    """The parts of the sentence, without the actor's own name where nobody acted."""
    subject = subjects.get((record.object_type, record.object_id), _NO_OBJECT)
    named = _named(record, details, subject)
    for_whom = Part(subject.operator, subject.operator_href)
    if record.action in _HAPPENED:
        parts = [for_whom] if for_whom.text else []
        parts += (
            [Part(record.action_label), Part("，申请 "), named]
            if named.text
            else [Part(record.action_label)]
        )
    else:
        actor = subjects.get((record.actor_kind, record.actor_id), _NO_OBJECT)
        parts = [Part(actor.name or record.actor_label)]
        parts += (
            [Part(" 为 "), for_whom, Part(record.action_label)]
            if for_whom.text
            else [Part(f" {record.action_label}")]
        )
        parts += [Part(" "), named] if named.text else []
    said = _reason(details)
    return [*parts, Part(f"，{said}")] if said else parts


def _named(record: AuditRecord, details: Mapping[str, Any], subject: Subject) -> Part:
    """The object: as it is called, as the record called it then, or not at all."""
    if record.object_type in _OWN_ACCOUNT and record.object_id == record.actor_id:
        return Part("")
    number = details.get("number") or details.get("name") or details.get("path") or ""
    text = str(number) if isinstance(number, str | int) and number else subject.name
    if not text and record.action == AuditAction.AUDIT_CHECKPOINTED:
        text = f"（前 {details.get('size', '')} 条）"
    if not text and record.action == AuditAction.AUDIT_EVIDENCE_ADOPTED:
        text = f"（{details.get('of', '')} {details.get('rows', '')} 条）"
    return Part(text, subject.href)


def _reason(details: Mapping[str, Any]) -> str:
    said = [
        words.format(details[name].strip())
        for name, words in _REASONS
        if isinstance(details.get(name), str) and details[name].strip()
    ]
    text = "，".join(said)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
