"""Retention: what may go goes everywhere and is audited; what is needed never goes."""

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from app.accounts.principal import SYSTEM
from app.backups import queries, service
from app.backups.errors import BackupSettingsInvalid
from app.backups.local_target import LocalTarget
from app.backups.models import Backup, BackupKind, BackupState, CopyState
from app.backups.service import retention
from app.backups.service.retention import Retention, years_before
from app.backups.storage import Storage
from app.core.clock import Clock
from app.core.db import Database
from app.settings import Settings

RULES = Retention(
    {
        BackupKind.PRE_CLEARING: 30,
        BackupKind.POST_CLEARING: 30,
        BackupKind.ON_DEMAND: 30,
        BackupKind.SYSTEM: 0,
    },
    keep_newest=2,
    record_years=5,
)


def _make(
    database: Database, storage: Storage, kind: BackupKind, clock: Any, ages: list[int]
) -> list[Backup]:
    """Backups of these ages in days, the oldest first."""
    now = clock.now
    made = []
    for index, days in enumerate(ages):
        clock.move(days=-days)
        content = service.Content(kind, f"{kind}-{index}-{days}", ())
        made.append(service.create(database, storage, content, actor=SYSTEM.actor, clock=clock))
        clock.now = now
    return made


def _prune(
    database: Database, storage: Storage, clock: Clock, rules: Retention = RULES, **more: Any
) -> list[UUID]:
    gone = service.prune(database, storage, rules, actor=SYSTEM.actor, clock=clock, **more)
    return [one.backup_id for one in gone if not one.problem]


def _states(database: Database, made: list[Backup]) -> list[BackupState]:
    with database.reading() as session:
        return [queries.get(session, one.id).state for one in made]


def test_old_ones_go_from_every_target(
    database: Database, local: Storage, tmp_path: Path, clock: Any, actions: Any
) -> None:
    second = LocalTarget("second", tmp_path / "second")
    both = replace(local, targets=(local.first, second))
    made = _make(database, both, BackupKind.ON_DEMAND, clock, [100, 40, 31, 29, 1])
    assert _prune(database, both, clock) == [one.id for one in made[:3]]
    assert _states(database, made) == [BackupState.DELETED] * 3 + [BackupState.VERIFIED] * 2
    for one in made[:3]:
        assert not local.first.exists(one.path)
        assert not second.exists(one.path)
    for one in made[3:]:
        assert local.first.exists(one.path)
    assert actions(database).count("backup.deleted") == 3
    with database.reading() as session:
        gone = queries.get(session, made[0].id)
        assert gone.deleted_at == clock()
        copies = queries.copies(session, [gone.id])[gone.id]
        assert {copy.state for copy in copies} == {CopyState.DELETED}
    assert _prune(database, both, clock) == []


def test_the_newest_stay_however_old(database: Database, local: Storage, clock: Any) -> None:
    made = _make(database, local, BackupKind.POST_CLEARING, clock, [900, 800, 700])
    assert _prune(database, local, clock) == [made[0].id]


def test_zero_days_keep_for_ever(database: Database, local: Storage, clock: Any) -> None:
    _make(database, local, BackupKind.SYSTEM, clock, [9000, 8000, 7000])
    assert _prune(database, local, clock) == []


def test_backups_before_a_clearing_stay_as_long_as_the_law_wants(
    database: Database, local: Storage, clock: Any
) -> None:
    ages = [6 * 366, 5 * 366 + 1, 4 * 365, 40, 2, 1]
    made = _make(database, local, BackupKind.PRE_CLEARING, clock, ages)
    assert _prune(database, local, clock) == [one.id for one in made[:2]]


@pytest.fixture
def protect() -> Iterator[set[UUID]]:
    """Backups some record still needs."""
    needed: set[UUID] = set()

    def protection(_: Any, ids: Any, since: datetime) -> set[UUID]:
        assert since == datetime(2021, 12, 9, 2, 0, tzinfo=UTC)
        return needed & set(ids)

    before = list(retention.protections)
    retention.protections.fill([protection])
    yield needed
    retention.protections.fill(before)


def test_what_a_young_record_needs_stays(
    database: Database, local: Storage, clock: Any, protect: set[UUID]
) -> None:
    """The record was written five years ago less a day, its backup shortly before that."""
    made = _make(database, local, BackupKind.PRE_CLEARING, clock, [3000, 2900, 2, 1])
    protect.add(made[0].id)
    assert _prune(database, local, clock) == [made[1].id]


def test_dry_run_only_tells(database: Database, local: Storage, clock: Any) -> None:
    made = _make(database, local, BackupKind.ON_DEMAND, clock, [100, 90, 1])
    assert _prune(database, local, clock, dry_run=True) == [made[0].id]
    assert local.first.exists(made[0].path)
    assert _states(database, made) == [BackupState.VERIFIED] * 3


class _Stubborn(LocalTarget):
    def delete(self, path: str) -> None:
        raise PermissionError(13, "Permission denied")


def test_what_cannot_be_deleted_is_not_called_deleted(
    database: Database, local: Storage, tmp_path: Path, clock: Any, actions: Any
) -> None:
    stubborn = _Stubborn("worm", tmp_path / "worm")
    both = replace(local, targets=(local.first, stubborn))
    made = _make(database, both, BackupKind.ON_DEMAND, clock, [100, 2, 1])
    gone = service.prune(database, both, RULES, actor=SYSTEM.actor, clock=clock)
    assert "worm" in gone[0].problem
    assert _states(database, made)[0] is BackupState.VERIFIED
    assert "backup.deleted" not in actions(database)
    assert service.preview(database, both, made[0].id).target == "worm"


def test_what_a_killed_process_left_goes(database: Database, local: Storage, clock: Any) -> None:
    (made,) = _make(database, local, BackupKind.ON_DEMAND, clock, [1])
    root = local.first.root  # type: ignore[attr-defined]
    old = [local.spool / "x.sealed", root / "2026-12" / "a.zip.0123456789ab.part"]
    new, foreign = local.spool / "y.zip", root / "2026-12" / "film.part"
    for path in (*old, new, foreign):
        path.write_bytes(b"")
        os.utime(path, (clock().timestamp() - 100_000,) * 2)
    os.utime(new, (clock().timestamp() - 60,) * 2)
    assert _prune(database, local, clock, dry_run=True) == []
    assert all(path.exists() for path in old)
    assert _prune(database, local, clock) == []
    assert not any(path.exists() for path in old)
    assert new.exists()
    assert foreign.exists()
    assert local.first.exists(made.path)


def test_rules_come_from_the_settings(tmp_path: Path) -> None:
    rules = service.retention_of(Settings(data_dir=tmp_path))
    assert rules.keep_days[BackupKind.SYSTEM] == 90
    assert (rules.keep_newest, rules.record_years) == (10, 5)
    some = service.retention_of(Settings(data_dir=tmp_path, backup_keep_days=" system = 7 ; "))
    assert some.keep_days[BackupKind.SYSTEM] == 7
    assert some.keep_days[BackupKind.ON_DEMAND] == 0


@pytest.mark.parametrize("text", ["system", "system=x", "weekly=3", "system=-1"])
def test_nonsense_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BackupSettingsInvalid):
        service.retention_of(Settings(data_dir=tmp_path, backup_keep_days=text))


def test_years_before_a_leap_day() -> None:
    assert years_before(datetime(2028, 2, 29, tzinfo=UTC), 5) == datetime(2023, 2, 28, tzinfo=UTC)
    assert years_before(datetime(2026, 12, 9, tzinfo=UTC), 5) == datetime(2021, 12, 9, tzinfo=UTC)
