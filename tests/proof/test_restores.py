"""A database restored from an older backup: an admin accepts it, and that stays told. So does a forger's acceptance."""

from pathlib import Path

import pytest

from app.accounts.principal import Principal, Role
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.audit.actor import SYSTEM
from app.audit.checkpoint import Signer
from app.audit.verification import Problem
from app.backups import anchors
from app.backups.service import back_up_system, restore_system
from app.backups.service.reading import any_good_copy
from app.backups.storage import storage_of
from app.core.db import Database
from app.errors import Forbidden
from app.proof import checkpoints
from app.proof.restores import (
    NothingToAccept,
    RestoreNotAcceptable,
    accept_restore,
    contradiction,
)
from app.proof.schemas import ProofPublic
from app.proof.service import prove
from app.settings import Settings
from tests.acting import person_of
from tests.proof.conftest import Owner, Proven
from tests.proof.test_anchors import REWRITE, WITHOUT_CHECKPOINTS

WHY = "硬盘损坏，恢复自昨日的全系统备份"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.model_validate(
        {
            "data_dir": tmp_path / "data",
            "agent": "off",
            "secret_key": "a root secret for tests, 32 bytes",
            "backup_targets": f"local={tmp_path / 'first'}",
        }
    )


@pytest.fixture
def admin() -> Principal:
    return person_of(Role.ADMIN)


def _work(database: Database, proven: Proven) -> None:
    """Something happens, and a checkpoint of it goes out."""
    proven.clock.move(hours=2)
    with database.transaction() as session:
        audit.record(
            session,
            actor=SYSTEM,
            action=AuditAction.DEVICE_READ,
            object_type="device",
            object_id="d",
            at=proven.clock(),
        )
    checkpoints.issue(database, proven.settings, actor=SYSTEM, at=proven.clock())


@pytest.fixture
def restored(proven_file: Proven, tmp_path: Path) -> Database:
    """Backed up, worked on, and then restored: what was worked on since is gone."""
    storage = storage_of(proven_file.settings)
    backup = back_up_system(
        proven_file.database, storage, proven_file.settings, actor=SYSTEM, clock=proven_file.clock
    )
    for _ in range(3):
        _work(proven_file.database, proven_file)
    url = f"sqlite:///{tmp_path / 'restored.db'}"
    with any_good_copy(proven_file.database, storage, backup.id) as good:
        restore_system(good.file, url)
    return Database(url)


def test_a_restore_is_accepted_once_and_told_for_ever(
    proven_file: Proven, restored: Database, admin: Principal
) -> None:
    settings = proven_file.settings
    before = prove(restored, settings)
    assert before.chain.problem is Problem.CUT
    found = accept_restore(restored, settings, principal=admin, reason=WHY, clock=proven_file.clock)
    assert (len(found.checkpoints), found.first > found.fits > 0) == (3, True)
    after = prove(restored, settings)
    assert after.ok, after.sentence
    for told in (
        admin.display_name,
        WHY,
        f"3 个库外检查点（前 {found.first} 至 {found.last} 条）",
        f"仅前 {found.fits} 条",
    ):
        assert told in after.sentence
    (public,) = ProofPublic.of(after).restores
    assert (public.by, public.reason, public.checkpoints) == (admin.actor.name, WHY, 3)
    with pytest.raises(NothingToAccept):
        contradiction(restored, settings)
    for _ in range(5):  # past the sizes that were given up
        _work(restored, proven_file)
    later = prove(restored, settings)
    assert later.ok
    assert WHY in later.sentence


def test_what_comes_after_an_accepted_restore_is_compared_as_ever(
    proven_file: Proven, restored: Database, admin: Principal, as_owner: Owner
) -> None:
    settings = proven_file.settings
    accept_restore(restored, settings, principal=admin, reason=WHY, clock=proven_file.clock)
    _work(restored, proven_file)
    last = "UPDATE audit_records SET actor_name = '别人' WHERE action = 'device.read'"
    as_owner(restored, last, "DELETE FROM audit_checkpoints", rehash=True)
    proof = prove(restored, settings)
    assert not proof.ok
    assert proof.chain.problem is Problem.ANCHOR
    assert WHY in proof.sentence, "the accepted restore is told beside what is wrong"
    assert WHY in proof.summary


def test_a_forger_who_has_it_accepted_stays_told_and_contradicts_what_others_kept(
    proven_file: Proven, as_owner: Owner, admin: Principal
) -> None:
    database, settings = proven_file.database, proven_file.settings
    kept = checkpoints.issue(database, settings, actor=SYSTEM, at=proven_file.clock()).text
    as_owner(database, REWRITE, *WITHOUT_CHECKPOINTS, rehash=True)
    accept_restore(database, settings, principal=admin, reason="恢复", clock=proven_file.clock)
    proof = prove(database, settings)
    assert "没有一个库外检查点与当时的记录一致" in proof.sentence
    assert f"{admin.display_name} 于" in proof.sentence
    handed_in = prove(database, settings, kept=kept)
    assert handed_in.chain.problem is Problem.ANCHOR
    assert "提交核对的检查点" in handed_in.sentence
    forget = f"DELETE FROM audit_records WHERE action = '{AuditAction.AUDIT_RESTORE_ACCEPTED}'"
    as_owner(database, forget, "DELETE FROM audit_checkpoints", rehash=True)
    assert not prove(database, settings).ok


def test_only_an_admin_accepts_and_only_what_a_restore_explains(
    proven_file: Proven, restored: Database, admin: Principal, as_owner: Owner
) -> None:
    settings = proven_file.settings
    with pytest.raises(Forbidden):
        accept_restore(
            restored,
            settings,
            principal=person_of(Role.AUDITOR),
            reason=WHY,
            clock=proven_file.clock,
        )
    with pytest.raises(NothingToAccept):
        contradiction(proven_file.database, settings)
    as_owner(restored, "UPDATE audit_records SET ip = 'x' WHERE seq = 3")
    with pytest.raises(RestoreNotAcceptable, match="第 3 条"):
        contradiction(restored, settings)


def test_a_checkpoint_of_nobodys_key_is_never_accepted(
    proven_file: Proven, restored: Database
) -> None:
    signer = Signer(proven_file.settings.root_secret)
    folder = proven_file.settings.data_dir / anchors.FOLDER / signer.key_id
    (folder / "20200101T000000Z-9.txt").write_text("nonsense", encoding="utf-8")
    with pytest.raises(RestoreNotAcceptable):
        contradiction(restored, proven_file.settings)
