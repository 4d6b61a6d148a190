"""Checklist and documents of an exceptional request (异常清卡): docs/domain.md, rule 8."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass

from app.accounts.principal import Permission, Principal
from app.audit.actions import AuditAction
from app.clearing import errors, queries
from app.clearing.models import ClearingAttachment, ClearingRequest
from app.clearing.states import ChecklistItem, RequestState
from app.core.clock import Clock
from app.core.db import Session
from app.errors import Forbidden
from app.requests.service import control

MAX_BYTES = 5 << 20
MAX_COUNT = 20

_SIGNATURES = {
    "application/pdf": (b"%PDF-",),
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
}
"""What may be attached, told by the content itself, never by the name."""


CHECKLIST_NAMES = {
    ChecklistItem.LICENCE: "营业执照副本",
    ChecklistItem.SEALS: "公章与发票章",
    ChecklistItem.DEVICE: "税控设备",
    ChecklistItem.IDENTITY: "经办人身份证",
    ChecklistItem.STATEMENT: "逾期说明",
    ChecklistItem.FORM: "异常清卡申请表",
}


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it was sent."""

    name: str
    content: bytes


def attach(
    session: Session,
    request: ClearingRequest,
    upload: Upload,
    *,
    principal: Principal,
    clock: Clock,
) -> ClearingAttachment:
    """Keep a document of a request that waits for its review.

    Raises NotOwn for a request of somebody else, AttachmentRefused for what is too large, too many, or neither PDF, PNG nor JPEG.
    """
    if not control.may_take_part(request, principal):
        raise errors.NotOwn
    if request.state is not RequestState.SUBMITTED:
        raise errors.RequestState("只能为待审核的申请添加附件")
    media_type = _media_type(upload.content)
    if len(queries.attachments(session, request.id)) >= MAX_COUNT:
        raise errors.AttachmentRefused(f"最多 {MAX_COUNT} 个附件")
    attachment = ClearingAttachment(
        request_id=request.id,
        name=_plain_name(upload.name),
        media_type=media_type,
        size=len(upload.content),
        sha256=hashlib.sha256(upload.content).hexdigest(),
        content=upload.content,
        added_by=str(principal.id),
        added_at=clock(),
    )
    session.add(attachment)
    session.flush()
    control.record(
        session,
        request,
        principal,
        AuditAction.CLEARING_ATTACHED,
        clock,
        name=attachment.name,
        sha256=attachment.sha256,
    )
    return attachment


def may_tick(request: ClearingRequest, principal: Principal) -> bool:
    """Whether this principal may change the checklist now: who asked for it, or an admin."""
    own = control.is_own(request, principal)
    waits = request.exceptional and request.state is RequestState.SUBMITTED
    return waits and (own or principal.can(Permission.ADMIN))


def tick(
    session: Session,
    request: ClearingRequest,
    items: Collection[ChecklistItem],
    *,
    principal: Principal,
    clock: Clock,
) -> None:
    """Have exactly these items of the checklist ticked, while the request waits for its review."""
    if not request.exceptional or request.state is not RequestState.SUBMITTED:
        raise errors.RequestState("只能更改待审核的异常清卡申请的清单")
    if not may_tick(request, principal):
        raise Forbidden("只有申请人可以更改清单")
    ticked = [item.value for item in ChecklistItem if item in items]
    if ticked == request.checklist:
        return
    request.checklist, request.updated_at = ticked, clock()
    session.add(request)
    action = AuditAction.CLEARING_CHECKLIST_CHANGED
    control.record(session, request, principal, action, clock, checklist=",".join(ticked))


def require_complete(session: Session, request: ClearingRequest) -> None:
    """Raises ExceptionalIncomplete unless everything is ticked and something is attached."""
    missing = [
        CHECKLIST_NAMES[item] for item in ChecklistItem if item.value not in request.checklist
    ]
    if missing:
        raise errors.ExceptionalIncomplete(f"清单未齐：{'、'.join(missing)}")
    if not queries.attachments(session, request.id):
        raise errors.ExceptionalIncomplete("还没有附件")


def _media_type(content: bytes) -> str:
    if not content or len(content) > MAX_BYTES:
        raise errors.AttachmentRefused(f"附件应在 {MAX_BYTES >> 20} MB 以内，且不能为空")
    for media_type, beginnings in _SIGNATURES.items():
        if content.startswith(beginnings):
            return media_type
    raise errors.AttachmentRefused("附件只能是 PDF、PNG 或 JPEG")


def _plain_name(name: str) -> str:
    """The last part of the name, without what could steer a header or a terminal."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(character for character in last if character.isprintable())[:200] or "附件"
