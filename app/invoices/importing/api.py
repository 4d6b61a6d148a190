"""REST API: POST /invoices/import."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated
from uuid import UUID

from fastapi import Form, UploadFile
from pydantic import BaseModel, ConfigDict

from app.accounts.deps import DevicesWriter
from app.accounts.principal import Principal
from app.contracts.devices import InvoiceType
from app.core.db import Database
from app.core.forms import blank_is_none
from app.core.routing import Router
from app.core.web import ClockDep, DatabaseDep, Keep
from app.devices import queries as devices_queries
from app.errors import Invalid, NotFound
from app.invoices.importing import service
from app.invoices.importing.columns import Column
from app.invoices.importing.rows import Defaults
from app.invoices.importing.service import Source

router = Router(prefix="/invoices", tags=["发票"])

_EXAMPLE = '{"number": "票号", "issued_at": "开票日"}'


class RefusedRowPublic(BaseModel):
    """A row that was not taken."""

    model_config = ConfigDict(from_attributes=True)

    line: int
    message: str


class ImportReport(BaseModel):
    """What became of the rows. `rows` are the refused ones, the first 1000 of them."""

    model_config = ConfigDict(from_attributes=True)

    accepted: int
    refused: int
    unchanged: int
    rows: list[RefusedRowPublic]


@router.post("/import")
def import_invoices(
    file: UploadFile,
    database: DatabaseDep,
    principal: DevicesWriter,
    clock: ClockDep,
    keep_answer: Keep,
    device_id: Annotated[UUID | None, Form(), blank_is_none] = None,
    invoice_type: Annotated[InvoiceType | None, Form(), blank_is_none] = None,
    assume_uploaded: Annotated[bool, Form()] = False,
    mapping: Annotated[
        str,
        Form(max_length=5000, description=f"JSON: field → header of its column, e.g. {_EXAMPLE}"),
    ] = "",
) -> ImportReport:
    """Take a ledger file (.xlsx, .xls, CSV) into the ledger.

    Columns are recognised by their headers; `mapping` names others. `device_id` and `invoice_type`
    stand in for columns the file does not have. 422 `import.file_refused` or `import.columns_unknown`
    changes nothing.
    """
    defaults = Defaults(
        _device_number(database, device_id, principal), invoice_type, assume_uploaded
    )
    with _spooled(file.file) as path:
        source = Source(path, (file.filename or "")[:200], defaults, _mapping(mapping))
        report = service.import_file(
            database,
            source,
            principal=principal,
            clock=clock,
            finishing=lambda session, done: keep_answer(session, ImportReport.model_validate(done)),
        )
    return ImportReport.model_validate(report)


@contextmanager
def _spooled(file: IO[bytes]) -> Iterator[Path]:
    """The upload as a file with a path, removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="qingka-import-") as folder:
        path = Path(folder) / "file"
        with path.open("wb") as kept:
            shutil.copyfileobj(file, kept, 1 << 20)
        yield path


def _device_number(database: Database, device_id: UUID | None, principal: Principal) -> str:
    if device_id is None:
        return ""
    with database.reading() as session:
        try:
            return devices_queries.visible(session, device_id, principal).number
        except NotFound as error:
            raise Invalid(errors={"device_id": "没有这台设备"}) from error


def _mapping(text: str) -> dict[Column, str]:
    if not text.strip():
        return {}
    try:
        values = json.loads(text)
        return {Column(name): _words(words) for name, words in values.items()}
    except (ValueError, AttributeError, RecursionError) as error:
        message = f"应为 JSON 对象，字段为 {'、'.join(Column)}"
        raise Invalid(errors={"mapping": message}) from error


def _words(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("a header is text")
    return value
