"""A process that was paused while another took its work over changes nothing any more."""

import asyncio
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from sqlmodel import select

from app.accounts.principal import SYSTEM
from app.backups import service as backups_service
from app.backups.models import Backup, BackupKind
from app.clearing import queries
from app.clearing.models import ClearingEvent, ClearingRequest
from app.clearing.states import Stage, StageState
from app.core.db import Session
from app.devices.connections import AgentClients
from app.requests.run import stage_backup, stage_init
from app.requests.run.context import Attempt, Context, Superseded
from app.requests.run.execution import claim
from app.requests.service import progress

if TYPE_CHECKING:
    from tests.office import Office


@pytest.fixture
def running(any_office: "Office") -> UUID:
    request_id = any_office.submit(any_office.operator())
    any_office.execute(request_id)
    return request_id


@pytest.fixture
def context(any_office: "Office") -> Context:
    agents = AgentClients(any_office.database, any_office.settings)
    return Context(any_office.database, any_office.settings, any_office.clock, agents)


def _note(session: Session, request: ClearingRequest) -> None:
    progress.note(session, request, "还在这里", request.updated_at)


def _events(context: Context) -> int:
    with context.database.reading() as session:
        return len(session.exec(select(ClearingEvent)).all())


def _claimed(context: Context, request_id: UUID, owner: str) -> Attempt:
    execution = claim(context, request_id, 1, owner, holds=lambda: True)
    return Attempt(context, request_id, 1, execution)


def test_after_a_takeover_the_earlier_execution_writes_nothing(
    context: Context, running: UUID
) -> None:
    paused = _claimed(context, running, "one")
    paused.write_now(_note)
    successor = _claimed(context, running, "two")
    before = _events(context)
    with pytest.raises(Superseded):
        paused.write_now(_note)
    assert _events(context) == before
    successor.write_now(_note)
    assert _events(context) == before + 1


def test_the_claim_begins_the_first_stage_and_a_takeover_does_not_begin_it_again(
    context: Context, running: UUID
) -> None:
    before = _events(context)
    begin = partial(stage_init.begin_first, at=context.clock())
    for owner in ("one", "two"):
        claim(context, running, 1, owner, holds=lambda: True, begin=begin)
        with context.database.reading() as session:
            first = queries.stages(session, running)[0]
        assert (first.name, first.state) == (Stage.INIT, StageState.RUNNING)
        assert _events(context) == before + 1


def test_an_initial_stage_that_ended_is_not_run_again(context: Context, running: UUID) -> None:
    """The process died between its end and the engine's note of it: the next stage was begun already."""
    attempt = _claimed(context, running, "one")

    def end(session: Session, request: ClearingRequest) -> None:
        progress.end_stage(session, request, Stage.INIT, "检查通过", request.updated_at)
        stage_backup.begin(session, request, request.updated_at)

    attempt.write_now(end)
    before = _events(context)
    asyncio.run(stage_init.run(_claimed(context, running, "two")))
    assert _events(context) == before


def test_the_same_process_taking_its_work_up_again_is_another_execution(
    context: Context, running: UUID
) -> None:
    earlier = _claimed(context, running, "one")
    _claimed(context, running, "one").write_now(_note)
    with pytest.raises(Superseded):
        earlier.write_now(_note)


def test_who_has_not_the_work_by_the_engines_books_claims_nothing(
    context: Context, running: UUID
) -> None:
    with pytest.raises(Superseded):
        claim(context, running, 1, "one", holds=lambda: False)


def test_a_process_paused_in_the_middle_of_claiming_does_not_take_the_request_back(
    context: Context, running: UUID
) -> None:
    answers = iter((True, False))

    def holds() -> bool:
        answer = next(answers)
        if answer:  # what follows happens while this process is paused
            _claimed(context, running, "two")
        return answer

    with pytest.raises(Superseded):
        claim(context, running, 1, "one", holds=holds)


def test_a_backup_made_after_a_takeover_is_not_registered_and_leaves_no_file(
    any_office: "Office", context: Context, running: UUID
) -> None:
    paused = _claimed(context, running, "one")
    storage = backups_service.storage_of(any_office.settings)

    def back_up(attempt: Attempt) -> Backup:
        content = backups_service.Content(BackupKind.PRE_CLEARING, "QK-1-before", ())
        return backups_service.create(
            context.database,
            storage,
            content,
            actor=SYSTEM.actor,
            clock=context.clock,
            fence=attempt.hold,
        )

    made = back_up(_claimed(context, running, "two"))
    with pytest.raises(Superseded):
        back_up(paused)
    with context.database.reading() as session:
        assert [one.id for one in session.exec(select(Backup))] == [made.id]
    root = any_office.settings.resolved_backup_dir
    assert [str(one.relative_to(root)) for one in root.rglob("*.zip")] == [made.path]
