"""The list of operators as a file: exactly what is filtered (/clearing/export)."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query
from starlette.responses import StreamingResponse

from app.accounts.deps import Reader
from app.core.forms import blank_is_none
from app.core.routing import Router
from app.core.tabular import TableFormat, disposition
from app.core.web import ClockDep, DatabaseDep
from app.operators.queries import OperatorFilter
from app.operators.states import ClearingState
from app.records import export as records_export
from app.records.export import Export

router = Router()


@router.get("/clearing/export")
def export_operators(
    database: DatabaseDep,
    principal: Reader,
    clock: ClockDep,
    q: Annotated[str, Query(max_length=100)] = "",
    state: Annotated[ClearingState | None, Query(), blank_is_none] = None,
    enterprise_id: Annotated[UUID | None, Query(), blank_is_none] = None,
    wanted_format: Annotated[Literal["xlsx", "csv"], Query(alias="format")] = "xlsx",
) -> StreamingResponse:
    """The operators in use of the same filters as the list, as Excel or CSV."""
    kind = TableFormat(wanted_format)
    wanted = OperatorFilter(q, state, enterprise_id, active=True)
    chunks = records_export.export_operators(database, wanted, Export(kind, principal, clock))
    headers = disposition("operators", "操作员", kind)
    return StreamingResponse(chunks, media_type=kind.media_type, headers=headers)
