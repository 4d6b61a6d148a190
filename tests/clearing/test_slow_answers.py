"""A device or a bureau that gives no answer in time is asked again before a clearing fails."""

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from sqlmodel import select

from app.clearing import facts, queries
from app.clearing.looking import Look, Read, Space
from app.clearing.models import ClearingEvent
from app.clearing.states import RequestState
from app.clearing.workflow import stage_init
from app.clearing.workflow.context import Attempt, Context
from app.devices.connections import AgentClients
from tests.clearing.conftest import reading_of

if TYPE_CHECKING:
    from tests.clearing.conftest import Office


@pytest.mark.parametrize(
    ("silent", "asked", "reachable"), [(0, 1, True), (2, 3, True), (9, 3, False)]
)
def test_a_bureau_without_an_answer_is_asked_again_and_the_log_says_so(
    office: "Office", monkeypatch: pytest.MonkeyPatch, silent: int, asked: int, reachable: bool
) -> None:
    monkeypatch.setattr(stage_init, "RETRY_PAUSES", (0.0,))
    request_id = office.submit(office.operator())
    office.execute(request_id)
    looks = 0

    async def look(*_: Any, **__: Any) -> Look:
        nonlocal looks
        looks += 1
        reads = {
            one.device_id: Read(reading_of(one.number, bureau_reachable=looks > silent))
            for one in subject.devices
        }
        return Look(reads, {}, Space(1 << 40), ("", ""))

    monkeypatch.setattr(stage_init, "look", look)
    context = Context(
        office.database,
        office.settings,
        office.clock,
        AgentClients(office.database, office.settings),
    )
    with office.database.reading() as session:
        subject = facts.subject_of_request(session, request_id)
    found = asyncio.run(stage_init._look(Attempt(context, request_id, 1), subject))
    (read,) = found.devices.values()
    assert read.reading is not None
    assert (looks, read.reading.bureau_reachable) == (asked, reachable)
    with office.database.reading() as session:
        told = [
            one.text for one in session.exec(select(ClearingEvent)) if "没有及时应答" in one.text
        ]
    assert len(told) == asked - 1


def test_a_request_whose_outcome_is_being_found_out_has_its_place(office: "Office") -> None:
    request_id = office.submit(office.operator())
    office.execute(request_id)
    for finished, places in ((None, 1), (office.clock(), 0)):
        with office.database.transaction() as session:
            request = queries.request(session, request_id)
            request.state, request.finished_at = RequestState.NEEDS_ATTENTION, finished
            session.add(request)
        with office.database.reading() as session:
            assert queries.count_running(session) == places
