"""The filters of clearing records as they stand in an address: the same for list, page and export."""

from datetime import date, datetime, time, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query

from app.clearing.queries import RecordFilter
from app.clearing.states import Result
from app.contracts.periods import Period
from app.core.clock import SHANGHAI
from app.core.forms import blank_is_none
from app.core.schemas import SearchText

_FIRST, _LAST = date(1970, 1, 2), date(9999, 12, 29)

Day = Annotated[date | None, blank_is_none]


def _record_filter(
    period: Annotated[Period | None, Query(), blank_is_none] = None,
    operator_id: Annotated[UUID | None, Query(), blank_is_none] = None,
    device_id: Annotated[UUID | None, Query(), blank_is_none] = None,
    result: Annotated[Result | None, Query(), blank_is_none] = None,
    q: SearchText = None,
    first: Annotated[Day, Query(alias="from", description="first day, Asia/Shanghai")] = None,
    last: Annotated[Day, Query(alias="to", description="last day, Asia/Shanghai")] = None,
) -> RecordFilter:
    """`q` is the beginning of a device number or part of an operator's name, or a code."""
    text = (q or "").replace("\x00", " ").strip()
    return RecordFilter(
        period, operator_id, device_id, result, text, _midnight(first), _midnight(last, days=1)
    )


RecordFilterDep = Annotated[RecordFilter, Depends(_record_filter)]


def texts(wanted: RecordFilter) -> dict[str, str]:
    """The filters as the parameters of an address that asks for the same; empty ones left out."""
    values = {
        "q": wanted.q,
        "period": wanted.period,
        "result": wanted.result,
        "operator_id": wanted.operator_id,
        "device_id": wanted.device_id,
        "from": _day(wanted.first),
        "to": _day(wanted.last, days=-1),
    }
    return {name: str(value) for name, value in values.items() if value}


def _midnight(day: date | None, days: int = 0) -> datetime | None:
    """The beginning of the day; days no record can be of are drawn to the edge of what can be stored."""
    if day is None:
        return None
    near = min(max(day, _FIRST), _LAST) + timedelta(days=days)
    return datetime.combine(near, time.min, SHANGHAI)


def _day(moment: datetime | None, days: int = 0) -> date | None:
    return None if moment is None else moment.date() + timedelta(days=days)
