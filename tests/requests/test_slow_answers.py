"""A device or a bureau that gives no answer in time is asked again before a clearing fails."""

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from sqlmodel import select

from app.clearing import queries
from app.clearing.models import ClearingEvent
from app.clearing.states import RequestState, TargetState
from app.contracts import faults
from app.contracts.devices import Statistics
from app.devices.agent_errors import AgentFault
from app.devices.connections import AgentClients
from app.prechecks import subject as facts
from app.prechecks.readings import Look, Read, Space, fault_of
from app.requests.run import repeated_readings, stage_backup, stage_done, stage_init
from app.requests.run.context import Attempt, Context, StageFailed
from tests.office import NEXT_LOCK_DATE, reading_of

if TYPE_CHECKING:
    from tests.office import Office


@pytest.mark.parametrize(
    ("silent", "asked", "reachable"), [(0, 1, True), (2, 3, True), (9, 3, False)]
)
def test_a_bureau_without_an_answer_is_asked_again_and_the_log_says_so(
    office: "Office", monkeypatch: pytest.MonkeyPatch, silent: int, asked: int, reachable: bool
) -> None:
    monkeypatch.setattr(repeated_readings, "RETRY_PAUSES", (0.0,))
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


@pytest.mark.parametrize("code", ["device.timeout", "agent.unreachable"])
@pytest.mark.parametrize(("silent", "asked"), [(0, 1), (2, 3), (9, 3)])
def test_reading_back_after_a_clear_is_asked_again_before_the_word_of_the_clear_counts(
    office: "Office", monkeypatch: pytest.MonkeyPatch, code: str, silent: int, asked: int
) -> None:
    attempt = _attempt(office, monkeypatch)
    with office.database.transaction() as session:
        for target in queries.targets(session, attempt.request_id):
            target.state = TargetState.CLEARED
            session.add(target)
    looks = 0

    async def read(_: Any, subject: facts.Subject, **__: Any) -> dict[UUID, Read]:
        nonlocal looks
        looks += 1
        fault = fault_of(AgentFault(faults.fault(code))) if looks <= silent else None
        return {
            one.device_id: Read(
                None if fault else reading_of(one.number, monitor={"lock_date": NEXT_LOCK_DATE}),
                fault=fault,
            )
            for one in subject.devices
        }

    monkeypatch.setattr(stage_done, "read_devices", read)
    asyncio.run(stage_done.run(attempt))
    assert looks == asked
    assert len(_told(office, "没有及时应答")) == asked - 1
    assert len(_told(office, "以清卡时的读数为准")) == (1 if silent > asked else 0)


@pytest.mark.parametrize(
    ("code", "silent", "asked", "made"),
    [
        ("device.timeout", 2, 3, True),
        ("agent.unreachable", 2, 3, True),
        ("device.timeout", 9, 3, False),
        ("device.not_found", 1, 1, False),
    ],
)
def test_statistics_for_the_backup_are_asked_for_again_unless_it_would_not_help(
    office: "Office",
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    silent: int,
    asked: int,
    made: bool,
) -> None:
    attempt = _attempt(office, monkeypatch)
    asks = 0

    async def client_of(*_: Any) -> object:
        return object()

    async def statistics_of(*_: Any) -> tuple[list[Statistics] | None, None]:
        nonlocal asks
        asks += 1
        if asks <= silent:
            raise AgentFault(faults.fault(code))
        return [], None

    monkeypatch.setattr(AgentClients, "of", client_of)
    monkeypatch.setattr(stage_backup, "statistics_of", statistics_of)
    if made:
        asyncio.run(stage_backup.run(attempt))
    else:
        with pytest.raises(StageFailed) as caught:
            asyncio.run(stage_backup.run(attempt))
        assert caught.value.failure.code == code
    assert asks == asked
    assert len(_told(office, "没有及时应答")) == asked - 1


def _attempt(office: "Office", monkeypatch: pytest.MonkeyPatch) -> Attempt:
    """The first attempt at a new request of one device, with no pauses."""
    monkeypatch.setattr(repeated_readings, "RETRY_PAUSES", (0.0,))
    request_id = office.submit(office.operator())
    office.execute(request_id)
    agents = AgentClients(office.database, office.settings)
    return Attempt(Context(office.database, office.settings, office.clock, agents), request_id, 1)


def _told(office: "Office", text: str) -> list[str]:
    with office.database.reading() as session:
        return [one.text for one in session.exec(select(ClearingEvent)) if text in one.text]


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
