"""How an attempt ends: what is written, that it is written once, and that records stay as they are."""

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError
from sqlmodel import select

from app.accounts.principal import SYSTEM
from app.audit.actions import AuditAction
from app.audit.models import AuditRecord
from app.clearing import errors, queries
from app.clearing.models import ClearedType, ClearingEvent, ClearingRecord, ClearingRequest
from app.clearing.outcomes import Failure
from app.clearing.states import RequestState, Result, Stage, StageState, TargetState
from app.core.db import Database, Session
from app.devices.connections import AgentClients
from app.operators.models import Attention, Operator
from app.requests.run import stage_done
from app.requests.run.context import Attempt, Context, Superseded
from app.requests.service import control, outcome
from app.requests.service.recording import Evidence

if TYPE_CHECKING:
    from tests.office import Office

FAILURE = Failure("bureau.not_filed", "税务端未申报", "先完成申报", "-101", "未申报")


def _succeed(office: "Office") -> Callable[[Session, ClearingRequest], object]:
    return lambda session, request: outcome.succeed(
        session, request, stage_done.evidence_of(session, request), clock=office.clock
    )


def _fail(
    office: "Office", evidence: dict[UUID, Evidence] | None = None
) -> Callable[[Session, ClearingRequest], object]:
    return lambda session, request: outcome.fail(
        session, request, FAILURE, evidence or {}, clock=office.clock
    )


@pytest.fixture
def running(any_office: "Office") -> UUID:
    """A request whose devices show that they are cleared, about to be written down."""
    request_id = any_office.submit(any_office.operator(machines=(0, 1)))
    any_office.execute(request_id)
    any_office.clear_on_device(request_id)
    return request_id


def test_a_success_is_written_down_once(any_office: "Office", running: UUID) -> None:
    any_office.change(running, _succeed(any_office))
    with any_office.database.reading() as session:
        request = queries.request(session, running)
        assert (request.state, request.progress) == (RequestState.SUCCEEDED, 100)
        records = queries.records_of(session, [running])[running]
        assert [record.result for record in records] == [Result.SUCCEEDED] * 2
        assert {record.lock_date_after for record in records} == {date(2026, 12, 15)}
        assert {record.lock_date_before for record in records} == {date(2026, 11, 16)}
        assert not any(target.open for target in queries.targets(session, running))
        assert len(session.exec(select(ClearedType)).all()) == 4
        operator = session.get_one(Operator, request.operator_id)
        assert operator.attention is Attention.NONE
        assert operator.last_cleared_at == any_office.clock()
    before = _written(any_office.database)
    with pytest.raises(errors.RequestState):
        any_office.change(running, _succeed(any_office))
    assert _written(any_office.database) == before


def test_a_failure_is_written_down_once(any_office: "Office") -> None:
    request_id = any_office.submit(any_office.operator(machines=(0, 1)))
    any_office.execute(request_id)
    any_office.change(request_id, _fail(any_office))
    with any_office.database.reading() as session:
        request = queries.request(session, request_id)
        assert request.state is RequestState.FAILED
        assert (request.error_code, request.error_remedy) == ("bureau.not_filed", "先完成申报")
        records = queries.records_of(session, [request_id])[request_id]
        assert [record.error_code for record in records] == ["bureau.not_filed"] * 2
        assert not session.exec(select(ClearedType)).all()
        states = {stage.name: stage.state for stage in queries.stages(session, request_id)}
        assert states[Stage.INIT] is StageState.FAILED
    before = _written(any_office.database)
    with pytest.raises(errors.RequestState):
        any_office.change(request_id, _fail(any_office))
    assert _written(any_office.database) == before


def test_a_device_that_was_cleared_keeps_its_success(any_office: "Office", running: UUID) -> None:
    """Of two devices one is cleared: it has a record of success, and a retry leaves it alone."""

    def break_off(session: Session, request: ClearingRequest) -> None:
        targets = queries.targets(session, request.id)
        targets[1].state = TargetState.RUNNING
        session.flush()
        evidence = stage_done.evidence_of(session, request)
        outcome.fail(session, request, FAILURE, evidence, clock=any_office.clock)

    any_office.change(running, break_off)
    any_office.change(
        running,
        lambda session, request: control.retry(
            session, request, principal=SYSTEM, clock=any_office.clock
        ),
    )
    any_office.change(running, _clear_the_rest)
    any_office.change(running, _succeed(any_office))
    with any_office.database.reading() as session:
        first, second = (target.device_id for target in queries.targets(session, running))
        records = queries.records_of(session, [running])[running]
        found = sorted((record.attempt, record.device_id, record.result) for record in records)
        assert found == sorted(
            [
                (1, first, Result.SUCCEEDED),
                (1, second, Result.FAILED),
                (2, second, Result.SUCCEEDED),
            ]
        )


