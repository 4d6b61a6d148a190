"""The one writer, on both databases."""

import hashlib
import threading
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from app.audit import service, tree
from app.audit.actions import AuditAction
from app.audit.actor import SYSTEM, Actor, ActorKind
from app.audit.canonical import GENESIS
from app.audit.checkpoint import Signer
from app.audit.export import canonical
from app.audit.models import AuditHead, AuditRecord
from app.audit.verification import verify
from app.core.db import Database, Session

AT = datetime(2026, 11, 2, 1, 30, 0, 250, tzinfo=UTC)


def _append(session: Session, name: str) -> AuditRecord:
    return service.record(
        session,
        actor=SYSTEM,
        action=AuditAction.SYSTEM_STARTED,
        object_type="system",
        object_id=name,
        at=AT,
    )


def test_records_are_numbered_and_chained(any_database: Database) -> None:
    with any_database.transaction() as session:
        _append(session, "a")
        _append(session, "b")
    with any_database.transaction() as session:
        returned = _append(session, "c")
    with any_database.reading() as session:
        rows = session.exec(select(AuditRecord).order_by(col(AuditRecord.seq))).all()
        head = session.exec(select(AuditHead)).one()
    assert [(row.seq, row.object_id) for row in rows] == [(1, "a"), (2, "b"), (3, "c")]
    previous = GENESIS
    for row in rows:
        assert row.prev_hash == previous
        previous = hashlib.sha256(bytes.fromhex(previous) + canonical(row)).hexdigest()
        assert row.hash == previous
    assert (head.seq, head.hash) == (3, previous)
    assert returned.model_dump() == rows[2].model_dump()
    assert rows[0].at == AT


def test_a_rolled_back_change_leaves_no_record_and_no_gap(any_database: Database) -> None:
    def fail() -> None:
        with any_database.transaction() as session:
            _append(session, "never")
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    with any_database.transaction() as session:
        assert _append(session, "first").seq == 1


def test_texts_are_cut_and_cleaned(any_database: Database) -> None:
    actor = Actor(ActorKind.ACCOUNT, "x" * 300, "名\x00\n" * 200, "1.2.3.4\r\n")
    with any_database.transaction() as session:
        service.record(
            session,
            actor=actor,
            action=AuditAction.ACCOUNT_SIGN_IN_FAILED,
            object_type="account",
            object_id="\ud800" + "y" * 300,
            at=AT,
            details={"name": "a\x00b"},
        )
    with any_database.reading() as session:
        row = session.exec(select(AuditRecord)).one()
        assert verify(session, signer=Signer(b"k" * 32)).ok
    assert (len(row.actor_id), len(row.actor_name), len(row.object_id)) == (64, 200, 100)
    assert row.actor_name.startswith("名\ufffd\ufffd名")
    assert row.ip == "1.2.3.4\ufffd\ufffd"
    assert row.details == '{"name":"a\\u0000b"}'


def test_many_writers_make_one_chain(any_database: Database, signer: Signer) -> None:
    def work(worker: int) -> None:
        for number in range(10):
            with any_database.transaction() as session:
                _append(session, f"{worker}-{number}")

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with any_database.reading() as session:
        result = verify(session, signer=signer)
        names = set(session.exec(select(col(AuditRecord.object_id))).all())
    assert (result.ok, result.checked) == (True, 60)
    assert len(names) == 60


REFUSED = [
    "UPDATE audit_records SET action = 'x' WHERE seq = 2",
    "UPDATE audit_records SET seq = 9 WHERE seq = 2",
    "DELETE FROM audit_records WHERE seq = 2",
    "DELETE FROM audit_records",
    "INSERT INTO audit_records SELECT 9, at, actor_kind, actor_id, actor_name, action, object_type,"
    " object_id, ip, details, version, algorithm, prev_hash, hash FROM audit_records WHERE seq = 2",
    "INSERT INTO audit_records SELECT 0, at, actor_kind, actor_id, actor_name, action, object_type,"
    " object_id, ip, details, version, algorithm, prev_hash, hash FROM audit_records WHERE seq = 2",
    "UPDATE audit_checkpoints SET size = 0",
    "DELETE FROM audit_checkpoints",
]
REFUSED_ON_SQLITE = [
    "REPLACE INTO audit_records SELECT * FROM audit_records WHERE seq = 2",
    "INSERT OR REPLACE INTO audit_records SELECT * FROM audit_records WHERE seq = 3",
    "INSERT OR IGNORE INTO audit_records SELECT * FROM audit_records WHERE seq = 2",
    "INSERT INTO audit_records SELECT * FROM audit_records WHERE seq = 2"
    " ON CONFLICT (seq) DO UPDATE SET action = 'x'",
    "UPDATE OR REPLACE audit_records SET seq = 1 WHERE seq = 2",
    "REPLACE INTO audit_checkpoints SELECT * FROM audit_checkpoints",
]
REFUSED_ON_POSTGRESQL = [
    "TRUNCATE audit_records",
    "TRUNCATE audit_checkpoints",
    "INSERT INTO audit_records SELECT * FROM audit_records WHERE seq = 2"
    " ON CONFLICT (seq) DO UPDATE SET action = 'x'",
    "SET LOCAL session_replication_role = replica; DELETE FROM audit_records",
]


def test_the_database_refuses_changes(
    any_database: Database, append: Callable[[Session, int], None], signer: Signer
) -> None:
    with any_database.transaction() as session:
        append(session, 3)
        tree.issue(session, signer, actor=SYSTEM, at=AT)
    own = REFUSED_ON_SQLITE if any_database.is_sqlite else REFUSED_ON_POSTGRESQL
    for statement in REFUSED + own:
        with pytest.raises(IntegrityError), any_database.transaction() as session:
            session.execute(sa.text(statement))
    with any_database.reading() as session:
        assert verify(session, signer=signer).checked == 4


def test_a_second_head_is_refused(any_database: Database) -> None:
    with pytest.raises(IntegrityError), any_database.transaction() as session:
        session.execute(sa.text("INSERT INTO audit_head VALUES (2, 0, '')"))


def test_a_missing_head_stops_the_writer(database: Database) -> None:
    with database.transaction() as session:
        session.execute(sa.text("DELETE FROM audit_head"))
        with pytest.raises(service.AuditHeadMissing):
            _append(session, "a")
