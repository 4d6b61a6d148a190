"""Server-sent events of a request: from 待审核 to its end, resumable, for as long as one may look."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.accounts import presence
from app.accounts import service as accounts_service
from app.accounts.models import Account
from app.accounts.principal import SYSTEM, Permission, Principal, Role
from app.accounts.service import AccountDraft
from app.accounts.service.sessions import authenticate_session
from app.clearing.models import ClearingRequest
from app.clearing.outcomes import Failure
from app.clearing.states import RequestState
from app.core import sse
from app.core.db import Session
from app.core.ids import new_id
from app.requests import live
from app.requests.service import outcome, progress, review

if TYPE_CHECKING:
    from tests.office import Office

Person = Callable[..., Principal]
Act = Callable[[], Any]


@dataclass
class Event:
    """One event as it was sent."""

    name: str
    data: dict[str, Any]
    id: str


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(live, "WAITING_SECONDS", 0.02)
    monkeypatch.setattr(live, "MAX_SECONDS", 3.0)
    monkeypatch.setattr(live, "ASK_SECONDS", 0.1)


def _events(text: str) -> list[Event]:
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "event" in fields:
            found.append(Event(fields["event"], json.loads(fields["data"]), fields["id"]))
    return found


def _followed(
    office: "Office",
    request_id: UUID,
    *acts: Act,
    after: str = "",
    again: presence.Again = lambda: SYSTEM,
) -> list[Event]:
    """All that is sent; each act happens once the follower has seen what was before."""

    async def take() -> str:
        text, left = "", list(acts)
        position = live.Position.parse(after) if after else None
        stream = live.follow(office.database, request_id, office.clock, again=again, after=position)
        async with asyncio.timeout(20):
            async for line in stream:
                text += line
                if left and "event: state" in line:
                    await asyncio.to_thread(left.pop(0))
        return text

    return _events(asyncio.run(take()))


def _approve(office: "Office", request_id: UUID, reviewer: Principal) -> Act:
    def change(session: Session, request: ClearingRequest) -> None:
        review.approve(
            session,
            request,
            principal=reviewer,
            comment="同意",
            settings=office.settings,
            clock=office.clock,
        )

    return lambda: office.change(request_id, change)


def _fail(office: "Office", request_id: UUID) -> Act:
    failure = Failure("bureau.not_filed", "税务端未申报", "先完成申报")

    def change(session: Session, request: ClearingRequest) -> None:
        outcome.fail(session, request, failure, {}, clock=office.clock)

    return lambda: office.change(request_id, change)


def test_a_stream_goes_on_from_the_review_to_the_end_and_says_end_once(
    office: "Office", person: Person
) -> None:
    request_id = office.submit(office.operator(), principal=person(Role.OPERATOR))
    events = _followed(
        office,
        request_id,
        _approve(office, request_id, person(Role.REVIEWER)),
        lambda: office.execute(request_id),
        _fail(office, request_id),
    )
    states = [(one.data["state"], one.data["final"]) for one in events if one.name == "state"]
    assert states == [
        ("submitted", False),
        ("scheduled", False),
        ("running", False),
        ("failed", True),
    ]
    assert [one.name for one in events].count("end") == 1
    end = events[-1]
    assert (end.name, end.data["state"]) == ("end", "failed")
    assert end.data["error"]["code"] == "bureau.not_filed"


@pytest.mark.parametrize("state", [RequestState.CANCELLED, RequestState.REJECTED])
def test_a_request_given_up_before_it_ran_ends_its_stream(
    office: "Office", person: Person, state: RequestState
) -> None:
    request_id = office.submit(office.operator(), principal=person(Role.OPERATOR))
    events = _followed(office, request_id, lambda: office.put(request_id, state))
    assert (events[-1].name, events[-1].data["state"]) == ("end", state)


def test_an_unknown_outcome_is_said_and_the_stream_goes_on(
    office: "Office", person: Person
) -> None:
    request_id = office.submit(office.operator(), principal=person(Role.ADMIN))
    office.execute(request_id)

    def unknown() -> None:
        office.put(request_id, RequestState.NEEDS_ATTENTION)

    events = _followed(office, request_id, unknown, _fail(office, request_id))
    states = [(one.data["state"], one.data["final"]) for one in events if one.name == "state"]
    assert states == [("running", False), ("needs_attention", False), ("failed", True)]
    assert [one.name for one in events].count("end") == 1


def test_every_event_has_an_id_of_its_own_and_a_resumed_stream_misses_no_line(
    office: "Office", person: Person
) -> None:
    request_id = office.submit(office.operator(), principal=person(Role.ADMIN))
    office.execute(request_id)

    def say(text: str) -> Act:
        def change(session: Session, request: ClearingRequest) -> None:
            progress.note(session, request, text, office.clock())

        return lambda: office.change(request_id, change)

    say("一")()
    first = _followed(office, request_id, _fail(office, request_id), after="0")
    ids = [one.id for one in first]
    assert len(set(ids)) == len(ids)
    assert all(ids)
    told = [line["text"] for one in first if one.name == "progress" for line in one.data["lines"]]
    assert "一" in told
    cut = next(
        index for index, one in enumerate(first) if "一" in json.dumps(one.data, ensure_ascii=False)
    )
    again = _followed(office, request_id, after=first[cut].id)
    later = [line["text"] for one in again if one.name == "progress" for line in one.data["lines"]]
    assert told[-1] in later
    assert "一" not in later
    assert not {one.id for one in again} & set(ids[: cut + 1])


def test_the_stream_tells_how_long_to_wait_before_coming_back(
    office: "Office", person: Person
) -> None:
    request_id = office.submit(office.operator(), principal=person(Role.OPERATOR))

    async def first() -> str:
        stream = live.follow(office.database, request_id, office.clock, again=lambda: SYSTEM)
        return await anext(aiter(stream))

    assert asyncio.run(first()) == "retry: 2000\n\n"


def test_a_stream_that_says_nothing_shows_it_is_alive(
    office: "Office", person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "ALIVE_SECONDS", 0.1)
    monkeypatch.setattr(live, "MAX_SECONDS", 0.6)
    request_id = office.submit(office.operator(), principal=person(Role.OPERATOR))
    events = _followed(office, request_id)
    assert [one.name for one in events].count("alive") >= 2
    assert events[-1].id


@pytest.mark.parametrize(
    "later",
    [
        lambda who: None,
        lambda who: replace(who, enterprise_ids=frozenset({new_id()})),
    ],
    ids=["nobody signed in any more", "the right to see it lost"],
)
def test_a_stream_ends_without_an_end_when_nobody_may_look_any_more(
    office: "Office", person: Person, later: Callable[[Principal], Principal | None]
) -> None:
    who = person(Role.OPERATOR)
    request_id = office.submit(office.operator(), principal=who)
    events = _followed(office, request_id, again=lambda: later(who))
    assert "end" not in [one.name for one in events]
    whole = _followed(office, request_id, again=lambda: who)
    assert len(whole) == len(events), "the same stream, only longer"


def _address(request_id: UUID) -> str:
    return f"/api/v1/clearing-requests/{request_id}/events"


def test_who_was_told_the_end_gets_nothing_more(
    app: FastAPI, office: "Office", client: TestClient, person: Person
) -> None:
    app.state.principal = person(Role.OPERATOR)
    request_id = office.submit(office.operator(), principal=app.state.principal)
    office.put(request_id, RequestState.CANCELLED)
    told = _events(client.get(_address(request_id)).text)
    assert [one.name for one in told].count("end") == 1
    header = {"Last-Event-ID": told[-1].id}
    assert client.get(_address(request_id), headers=header).status_code == 204
    missed = {"Last-Event-ID": told[-2].id}
    assert "event: end" in client.get(_address(request_id), headers=missed).text
    assert client.get(_address(request_id), headers={"Last-Event-ID": "?"}).status_code == 422


def test_the_page_asks_for_the_same_events_when_it_has_no_stream(
    app: FastAPI, office: "Office", client: TestClient, person: Person
) -> None:
    app.state.principal = person(Role.AUDITOR)
    request_id = office.submit(office.operator(), principal=person(Role.OPERATOR))
    asked = client.get(f"/clearing/requests/{request_id}/now", params={"after": "0"}).json()
    names = [one["name"] for one in asked["events"]]
    assert names == ["stage"] * 4 + ["progress", "state"]
    office.put(request_id, RequestState.CANCELLED)
    later = client.get(f"/clearing/requests/{request_id}/now").json()["events"]
    assert later[-1]["name"] == "end"
    app.state.principal = person(Role.OPERATOR, enterprise_ids=frozenset())
    assert client.get(f"/clearing/requests/{request_id}/now").status_code == 404


def test_one_account_holds_a_bounded_number_of_streams() -> None:
    places = sse.Places(2)
    mine, other = new_id(), new_id()
    assert [places.take(mine) for _ in range(3)] == [True, True, False]
    assert places.take(other)
    places.give(mine)
    assert places.take(mine)


def test_a_stream_too_many_is_refused_and_the_place_of_one_that_ended_is_free(
    app: FastAPI, office: "Office", client: TestClient, person: Person
) -> None:
    app.state.principal = person(Role.OPERATOR)
    app.state.stream_places = sse.Places(1)
    request_id = office.submit(office.operator(), principal=app.state.principal)
    office.put(request_id, RequestState.CANCELLED)
    for _ in range(3):
        assert client.get(_address(request_id)).status_code == 200, "each gives its place back"
    assert app.state.stream_places.take(app.state.principal.id)
    refused = client.get(_address(request_id))
    assert (refused.status_code, refused.json()["code"]) == (429, "streams.too_many")
    assert refused.headers["Retry-After"] == "5"


@pytest.mark.parametrize("how", ["signed out", "idle", "limited"])
def test_who_asks_is_asked_for_again_and_asking_keeps_no_session_alive(
    office: "Office", how: str
) -> None:
    """The session as it is: signed out, idle for too long, or limited to nothing."""
    draft = AccountDraft(
        "wang", frozenset({Role.OPERATOR}), password="still there 1", must_change_password=False
    )
    with office.database.transaction() as session:
        account_id = accounts_service.create_account(
            session, draft, by=SYSTEM, settings=office.settings, clock=office.clock
        ).account.id
        token = accounts_service.open_session(
            session, account_id, settings=office.settings, at=office.clock(), ip=""
        ).token

    def who(*, note_use: bool = False) -> Principal | None:
        return authenticate_session(
            office.database,
            token,
            settings=office.settings,
            at=office.clock(),
            ip="",
            note_use=note_use,
        )

    found = who()
    assert found is not None
    assert found.can(Permission.READ)
    if how == "signed out":
        with office.database.transaction() as session:
            accounts_service.sign_out(session, found, at=office.clock())
    elif how == "idle":
        for _ in range(office.settings.session_idle_minutes):
            office.clock.move(minutes=1)
            last = who()
        assert last is None, "looking on is no use of the session"
        return
    else:
        with office.database.transaction() as session:
            session.get_one(Account, account_id).all_enterprises = False
        limited = who()
        assert limited is not None
        assert limited.enterprise_ids == frozenset()
        return
    assert who() is None