def _clear_the_rest(session: Session, request: ClearingRequest) -> None:
    done, left = queries.targets(session, request.id)
    assert done.state is TargetState.SUCCEEDED
    left.state, left.types = TargetState.CLEARED, done.types


def test_attention_is_said_once_and_taken_back_once(any_office: "Office", running: UUID) -> None:
    def attention(session: Session, request: ClearingRequest) -> None:
        outcome.need_attention(session, request, FAILURE, clock=any_office.clock)

    def resume(session: Session, request: ClearingRequest) -> None:
        outcome.resume(session, request, clock=any_office.clock)

    any_office.change(running, attention)
    before = _written(any_office.database)
    any_office.change(running, attention)
    assert _written(any_office.database) == before
    assert any_office.state(running) is RequestState.NEEDS_ATTENTION
    with any_office.database.reading() as session:
        assert all(target.open for target in queries.targets(session, running))
    any_office.change(running, resume)
    before = _written(any_office.database)
    any_office.change(running, resume)
    assert _written(any_office.database) == before
    with any_office.database.reading() as session:
        assert queries.request(session, running).error_code is None


def test_giving_up_keeps_the_devices_and_says_unknown(any_office: "Office", running: UUID) -> None:
    def give_up(session: Session, request: ClearingRequest) -> None:
        target = queries.targets(session, request.id)[0]
        outcome.give_up(session, request, FAILURE, target, clock=any_office.clock)

    any_office.change(running, give_up)
    with any_office.database.reading() as session:
        records = queries.records_of(session, [running])[running]
        assert [record.result for record in records] == [Result.UNKNOWN]
        assert all(target.open for target in queries.targets(session, running))
    assert any_office.state(running) is RequestState.NEEDS_ATTENTION


def test_an_attempt_that_was_overtaken_writes_nothing(any_office: "Office", running: UUID) -> None:
    context = Context(
        any_office.database,
        any_office.settings,
        any_office.clock,
        AgentClients(any_office.database, any_office.settings),
    )

    def succeed(session: Session, request: ClearingRequest) -> None:
        _succeed(any_office)(session, request)

    before = _written(any_office.database)
    with pytest.raises(Superseded):
        Attempt(context, running, 2).write_now(succeed)
    assert _written(any_office.database) == before
    Attempt(context, running, 1).write_now(succeed)
    before = _written(any_office.database)
    with pytest.raises(Superseded):
        Attempt(context, running, 1).write_now(succeed)
    assert _written(any_office.database) == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE clearing_records SET result = 'failed'",
        "UPDATE clearing_records SET executed_by_name = executed_by_name",
        "DELETE FROM clearing_records",
    ],
)
def test_a_record_cannot_be_changed(any_office: "Office", running: UUID, statement: str) -> None:
    any_office.change(running, _succeed(any_office))
    before = _written(any_office.database)
    with pytest.raises(DatabaseError, match="append-only"):
        _run(any_office.database, statement)
    assert _written(any_office.database) == before


def test_a_record_cannot_be_replaced(office: "Office") -> None:
    subject = office.operator()
    with office.database.transaction() as session:
        office.add_record(session, subject.device_ids[0])
    before = _written(office.database)
    with pytest.raises(DatabaseError, match="append-only"):
        _run(
            office.database,
            "INSERT OR REPLACE INTO clearing_records SELECT * FROM clearing_records",
        )
    assert _written(office.database) == before


def test_a_type_is_cleared_once_for_a_period(any_office: "Office", running: UUID) -> None:
    any_office.change(running, _succeed(any_office))
    with pytest.raises(DatabaseError):
        _run(
            any_office.database,
            "INSERT INTO clearing_cleared_types SELECT * FROM clearing_cleared_types",
        )


def _run(database: Database, statement: str) -> None:
    with database.transaction() as session:
        session.connection().execute(sa.text(statement))


def _written(database: Database) -> list[Any]:
    """Everything an outcome writes, to compare."""
    with database.reading() as session:
        records = session.exec(select(ClearingRecord).order_by(sa.text("id"))).all()
        return [
            [record.model_dump() for record in records],
            len(session.exec(select(ClearedType)).all()),
            len(session.exec(select(ClearingEvent)).all()),
            len(session.exec(select(AuditRecord)).all()),
        ]


def test_every_end_is_audited(any_office: "Office", running: UUID) -> None:
    any_office.change(running, _succeed(any_office))
    with any_office.database.reading() as session:
        found = session.exec(
            select(AuditRecord).where(AuditRecord.action == AuditAction.CLEARING_SUCCEEDED)
        ).one()
        assert found.object_id == str(running)
