"""REST API of an exceptional request's papers (异常清卡): its checklist and its documents."""

from urllib.parse import quote
from uuid import UUID

from fastapi import Response, UploadFile

from app.accounts.deps import ClearingRequester
from app.clearing import queries
from app.clearing.public import request_public
from app.clearing.schemas import AttachmentPublic, ChecklistBody, RequestPublic
from app.core.routing import Router
from app.core.web import ClockDep, Reading, Writing
from app.requests.deps import VisibleRequest
from app.requests.service import attachments

router = Router(tags=["清卡"])


@router.patch("/clearing-requests/{request_id}/checklist")
def change_checklist(
    principal: ClearingRequester,
    session: Writing,
    request_id: UUID,
    clock: ClockDep,
    body: ChecklistBody,
) -> RequestPublic:
    """Say which papers of an exceptional request that waits for its review are at hand."""
    request = queries.request_for_change(session, request_id, principal)
    attachments.tick(session, request, body.items, principal=principal, clock=clock)
    return request_public(session, request)


@router.post("/clearing-requests/{request_id}/attachments", status_code=201)
def add_attachment(
    principal: ClearingRequester,
    session: Writing,
    request_id: UUID,
    clock: ClockDep,
    file: UploadFile,
) -> AttachmentPublic:
    """Attach a document to an exceptional request that waits for its review."""
    request = queries.request_for_change(session, request_id, principal)
    upload = attachments.Upload(file.filename or "", file.file.read(attachments.MAX_BYTES + 1))
    kept = attachments.attach(session, request, upload, principal=principal, clock=clock)
    return AttachmentPublic.model_validate(kept)


@router.get("/clearing-requests/{request_id}/attachments/{attachment_id}", response_class=Response)
def get_attachment(session: Reading, request: VisibleRequest, attachment_id: UUID) -> Response:
    """The document itself, to be saved and never shown in place."""
    found = queries.attachment(session, request.id, attachment_id)
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(found.name)}"}
    return Response(found.content, media_type=found.media_type, headers=headers)
