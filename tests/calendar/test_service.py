"""Deadlines with overrides, on both databases."""

from datetime import UTC, date, datetime
from uuid import uuid4

import pytest
from sqlmodel import col, select

from app.audit.actor import Actor, ActorKind
from app.audit.models import AuditRecord
from app.audit.queries import details_of
from app.calendar import service
from app.calendar.models import CalendarOverride
from app.calendar.rules import Source
from app.contracts.periods import Period
from app.core.db import Database, Session

AT = datetime(2024, 2, 1, 2, 0, tzinfo=UTC)
ADMIN = Actor(ActorKind.ACCOUNT, "1", "admin", "127.0.0.1")
FEBRUARY = Period("2024-02")


def _set(session: Session, deadline: date, *, region: str = "") -> CalendarOverride:
    return service.set_override(
        session,
        month=FEBRUARY,
        region=region,
        deadline=deadline,
        notice=f"沪税函〔2024〕{deadline.day}号",
        actor=ADMIN,
        at=AT,
    )


def test_the_longest_fitting_region_wins(any_database: Database) -> None:
    with any_database.transaction() as session:
        _set(session, date(2024, 2, 26))
        _set(session, date(2024, 2, 28), region="131")
        _set(session, date(2024, 3, 1), region="13101")
    with any_database.reading() as session:

        def found(region: str) -> tuple[int, str]:
            deadline = service.deadline_for(session, FEBRUARY, region=region)
            assert deadline.source is Source.OVERRIDE
            return deadline.deadline.day, deadline.notice

        assert found("") == found("14400000000") == (26, "沪税函〔2024〕26号")
        assert found("13100000000") == (28, "沪税函〔2024〕28号")
        assert found("13101150000") == (1, "沪税函〔2024〕1号")
        assert service.deadline_for(session, Period("2024-03")).source is Source.PUBLISHED


def test_a_regional_override_is_nobody_elses(database: Database) -> None:
    with database.transaction() as session:
        _set(session, date(2024, 2, 28), region="131")
        assert service.deadline_for(session, FEBRUARY).source is Source.PUBLISHED
        assert service.deadline_for(session, FEBRUARY, region="1").source is Source.PUBLISHED


def test_setting_again_replaces_and_removing_goes_back(any_database: Database) -> None:
    with any_database.transaction() as session:
        first = _set(session, date(2024, 2, 26)).id
    with any_database.transaction() as session:
        assert _set(session, date(2024, 2, 27)).id == first
        assert service.deadline_for(session, FEBRUARY).deadline == date(2024, 2, 27)
    with any_database.transaction() as session:
        service.remove_override(session, override_id=first, actor=ADMIN, at=AT)
        assert service.deadline_for(session, FEBRUARY).deadline == date(2024, 2, 23)
    with any_database.reading() as session:
        records = session.exec(select(AuditRecord).order_by(col(AuditRecord.seq))).all()
    told = [(r.action, details_of(r)["before"], details_of(r)["deadline"]) for r in records]
    assert told == [
        ("calendar.overridden", "2024-02-23", "2024-02-26"),
        ("calendar.overridden", "2024-02-26", "2024-02-27"),
        ("calendar.override_removed", "2024-02-27", "2024-02-23"),
    ]
    assert {r.actor_name for r in records} == {"admin"}


@pytest.mark.parametrize("deadline", [date(2024, 1, 31), date(2024, 5, 4), date(2042, 2, 23)])
def test_slips_of_the_pen_are_refused(database: Database, deadline: date) -> None:
    with database.transaction() as session, pytest.raises(service.DeadlineOutOfRange):
        _set(session, deadline)


def test_removing_what_is_not_there(database: Database) -> None:
    with database.transaction() as session, pytest.raises(service.OverrideNotFound):
        service.remove_override(session, override_id=uuid4(), actor=ADMIN, at=AT)


def test_a_year_has_twelve_months(database: Database) -> None:
    with database.transaction() as session:
        _set(session, date(2024, 2, 26))
        year = service.deadlines_of_year(session, 2024)
        last_year = service.deadlines_of_year(session, 2099)
    assert [deadline.month for deadline in year] == [f"2024-{n:02d}" for n in range(1, 13)]
    sources = [deadline.source for deadline in year]
    assert sources == [Source.PUBLISHED, Source.OVERRIDE, *[Source.PUBLISHED] * 10]
    assert last_year[-1].month == "2099-12"


def test_months_across_years(database: Database) -> None:
    with database.reading() as session:
        found = service.deadlines_between(session, Period("2023-11"), Period("2024-02"))
    assert [deadline.month for deadline in found] == ["2023-11", "2023-12", "2024-01", "2024-02"]


@pytest.mark.parametrize(("day", "left"), [(1, 22), (23, 0), (29, -6)])
def test_countdown(database: Database, day: int, left: int) -> None:
    with database.reading() as session:
        counted = service.countdown(session, today=date(2024, 2, day))
    assert (counted.deadline.deadline, counted.days_left) == (date(2024, 2, 23), left)
