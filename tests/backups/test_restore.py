"""Restore brings back exactly what a backup holds, and nothing else."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

from app.accounts.principal import SYSTEM
from app.backups import service
from app.backups.models import Backup, BackupCopy, BackupKind, BackupState, CopyState
from app.backups.service.restore import Preview
from app.backups.storage import Storage
from app.core.clock import Clock
from app.core.db import Database
from app.core.ids import new_id
from app.devices.models import Device
from app.invoices.models import Invoice
from app.operators.models import Attention, Operator

Ledger = Callable[[Database], dict[str, dict[str, Any]]]


def _restore(database: Database, storage: Storage, backup: Backup, clock: Clock) -> Preview:
    return service.restore(database, storage, backup.id, actor=SYSTEM.actor, clock=clock)


def _counts(plan: Preview) -> tuple[int, int, int, int, int]:
    one = plan.devices[0]
    return one.returning, one.changing, one.drafts_returning, one.unchanged, one.conflicts


def test_brings_back_every_column_on_every_place(
    any_database: Database,
    storage: Storage,
    populate: Any,
    back_up: Any,
    clear: Any,
    ledger: Ledger,
    clock: Clock,
    actions: Any,
) -> None:
    subject = populate(any_database)
    before = ledger(any_database)
    backup = back_up(any_database, storage, subject)
    clear(any_database, subject)
    assert ledger(any_database) != before
    plan = service.preview(any_database, storage, backup.id)
    assert _counts(plan) == (0, 6, 2, 0, 0)
    assert ledger(any_database) != before
    done = _restore(any_database, storage, backup, clock)
    assert ledger(any_database) == before
    assert done.writes == 8
    assert actions(any_database)[-1] == "backup.restored"
    again = _restore(any_database, storage, backup, clock)
    assert (again.writes, again.total) == (0, 8)
    assert ledger(any_database) == before


def test_brings_back_what_was_lost_and_leaves_others_alone(
    any_database: Database,
    local: Storage,
    populate: Any,
    back_up: Any,
    ledger: Ledger,
    clock: Clock,
) -> None:
    subject, other = populate(any_database), populate(any_database)
    before = ledger(any_database)
    backup = back_up(any_database, local, subject)
    with any_database.transaction() as session:
        mine = select(Invoice).where(Invoice.device_id == subject.device_id)
        for invoice in session.exec(mine.limit(3)):
            session.delete(invoice)
        for invoice in session.exec(select(Invoice).where(Invoice.device_id == other.device_id)):
            invoice.buyer_name = "后来改过"
    changed = {
        key: row for key, row in ledger(any_database).items() if row["buyer_name"] == "后来改过"
    }
    plan = service.preview(any_database, local, backup.id)
    assert plan.devices[0].returning + plan.devices[0].drafts_returning == 3
    _restore(any_database, local, backup, clock)
    after = ledger(any_database)
    assert {key: row for key, row in after.items() if key in changed} == changed
    assert {k: v for k, v in after.items() if k not in changed} == {
        k: v for k, v in before.items() if k not in changed
    }


def test_an_invoice_written_after_the_backup_stays(
    database: Database, local: Storage, populate: Any, back_up: Any, ledger: Ledger, clock: Clock
) -> None:
    subject = populate(database)
    backup = back_up(database, local, subject)
    with database.transaction() as session:
        first = session.exec(select(Invoice).where(sa.not_(col(Invoice.draft)))).first()
        assert first is not None
        values = {name: getattr(first, name) for name in Invoice.model_fields}
        later = Invoice(**values | {"id": new_id(), "number": "99999999"})
        session.add(later)
        later_id = str(later.id)
    _restore(database, local, backup, clock)
    assert later_id in ledger(database)


def test_an_invoice_read_anew_from_the_device_becomes_the_old_one(
    any_database: Database,
    local: Storage,
    populate: Any,
    back_up: Any,
    ledger: Ledger,
    clock: Clock,
) -> None:
    subject = populate(any_database, drafts=0)
    before = ledger(any_database)
    backup = back_up(any_database, local, subject)
    with any_database.transaction() as session:
        for invoice in session.exec(select(Invoice)).all():
            values = {name: getattr(invoice, name) for name in Invoice.model_fields}
            session.delete(invoice)
            session.flush()
            session.add(Invoice(**values | {"id": new_id(), "uploaded": True}))
    plan = service.preview(any_database, local, backup.id)
    assert _counts(plan) == (0, 6, 0, 0, 0)
    assert "id" in plan.rows[0].fields
    _restore(any_database, local, backup, clock)
    assert ledger(any_database) == before


def test_a_draft_issued_since_is_a_conflict_and_stays(
    database: Database, local: Storage, populate: Any, back_up: Any, ledger: Ledger, clock: Clock
) -> None:
    subject = populate(database, drafts=1)
    backup = back_up(database, local, subject)
    with database.transaction() as session:
        draft = session.exec(select(Invoice).where(Invoice.draft)).one()
        draft.draft, draft.number, draft.code = False, "00777777", "032001900104"
        issued = str(draft.id)
    plan = service.preview(database, local, backup.id)
    assert _counts(plan) == (0, 0, 0, 6, 1)
    assert [row.reason for row in plan.rows] == ["备份中的草稿已开具为正式发票，保持现状"]
    _restore(database, local, backup, clock)
    assert ledger(database)[issued]["number"] == "00777777"


def test_only_what_the_backup_holds_returns(
    database: Database, local: Storage, populate: Any, clear: Any, ledger: Ledger, clock: Clock
) -> None:
    """A partial backup, as before a partial clearing: one type, no drafts."""
    subject = populate(database)
    backup = service.create(
        database,
        local,
        _partial_content(subject, "007"),
        actor=SYSTEM.actor,
        clock=clock,
    )
    before = ledger(database)
    clear(database, subject)
    cleared = ledger(database)
    _restore(database, local, backup, clock)
    for key, row in ledger(database).items():
        assert row == (before if row["invoice_type"] == "007" else cleared)[key]
    assert not any(row["draft"] for row in ledger(database).values())


def _partial_content(subject: Any, kind: str) -> service.Content:
    from app.backups.ledger import device_rows, invoice_table

    def rows(session: Any) -> Any:
        found = device_rows(session, subject.device_id, None)
        return (row for row in found if row["invoice_type"] == kind and not row["draft"])

    return service.Content(
        kind=BackupKind.PRE_CLEARING,
        name="QK202612-000001-1-before",
        tables=(invoice_table(subject.number, rows),),
        enterprise_id=subject.enterprise_id,
        operator_id=subject.operator_id,
        period="2026-11",
    )


def test_nothing_is_restored_while_the_operator_is_being_cleared(
    database: Database,
    local: Storage,
    populate: Any,
    back_up: Any,
    clear: Any,
    ledger: Ledger,
    clock: Clock,
) -> None:
    subject = populate(database)
    backup = back_up(database, local, subject)
    clear(database, subject)
    cleared = ledger(database)
    with database.transaction() as session:
        session.get_one(Operator, subject.operator_id).attention = Attention.RUNNING
    assert service.preview(database, local, backup.id).blockers
    with pytest.raises(service.RestoreBlocked, match="正在清卡"):
        _restore(database, local, backup, clock)
    assert ledger(database) == cleared


def test_nothing_is_restored_into_another_enterprise(
    database: Database, local: Storage, populate: Any, back_up: Any, ledger: Ledger, clock: Clock
) -> None:
    subject, other = populate(database), populate(database)
    backup = back_up(database, local, subject)
    with database.transaction() as session:
        session.get_one(Device, subject.device_id).enterprise_id = other.enterprise_id
    before = ledger(database)
    with pytest.raises(service.RestoreBlocked, match="已移交给其他企业"):
        _restore(database, local, backup, clock)
    assert ledger(database) == before


def _flip(storage: Storage, backup: Backup, place: int) -> None:
    path = storage.first.root / backup.path  # type: ignore[attr-defined]
    data = bytearray(path.read_bytes())
    data[place] ^= 0x10
    path.write_bytes(data)


@pytest.mark.parametrize("place", [0, 40, 200, -1])
def test_a_flipped_byte_is_refused_with_nothing_touched(
    database: Database,
    local: Storage,
    populate: Any,
    back_up: Any,
    clear: Any,
    ledger: Ledger,
    clock: Clock,
    place: int,
) -> None:
    subject = populate(database)
    backup = back_up(database, local, subject)
    clear(database, subject)
    cleared = ledger(database)
    _flip(local, backup, place)
    with pytest.raises(service.BackupDamaged):
        _restore(database, local, backup, clock)
    assert ledger(database) == cleared
    checked = service.verify(database, local, backup.id, actor=SYSTEM.actor, clock=clock)
    assert checked.state is BackupState.DAMAGED


def test_a_missing_file_is_said(
    database: Database, local: Storage, populate: Any, back_up: Any, clock: Clock
) -> None:
    backup = back_up(database, local, populate(database))
    local.first.delete(backup.path)
    with pytest.raises(service.BackupMissing):
        service.preview(database, local, backup.id)


def test_a_half_written_archive_is_refused(
    database: Database, local: Storage, populate: Any, back_up: Any, clock: Clock
) -> None:
    backup = back_up(database, local, populate(database))
    path = local.first.root / backup.path  # type: ignore[attr-defined]
    path.write_bytes(path.read_bytes()[: backup.size // 2])
    with pytest.raises(service.BackupDamaged):
        _restore(database, local, backup, clock)


def test_two_restores_at_once_write_once(
    any_database: Database,
    local: Storage,
    populate: Any,
    back_up: Any,
    clear: Any,
    ledger: Ledger,
    clock: Clock,
) -> None:
    subject = populate(any_database)
    before = ledger(any_database)
    backup = back_up(any_database, local, subject)
    clear(any_database, subject)
    written: list[int] = []

    def run() -> None:
        written.append(_restore(any_database, local, backup, clock).writes)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(written) == [0, 0, 8]
    assert ledger(any_database) == before


def test_many_invoices_return_batch_by_batch(
    database: Database,
    local: Storage,
    populate: Any,
    back_up: Any,
    clear: Any,
    ledger: Ledger,
    clock: Clock,
) -> None:
    subject = populate(database, invoices=1201, drafts=3)
    before = ledger(database)
    backup = back_up(database, local, subject)
    clear(database, subject)
    plan = service.preview(database, local, backup.id)
    assert _counts(plan) == (0, 1201, 3, 0, 0)
    assert len(plan.rows) == 100
    _restore(database, local, backup, clock)
    assert ledger(database) == before


def test_a_deleted_backup_is_not_restored(
    database: Database, local: Storage, populate: Any, back_up: Any, clock: Any
) -> None:
    backup = back_up(database, local, populate(database))
    with database.transaction() as session:
        session.get_one(Backup, backup.id).state = BackupState.DELETED
        for copy in session.exec(select(BackupCopy)):
            copy.state = CopyState.DELETED
    with pytest.raises(service.BackupDeleted):
        _restore(database, local, backup, clock)


def test_a_failure_in_the_middle_leaves_nothing(
    database: Database,
    local: Storage,
    populate: Any,
    back_up: Any,
    clear: Any,
    ledger: Ledger,
) -> None:
    subject = populate(database)
    backup = back_up(database, local, subject)
    clear(database, subject)
    cleared = ledger(database)

    class Broken(Exception):
        pass

    def no_time() -> Any:
        raise Broken

    with pytest.raises(Broken):
        _restore(database, local, backup, no_time)
    assert ledger(database) == cleared
