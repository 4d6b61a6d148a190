"""系统设置 → 征期日历: the deadlines of a year, and those that a notice has moved (/settings/calendar)."""

from collections.abc import Sequence
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Form, Query, Request
from starlette.responses import HTMLResponse, Response

from app.accounts.deps import Admin, Reader
from app.accounts.principal import Permission, Principal
from app.calendar import queries, service
from app.calendar.contexts import CalendarPage, MonthRow, OverrideForm, OverrideRow
from app.calendar.models import CalendarOverride
from app.calendar.schemas import FIRST_YEAR, LAST_YEAR, OverrideCreate
from app.calendar.service import YearOutOfRange
from app.contracts.periods import Period
from app.core.clock import Clock, local_date
from app.core.db import Session
from app.core.forms import parse
from app.core.routing import Router
from app.core.templating import redirect, render
from app.core.web import ClockDep, DatabaseDep, Reading, Writing
from app.errors import QingkaError

BASE = "/settings/calendar"

router = Router(prefix=BASE, include_in_schema=False)

RegionText = Annotated[str, Query(max_length=11, pattern=r"^[0-9]*$")]


@router.get("")
def calendar_page(
    request: Request,
    session: Reading,
    principal: Reader,
    clock: ClockDep,
    year: Annotated[str, Query(max_length=10)] = "",
    region: RegionText = "",
    confirm: str = "",
) -> HTMLResponse:
    """A year (default: this one); ?confirm=1 shows the form for a notice."""
    asked = "create" if confirm == "1" else confirm
    this_year, error = local_date(clock()).year, ""
    try:
        shown = service.known_year(year) if year else this_year
    except YearOutOfRange as problem:
        shown, error = this_year, f"{problem.title}（{problem.code}）：{problem.remedy}"
    page = _page(session, principal, shown, region, asked=asked, year_error=error)
    return render(request, "calendar/year.html", page, status_code=422 if error else 200)


@router.post("/overrides")
def set_override(
    request: Request,
    principal: Admin,
    database: DatabaseDep,
    clock: ClockDep,
    month: Annotated[str, Form()] = "",
    region: Annotated[str, Form()] = "",
    deadline: Annotated[str, Form()] = "",
    notice: Annotated[str, Form()] = "",
) -> Response:
    """Move a deadline by a notice; an earlier one of the same month and region is replaced."""
    form = OverrideForm(month.strip()[:7], region.strip()[:20], deadline[:10], notice[:200])
    try:
        data = parse(
            OverrideCreate,
            {
                "month": form.month,
                "region": form.region,
                "deadline": form.deadline,
                "notice": form.notice,
            },
        )
        with database.transaction() as session:
            service.set_override(
                session,
                month=data.month,
                region=data.region,
                deadline=data.deadline,
                notice=data.notice,
                actor=principal.actor,
                at=clock(),
            )
    except QingkaError as error:
        errors = dict(error.errors) or {"form": f"{error.detail}。{error.remedy}"}
        with database.reading() as session:
            year = _year_of(form.month, clock)
            page = _page(session, principal, year, "", form=form, asked="create", errors=errors)
        return render(request, "calendar/year.html", page, status_code=error.status)
    return redirect(_href(int(data.month[:4])), flash=f"{data.month} 的申报期限已调整")


@router.post("/overrides/{override_id}/remove")
def remove_override(
    override_id: UUID, session: Writing, principal: Admin, clock: ClockDep
) -> Response:
    """Go back to the published deadline, or the one by rule."""
    removed = service.remove_override(
        session, override_id=override_id, actor=principal.actor, at=clock()
    )
    return redirect(_href(int(removed.month[:4])), flash=f"{removed.month} 的调整已移除")


def _year_of(month: str, clock: Clock) -> int:
    try:
        return service.known_year(month[:4])
    except YearOutOfRange:
        return local_date(clock()).year


def _href(year: int, region: str = "") -> str:
    return f"{BASE}?{urlencode({'year': year} | ({'region': region} if region else {}))}"


def _page(
    session: Session,
    principal: Principal,
    year: int,
    region: str,
    *,
    form: OverrideForm | None = None,
    asked: str = "",
    year_error: str = "",
    errors: dict[str, str] | None = None,
) -> CalendarPage:
    months = service.deadlines_of_year(session, year, region=region)
    overrides = queries.overrides_between(session, Period(f"{year}-01"), Period(f"{year}-12"))
    return CalendarPage(
        year=year,
        region=region,
        previous_href=_href(year - 1, region) if year > FIRST_YEAR else "",
        next_href=_href(year + 1, region) if year < LAST_YEAR else "",
        months=tuple(
            MonthRow(str(one.month), one.deadline, one.source.value, one.notice) for one in months
        ),
        overrides=_rows(overrides),
        form=form or OverrideForm(region=region),
        can_change=principal.can(Permission.ADMIN),
        asked=asked,
        year_error=year_error,
        errors=errors or {},
    )


def _rows(overrides: Sequence[CalendarOverride]) -> tuple[OverrideRow, ...]:
    return tuple(
        OverrideRow(
            str(one.id),
            one.month,
            one.region,
            one.deadline,
            one.notice,
            one.created_by,
            one.created_at,
        )
        for one in overrides
    )
