"""Signing checkpoints and handing them out: to data directory, backup targets, webhooks and channels."""

from dataclasses import dataclass
from datetime import datetime
from datetime import time as time_of_day

from app.audit import tree
from app.audit.actor import SYSTEM, Actor
from app.audit.checkpoint import Signer
from app.backups import anchors
from app.backups.errors import BackupSettingsInvalid
from app.backups.storage import storage_of
from app.core.db import Database
from app.core.logging import get_logger
from app.core.process import Process
from app.jobs.scheduler import RecurringJob, Run, daily
from app.notifications import service as notifications
from app.notifications.service import EventKind, Subject
from app.settings import Settings

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Issued:
    """A checkpoint over the first `size` records that was signed, and the places that keep it."""

    size: int
    text: str
    places: tuple[str, ...]


def issue(
    database: Database, settings: Settings, *, actor: Actor, at: datetime, tell: bool = False
) -> Issued:
    """Sign the trail as it is, on record, and keep the checkpoint outside the database as well.

    `tell`: webhooks and channels that want it get it too. Raises ChainBroken, CheckpointContradicted.
    """
    with database.transaction() as session:
        row = tree.issue(session, Signer(settings.root_secret), actor=actor, at=at)
        size, text = row.size, row.text
        if tell:
            notifications.publish(
                session,
                EventKind.AUDIT_CHECKPOINT,
                subject=Subject("audit_checkpoint", str(row.id)),
                data={"size": size, "root": row.root, "checkpoint": text},
                at=at,
            )
    return Issued(size, text, tuple(keep(settings, text, at)))


def keep(settings: Settings, text: str, at: datetime) -> list[str]:
    """Put a checkpoint where it outlives the database; gives the places that took it."""
    try:
        return anchors.publish(storage_of(settings), text, at)
    except BackupSettingsInvalid as error:
        log.error("checkpoint not kept outside the database", reason=error.detail)
        return []


def hand_out(process: Process, run: Run) -> str:
    """The daily checkpoint, as a job."""
    issued = issue(process.database, process.settings, actor=SYSTEM, at=run.at, tell=True)
    return f"前 {issued.size} 条的检查点，存于：{'、'.join(issued.places) or '无处可存'}"


CHECKPOINT_AT = time_of_day(2, 45)
"""Asia/Shanghai."""

JOBS = (RecurringJob("checkpoint", hand_out, daily(CHECKPOINT_AT), first_at_once=False, slow=True),)
