"""Who owns the database alters, deletes or slips in what proves something: it is found, and named."""

import pytest

from app.accounts.principal import SYSTEM
from app.audit.verification import Problem
from app.clearing.evidence import APPROVED_COLUMNS, GUARDS, WORKING_COLUMNS
from app.clearing.models import ClearingRequest
from app.core.guards import Guard, faults
from app.devices.models import Device
from app.proof.service import prove
from app.requests.service import handover
from tests.proof.conftest import Owner, Proven


def _codes(proven: Proven) -> list[str]:
    return [finding.code for finding in prove(proven.database, proven.settings).findings]


def test_what_was_done_properly_is_proven_and_says_how_far(proven: Proven) -> None:
    proof = prove(proven.database, proven.settings)
    assert proof.ok, proof.sentence
    rows = {part.kind.name: part.rows for part in proof.compared}
    assert rows == {"clearing_record": 2, "clearing_request": 2, "reconciliation_difference": 1}
    assert "没有库外检查点" in proof.sentence
    assert "审计链完整" not in proof.sentence


def test_a_request_that_runs_on_another_day_or_is_handed_over_stays_proven(
    proven: Proven,
) -> None:
    later = proven.office.submit(proven.office.operator())
    proven.clock.move(days=1)
    proven.office.execute(later)
    waiting = proven.office.operator()
    proven.office.submit(waiting)
    other = proven.office.operator(machines=())
    with proven.database.transaction() as session:
        device = session.get_one(Device, waiting.device_ids[0])
        handover.move_requests_of_device(
            session, device, other.operator_id, principal=SYSTEM, at=proven.clock()
        )
    proof = prove(proven.database, proven.settings)
    assert proof.ok, proof.sentence


ALTERATIONS = [
    ("clearing_records", "executed_by_name = '别人'"),
    ("clearing_records", "lock_date_after = '2027-01-15'"),
    ("clearing_records", "amount = amount + 100000"),
    ("clearing_records", "simulated = NOT simulated"),
    ("clearing_records", "approved_by = NULL"),
    ("clearing_records", "next_lock_date = '2027-01-15'"),
    ("clearing_requests", "requested_by = 'nobody'"),
    ("clearing_requests", "reviewed_by = 'nobody', reviewed_by_name = '别人'"),
    ("clearing_requests", "review_comment = '驳回'"),
    ("clearing_requests", "period = '2026-09'"),
    ("clearing_requests", "reason = '别的'"),
    ("clearing_requests", "exceptional = NOT exceptional"),
    ("reconciliation_differences", "reason = '别的'"),
    ("reconciliation_differences", "handled_by_name = '别人'"),
    ("reconciliation_differences", "handling = 'corrected'"),
    ("reconciliation_differences", "state = 'open', handling = NULL, handled_at = NULL"),
]


@pytest.mark.parametrize(("table", "change"), ALTERATIONS)
def test_an_altered_record_approval_or_decision_is_found(
    proven: Proven, as_owner: Owner, table: str, change: str
) -> None:
    as_owner(proven.database, f"UPDATE {table} SET {change}")
    assert set(_codes(proven)) == {"evidence.altered"}


def test_the_altered_row_is_named_with_its_request_and_record(
    proven: Proven, as_owner: Owner
) -> None:
    as_owner(
        proven.database,
        f"UPDATE clearing_requests SET reviewed_by = 'x' WHERE id = '{_key(proven)}'",
    )
    proof = prove(proven.database, proven.settings)
    assert str(proven.rejected) in proof.sentence
    assert "QK202611-000002" in proof.sentence
    assert "被改动" in proof.sentence


def _key(proven: Proven) -> str:
    return proven.rejected.hex if proven.database.is_sqlite else str(proven.rejected)


def test_another_device_under_an_approved_request_is_found(proven: Proven, as_owner: Owner) -> None:
    as_owner(proven.database, "DELETE FROM clearing_targets WHERE position = 1")
    assert _codes(proven) == ["evidence.altered"]


def test_a_deleted_record_is_found(proven: Proven, as_owner: Owner) -> None:
    as_owner(
        proven.database,
        "DELETE FROM clearing_records",
    )
    assert _codes(proven) == ["evidence.deleted"] * 2


