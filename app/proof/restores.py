"""Accepting a restore: checkpoints of the records it gave up are not compared any more, and that is said for ever."""

from dataclasses import dataclass

from app.accounts.principal import Permission, Principal
from app.audit import restores, tree
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.audit.checkpoint import Checkpoint, CheckpointInvalid, Signer
from app.audit.verification import verify
from app.backups import anchors
from app.backups.storage import storage_of
from app.core.clock import Clock
from app.core.db import Database
from app.errors import Conflict, Forbidden
from app.proof import checkpoints
from app.settings import Settings

MOST = 20_000
"""Checkpoints one acceptance names."""


class NothingToAccept(Conflict):
    code = "audit.nothing_to_accept"
    title = "没有需要认可的恢复"
    remedy = "库外检查点均与现有记录一致，或已经认可。"


class RestoreNotAcceptable(Conflict):
    code = "audit.restore_not_acceptable"
    title = "不能认可这次恢复"
    remedy = "认可只能说明库外检查点为何与记录不符。请运行“验证审计链”，先查明其他不符之处。"


@dataclass(frozen=True, slots=True)
class Contradiction:
    """The checkpoints outside that the records contradict, shortest first.

    `records`: how many records there are; `fits`: over how many of them the longest other checkpoint is.
    """

    checkpoints: tuple[Checkpoint, ...]
    records: int
    fits: int
    unreachable: tuple[str, ...]

    @property
    def first(self) -> int:
        """Over how many records the shortest of them is."""
        return self.checkpoints[0].size

    @property
    def last(self) -> int:
        """Over how many records the longest of them is."""
        return self.checkpoints[-1].size

    @property
    def reach(self) -> str:
        """Over how many records they are, in words."""
        return restores.reach([one.size for one in self.checkpoints])


def contradiction(database: Database, settings: Settings) -> Contradiction:
    """Compare every checkpoint outside, not only some of the older ones.

    Raises NothingToAccept; RestoreNotAcceptable where anything else is wrong with the trail.
    """
    signer = Signer(settings.root_secret)
    outside = anchors.collect(storage_of(settings), every=True)
    try:
        kept = {restores.name_of(one): one for one in map(signer.open, _texts(outside))}
    except CheckpointInvalid as error:
        raise RestoreNotAcceptable(error.detail) from error
    with database.snapshot() as session:
        chain = verify(session, signer=signer)
        if not chain.ok:
            raise RestoreNotAcceptable(chain.sentence)
        left = [one for one in kept.values() if not any(r.covers(one) for r in chain.restores)]
        found, fits = restores.sort_out(session, left)
    if not found:
        raise NothingToAccept
    if len(found) > MOST:
        raise RestoreNotAcceptable(f"不符的检查点多于 {MOST} 个")
    return Contradiction(tuple(found), chain.checked, fits, outside.unreachable)


def _texts(outside: anchors.Collected) -> list[str]:
    return [anchor.text for anchor in outside.anchors]


def accept_restore(
    database: Database, settings: Settings, *, principal: Principal, reason: str, clock: Clock
) -> Contradiction:
    """Put on record that what is outside speaks of records a restore gave up, and sign the trail with it.

    Raises Forbidden unless an admin, and what `contradiction` raises.
    """
    if not principal.can(Permission.ADMIN):
        raise Forbidden
    found = contradiction(database, settings)
    at = clock()
    with database.transaction() as session:
        audit.record(
            session,
            actor=principal.actor,
            action=AuditAction.AUDIT_RESTORE_ACCEPTED,
            object_type="audit",
            object_id="",
            at=at,
            details={
                "reason": reason,
                "accepted_at": at.isoformat(),
                "records": found.records,
                "fits": found.fits,
                "given_up": [restores.name_of(one) for one in found.checkpoints],
            },
        )
        signer = Signer(settings.root_secret)
        text = tree.issue(session, signer, actor=principal.actor, at=at).text
    checkpoints.keep(settings, text, at)
    return found
