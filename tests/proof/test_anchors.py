"""Checkpoints kept outside the database: they go out by themselves, and find what can't be found inside."""

import base64
import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from sqlmodel import select

from app.audit import tree
from app.audit.actor import SYSTEM
from app.audit.checkpoint import Signer
from app.audit.verification import Problem
from app.backups import anchors, archive
from app.backups.local_target import LocalTarget
from app.backups.models import BackupCopy
from app.backups.service import back_up_system
from app.backups.storage import storage_of
from app.core.metrics import RequestMetrics
from app.core.process import Process
from app.jobs.scheduler import Run
from app.notifications.kinds import EventKind
from app.notifications.models import Event
from app.notifications.texts import message_of
from app.proof import checkpoints
from app.proof.service import prove, prove_now
from app.settings import Settings
from tests.proof.conftest import Owner, Proven

REWRITE = "UPDATE audit_records SET actor_name = '别人', actor_id = 'x' WHERE seq = 2"
WITHOUT_CHECKPOINTS = (
    "DELETE FROM audit_checkpoints",
    "UPDATE audit_records SET action = 'device.read' WHERE action = 'audit.checkpointed'",
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """With a second place for backups."""
    return Settings.model_validate(
        {
            "data_dir": tmp_path / "data",
            "agent": "off",
            "secret_key": "a root secret for tests, 32 bytes",
            "backup_targets": f"local={tmp_path / 'first'};second={tmp_path / 'second'}",
        }
    )


def _prove_and_sign(proven: Proven) -> None:
    assert prove_now(proven.database, proven.settings, actor=SYSTEM, clock=proven.clock).ok


def _forge(proven: Proven, as_owner: Owner, *statements: str) -> None:
    """Act on the file, compute every hash anew, and put the guards back."""
    as_owner(proven.database, *statements, rehash=True)


def _forget_outside(proven: Proven) -> None:
    for root in (proven.settings.data_dir, *_targets(proven)):
        shutil.rmtree(root / anchors.FOLDER, ignore_errors=True)


def _targets(proven: Proven) -> list[Path]:
    parent = proven.settings.data_dir.parent
    return [parent / "first", parent / "second"]


CUT = ("DELETE FROM audit_records WHERE seq > 5",)

FORGERIES: dict[str, tuple[tuple[str, ...], Problem]] = {
    "rewritten, all checkpoints gone": ((REWRITE, *WITHOUT_CHECKPOINTS), Problem.ANCHOR),
    "cut, head corrected, all checkpoints gone": ((*CUT, *WITHOUT_CHECKPOINTS), Problem.CUT),
    "emptied": (("DELETE FROM audit_records", *WITHOUT_CHECKPOINTS), Problem.CUT),
}


@pytest.mark.parametrize("what", FORGERIES)
def test_a_forgery_with_all_hashes_right_contradicts_the_checkpoints_outside(
    proven_file: Proven, as_owner: Owner, what: str
) -> None:
    statements, problem = FORGERIES[what]
    _prove_and_sign(proven_file)
    _forge(proven_file, as_owner, *statements)
    proof = prove(proven_file.database, proven_file.settings)
    assert proof.chain.problem is problem
    assert "数据目录" in proof.sentence
    _forget_outside(proven_file)
    inside = prove(proven_file.database, proven_file.settings)
    assert inside.chain.ok
    assert "没有库外检查点" in inside.reach


def test_a_forgery_signed_anew_with_the_key_contradicts_the_checkpoints_outside(
    proven_file: Proven, as_owner: Owner
) -> None:
    _prove_and_sign(proven_file)
    _forge(proven_file, as_owner, REWRITE, *WITHOUT_CHECKPOINTS)
    with proven_file.database.transaction() as session:
        signer = Signer(proven_file.settings.root_secret)
        tree.issue(session, signer, actor=SYSTEM, at=proven_file.clock())
    proof = prove(proven_file.database, proven_file.settings)
    assert proof.chain.problem is Problem.ANCHOR


@pytest.mark.parametrize("key", ["", base64.b64encode(bytes(32)).decode()])
@pytest.mark.parametrize("what", FORGERIES)
def test_a_forgery_contradicts_the_checkpoint_inside_an_archive(
    proven_file: Proven, as_owner: Owner, what: str, key: str
) -> None:
    """Also when every file beside the archives is gone, and with them what the database knows of backups."""
    statements, problem = FORGERIES[what]
    settings = Settings.model_validate({**proven_file.settings.model_dump(), "backup_key": key})
    proven = replace(proven_file, settings=settings)
    back_up_system(
        proven.database, storage_of(settings), settings, actor=SYSTEM, clock=proven.clock
    )
    _forget_outside(proven)
    assert prove(proven.database, settings).chain.anchors == 2
    _forge(proven, as_owner, *statements, "DELETE FROM backup_copies", "DELETE FROM backups")
    proof = prove(proven.database, settings)
    assert proof.chain.problem is problem
    assert "备份目标 local：" in proof.sentence
    assert "的清单" in proof.sentence


def test_a_checkpoint_altered_inside_an_archive_is_named(proven_file: Proven) -> None:
    backup = back_up_system(
        proven_file.database,
        storage_of(proven_file.settings),
        proven_file.settings,
        actor=SYSTEM,
        clock=proven_file.clock,
    )
    kept = _targets(proven_file)[1] / backup.path
    manifest = archive.read_manifest(kept)
    text = manifest[anchors.FIELD]
    size = Signer(proven_file.settings.root_secret).open(text).size
    manifest[anchors.FIELD] = text.replace(f"\n{size}\n", f"\n{size + 1}\n")
    with zipfile.ZipFile(kept, "w") as file:
        file.writestr(archive.MANIFEST, json.dumps(manifest))
    proof = prove(proven_file.database, proven_file.settings)
    assert proof.chain.problem is Problem.ANCHOR_INVALID
    assert f"备份目标 second：{backup.path} 的清单" in proof.sentence


def test_an_archive_that_cannot_be_opened_is_counted_and_hides_no_other(
    proven_file: Proven,
) -> None:
    backup = back_up_system(
        proven_file.database,
        storage_of(proven_file.settings),
        proven_file.settings,
        actor=SYSTEM,
        clock=proven_file.clock,
    )
    (_targets(proven_file)[0] / backup.path).write_bytes(b"no archive")
    proof = prove(proven_file.database, proven_file.settings)
    assert (proof.ok, proof.chain.anchors) == (True, 4)  # three beside, one in an archive
    assert "未能读取：备份目标 local的 1 份备份" in proof.reach


@pytest.mark.parametrize("which", ["id > 1", "1 = 1"])
def test_checkpoints_that_the_chain_names_and_that_are_gone_are_missed(
    proven_file: Proven, as_owner: Owner, which: str
) -> None:
    for _ in range(2):
        _prove_and_sign(proven_file)
    _forget_outside(proven_file)
    _forge(proven_file, as_owner, f"DELETE FROM audit_checkpoints WHERE {which}")
    proof = prove(proven_file.database, proven_file.settings)
    assert proof.chain.problem is Problem.CHECKPOINT_GONE


def test_a_rewriting_that_leaves_only_an_older_checkpoint_is_found(
    proven_file: Proven, as_owner: Owner
) -> None:
    for _ in range(2):
        _prove_and_sign(proven_file)
    _forget_outside(proven_file)
    last = "UPDATE audit_records SET actor_name = '别人' WHERE action = 'audit.verified'"
    _forge(proven_file, as_owner, last, "DELETE FROM audit_checkpoints WHERE id > 1")
    assert not prove(proven_file.database, proven_file.settings).ok


def test_what_came_after_the_newest_checkpoint_is_said_to_have_no_witness(
    proven_file: Proven,
) -> None:
    _prove_and_sign(proven_file)
    proof = prove(proven_file.database, proven_file.settings)
    assert proof.chain.anchors == 3
    later = proof.chain.checked - proof.chain.anchored
    assert later == 1  # the record of the checkpoint itself
    assert f"其后 {later} 条尚无库外检查点" in proof.sentence


def test_a_checkpoint_outside_that_was_tampered_with_is_named(proven_file: Proven) -> None:
    _prove_and_sign(proven_file)
    (kept,) = (_targets(proven_file)[1] / anchors.FOLDER).rglob("*.txt")
    kept.write_text("nonsense", encoding="utf-8")
    proof = prove(proven_file.database, proven_file.settings)
    assert proof.chain.problem is Problem.ANCHOR_INVALID
    assert f"备份目标 second：{kept.name}" in proof.sentence


def test_a_place_that_cannot_be_read_is_named_and_does_not_hide_the_others(
    proven_file: Proven, monkeypatch: pytest.MonkeyPatch
) -> None:
    _prove_and_sign(proven_file)
    names = LocalTarget.names

    def fails_on_second(target: LocalTarget, folder: str) -> list[str]:
        if target.name == "second":
            raise OSError("the share is gone")
        return names(target, folder)

    monkeypatch.setattr(LocalTarget, "names", fails_on_second)
    proof = prove(proven_file.database, proven_file.settings)
    assert (proof.ok, proof.chain.anchors) == (True, 2)
    assert "未能读取：备份目标 second" in proof.reach


def test_a_signed_checkpoint_goes_with_every_backup_to_every_target(proven: Proven) -> None:
    storage = storage_of(proven.settings)
    signer = Signer(proven.settings.root_secret)
    backup = back_up_system(
        proven.database, storage, proven.settings, actor=SYSTEM, clock=proven.clock
    )
    for root in _targets(proven):
        manifest = archive.read_manifest(root / backup.path)
        size = signer.open(manifest[anchors.FIELD]).size
        assert size > 5
        (beside,) = (root / anchors.FOLDER / signer.key_id).iterdir()
        assert beside.read_text(encoding="utf-8") == manifest[anchors.FIELD]
    with proven.database.reading() as session:
        assert len(session.exec(select(BackupCopy)).all()) == 2
    again = back_up_system(
        proven.database, storage, proven.settings, actor=SYSTEM, clock=proven.clock
    )
    assert signer.open(again.summary[anchors.FIELD]).size > size
    proof = prove(proven.database, proven.settings)
    assert (proof.ok, proof.chain.anchors) == (True, 3 + 4)  # beside the archives once an hour
    proven.clock.move(hours=1, seconds=1)
    back_up_system(proven.database, storage, proven.settings, actor=SYSTEM, clock=proven.clock)
    assert prove(proven.database, proven.settings).chain.anchors == 6 + 6


def test_a_trail_that_does_not_fit_stops_no_backup(proven_file: Proven, as_owner: Owner) -> None:
    as_owner(proven_file.database, "UPDATE audit_records SET ip = 'x' WHERE seq = 3")
    backup = back_up_system(
        proven_file.database,
        storage_of(proven_file.settings),
        proven_file.settings,
        actor=SYSTEM,
        clock=proven_file.clock,
    )
    assert anchors.FIELD not in backup.summary


def test_the_daily_checkpoint_is_handed_out_and_told_to_webhooks_and_channels(
    proven: Proven,
) -> None:
    process = Process(proven.database, proven.settings, proven.clock, RequestMetrics())
    said = checkpoints.hand_out(process, Run("checkpoint", proven.clock(), {}))
    assert "数据目录、备份目标 local、备份目标 second" in said
    with proven.database.reading() as session:
        event = session.exec(select(Event).where(Event.kind == EventKind.AUDIT_CHECKPOINT)).one()
    message = message_of(
        event.kind, object_type=event.object_type, object_id=event.object_id, data=event.data
    )
    told = message.text.partition("\n\n")[2]
    assert Signer(proven.settings.root_secret).open(told).size == event.data["size"]


def test_reading_archives_makes_no_secret(tmp_path: Path) -> None:
    """A restore on a new machine must not find a new key where it should miss the old one."""
    settings = Settings.model_validate({"data_dir": tmp_path, "agent": "off"})
    storage_of(settings)
    assert list(tmp_path.rglob("secret.key")) == []


def test_of_many_checkpoints_the_newest_and_some_of_all_ages_are_compared() -> None:
    names = [f"{number:05d}" for number in range(5000)]
    chosen = anchors._chosen(names)
    assert chosen[0] == names[0]
    assert chosen[-anchors.NEWEST :] == names[-anchors.NEWEST :]
    assert len(chosen) <= anchors.NEWEST + anchors.OLDER
    assert anchors._chosen(names[:7]) == names[:7]