def test_a_deleted_decision_is_found(proven: Proven, as_owner: Owner) -> None:
    as_owner(proven.database, "DELETE FROM reconciliation_differences")
    assert _codes(proven) == ["evidence.deleted"]


def test_a_record_slipped_in_is_found(proven: Proven, as_owner: Owner) -> None:
    with proven.database.transaction() as session:
        subject = proven.office.operator()
        proven.office.add_record(session, subject.device_ids[0], vouched=False)
    codes = _codes(proven)
    assert codes == ["evidence.inserted", "evidence.inserted"]  # the record, and a request for it


def test_a_deletion_and_an_insertion_do_not_hide_each_other(
    proven: Proven, as_owner: Owner
) -> None:
    as_owner(proven.database, "UPDATE reconciliation_differences SET id = " + _other_id(proven))
    assert sorted(_codes(proven)) == ["evidence.deleted", "evidence.inserted"]


def _other_id(proven: Proven) -> str:
    return (
        "'"
        + ("0" * 32 if proven.database.is_sqlite else "0" * 8 + "-0000" * 3 + "-" + "0" * 12)
        + "'"
    )


def test_values_no_program_of_ours_writes_are_found(proven_file: Proven, as_owner: Owner) -> None:
    as_owner(proven_file.database, "UPDATE clearing_records SET lock_date_after = 'never'")
    assert _codes(proven_file) == ["evidence.altered"] * 2
    as_owner(
        proven_file.database,
        "UPDATE clearing_records SET mode = 'regular', id = 'none' WHERE attempt = 1 AND rowid = 1",
    )
    assert "evidence.inserted" in _codes(proven_file)


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.table)
def test_triggers_that_are_off_gone_replaced_or_added_are_found(
    proven: Proven, guard: Guard
) -> None:
    table = guard.table
    database = proven.database
    for statements, what in _sabotages(table, sqlite=database.is_sqlite):
        with database.engine.connect() as connection, connection.begin() as transaction:
            for statement in statements:
                connection.exec_driver_sql(statement)
            from app.core.db import Session

            with Session(connection) as session:
                found = faults(session, GUARDS)
            transaction.rollback()
        assert (table, what) in {(one.table, one.what) for one in found}, statements
    with database.snapshot() as session:
        assert faults(session, GUARDS) == []


def _sabotages(table: str, *, sqlite: bool) -> list[tuple[list[str], str]]:
    if sqlite:
        drop = f"DROP TRIGGER {table}_no_update"
        return [
            ([drop], "missing"),
            (
                [
                    drop,
                    f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} BEGIN SELECT 1; END",
                ],
                "altered",
            ),
            (
                [f"CREATE TRIGGER other AFTER INSERT ON {table} BEGIN SELECT 1; END"],
                "foreign",
            ),
        ]
    name = f"{table}_append_only"
    return [
        ([f"DROP TRIGGER {name} ON {table}"], "missing"),
        ([f"ALTER TABLE {table} DISABLE TRIGGER {name}"], "altered"),
        ([f"ALTER TABLE {table} ENABLE TRIGGER {name}"], "altered"),
        (
            [
                "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
                "'BEGIN RETURN NULL; END'"
            ],
            "altered",
        ),
        (
            [
                "CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
                f"CREATE TRIGGER other BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION other()",
            ],
            "foreign",
        ),
    ]


def test_dropped_triggers_fail_the_proof(proven_file: Proven) -> None:
    with proven_file.database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER clearing_records_no_update")
    assert _codes(proven_file) == ["guard.missing"]


def test_the_problem_of_the_chain_is_among_the_findings(
    proven_file: Proven, as_owner: Owner
) -> None:
    as_owner(proven_file.database, "UPDATE audit_records SET ip = 'x' WHERE seq = 5")
    proof = prove(proven_file.database, proven_file.settings)
    assert proof.chain.problem is Problem.RECORD
    assert _codes(proven_file) == ["chain.record"]


def test_every_column_of_a_request_is_either_evidence_or_work() -> None:
    """Who adds a column decides: what is decided on is in the chain, how far a request is changes freely."""
    columns = {column.name for column in ClearingRequest.__table__.columns}  # type: ignore[attr-defined]
    assert set(APPROVED_COLUMNS) | set(WORKING_COLUMNS) == columns
    assert not set(APPROVED_COLUMNS) & set(WORKING_COLUMNS)
