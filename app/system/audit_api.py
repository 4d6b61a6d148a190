"""REST API of the audit trail."""

import base64
from typing import Annotated

from fastapi import Query
from starlette.responses import StreamingResponse

from app.accounts.deps import Admin, AuditReader
from app.accounts.service.step_up import verify_step_up
from app.audit import queries, tree
from app.audit.operations import export_now
from app.audit.schemas import AuditRecordPublic, CheckpointPublic
from app.core.pagination import Page
from app.core.routing import Router
from app.core.web import ClockDep, DatabaseDep, Paging, Reading, SettingsDep
from app.proof.restores import accept_restore
from app.proof.schemas import ContradictionPublic, KeptCheckpoint, ProofPublic, RestoreAccept
from app.proof.service import prove
from app.system.audit_filters import AuditFilterDep, SignerDep

router = Router(prefix="/audit-records", tags=["审计"])

OldSize = Annotated[
    int | None, Query(ge=1, lt=1 << 63, description="records of an earlier checkpoint")
]


@router.get("")
def list_audit_records(
    session: Reading, _: AuditReader, wanted: AuditFilterDep, page: Paging
) -> Page[AuditRecordPublic]:
    """The trail, newest first."""
    records, next_cursor = queries.list_records(session, wanted, page)
    items = [AuditRecordPublic.of(record) for record in records]
    return Page(items=items, next_cursor=next_cursor)


@router.get("/verify")
def verify_audit_records(
    database: DatabaseDep, _: AuditReader, settings: SettingsDep
) -> ProofPublic:
    """Verify the trail, and compare it with records, approvals, decisions, triggers and checkpoints."""
    return ProofPublic.of(prove(database, settings))


@router.post("/verify")
def verify_with_checkpoint(
    database: DatabaseDep, _: AuditReader, settings: SettingsDep, kept: KeptCheckpoint
) -> ProofPublic:
    """The same, and compare with a checkpoint somebody kept; one that isn't of this log is refused."""
    return ProofPublic.of(prove(database, settings, kept=kept.checkpoint))


@router.post("/restores", status_code=201)
def accept_restored(
    database: DatabaseDep,
    principal: Admin,
    settings: SettingsDep,
    clock: ClockDep,
    data: RestoreAccept,
) -> ContradictionPublic:
    """Accept that checkpoints outside speak of records a restore gave up; the trail says so for ever."""
    password = data.password.get_secret_value() if data.password else None
    verify_step_up(database, principal, password, settings=settings, clock=clock)
    found = accept_restore(database, settings, principal=principal, reason=data.reason, clock=clock)
    return ContradictionPublic.of(found)


@router.get("/checkpoint")
def audit_checkpoint(
    session: Reading, _: AuditReader, signer: SignerDep, old_size: OldSize = None
) -> CheckpointPublic:
    """Sign the trail as it is; with `old_size` prove that it grew from an earlier checkpoint's."""
    signed = tree.current(session, signer)
    proof = None
    if old_size is not None:
        nodes = tree.RecordTree(session, signed.checkpoint.size).consistency(old_size)
        proof = [base64.b64encode(node).decode() for node in nodes]
    return CheckpointPublic(
        size=signed.checkpoint.size,
        root=base64.b64encode(signed.checkpoint.root).decode(),
        text=signed.text,
        key=signer.verifier_key,
        consistency=proof,
    )


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/jsonl": {"schema": {"type": "string"}}}}},
)
def export_audit_records(
    database: DatabaseDep,
    principal: AuditReader,
    wanted: AuditFilterDep,
    signer: SignerDep,
    clock: ClockDep,
) -> StreamingResponse:
    """JSON Lines with proof, for `python -m app.audit.offline`. The export itself goes on record."""
    lines = export_now(database, signer, wanted, actor=principal.actor, clock=clock)
    return StreamingResponse(
        lines,
        media_type="application/jsonl",
        headers={"Content-Disposition": 'attachment; filename="audit.jsonl"'},
    )
