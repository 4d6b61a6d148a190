"""导入台账: upload a file, see how it is understood, choose columns, import, read the report (/invoices/import)."""

from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Form, Request, UploadFile
from starlette.responses import HTMLResponse, Response

from app.accounts.deps import DevicesWriter
from app.accounts.principal import Principal
from app.contracts.devices import InvoiceType
from app.core.db import Database
from app.core.routing import Router
from app.core.templating import redirect, render
from app.core.web import ClockDep, DatabaseDep, SettingsDep
from app.enterprises.pages import messages
from app.errors import Invalid, QingkaError
from app.invoices.contexts import ColumnChoice, ImportPage, ImportRow, ImportStartPage
from app.invoices.importing import service
from app.invoices.importing.columns import LABELS, REQUIRED, Column
from app.invoices.importing.errors import ColumnsUnknown, FileRefused
from app.invoices.importing.rows import Defaults
from app.invoices.importing.service import Preview, Source
from app.invoices.importing.uploads import Upload, Uploads

BASE = "/invoices/import"

router = Router(prefix=BASE)


def _uploads(settings: SettingsDep) -> Uploads:
    return Uploads(settings.data_dir)


UploadsDep = Annotated[Uploads, Depends(_uploads)]


class Choices:
    """The form of the mapping page as a browser sends it: `column_<field>` names a header."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.device_number = values.get("device_number", "").strip()[:40]
        self.invoice_type = values.get("invoice_type", "")
        self.assume_uploaded = values.get("assume_uploaded", "") == "1"
        self.mapping = {
            column: values[f"column_{column}"][:2000]
            for column in Column
            if f"column_{column}" in values
        }

    def source(self, upload: Upload) -> Source:
        """How the file is to be read. Raises Invalid for a type that does not exist."""
        try:
            kind = InvoiceType(self.invoice_type) if self.invoice_type else None
        except ValueError as error:
            raise Invalid(errors={"invoice_type": "请选择列表中的一项"}) from error
        defaults = Defaults(self.device_number, kind, self.assume_uploaded)
        return Source(upload.path, upload.name, defaults, self.mapping)


async def _choices(request: Request) -> Choices:
    form = await request.form()
    return Choices({name: value for name, value in form.items() if isinstance(value, str)})


@router.get("")
def start_page(request: Request, principal: DevicesWriter) -> HTMLResponse:
    """The form that takes a file."""
    return render(request, "invoices/import_start.html", ImportStartPage())


@router.post("")
def upload(
    request: Request,
    principal: DevicesWriter,
    uploads: UploadsDep,
    clock: ClockDep,
    file: Annotated[UploadFile | None, Form()] = None,
) -> Response:
    """Keep the file and go on to its columns."""
    try:
        if file is None or not file.filename:
            raise Invalid(errors={"file": "请选择文件"})
        upload_id = uploads.keep(file.file, file.filename, principal=principal, at=clock())
    except QingkaError as error:
        page = ImportStartPage(errors=messages(error))
        return render(request, "invoices/import_start.html", page, status_code=error.status)
    return redirect(f"{BASE}/{upload_id}")


@router.get("/{upload_id}")
def upload_page(
    upload_id: UUID,
    request: Request,
    principal: DevicesWriter,
    uploads: UploadsDep,
    database: DatabaseDep,
) -> HTMLResponse:
    """How the file is understood, with its first rows; after the import, the report."""
    found = uploads.get(upload_id, principal)
    if found.report is not None:
        return render(request, "invoices/import.html", _reported(found))
    return _mapping_page(request, database, found, Choices({}), principal)


@router.post("/{upload_id}")
def import_upload(
    upload_id: UUID,
    request: Request,
    principal: DevicesWriter,
    uploads: UploadsDep,
    database: DatabaseDep,
    clock: ClockDep,
    choices: Annotated[Choices, Depends(_choices)],
    action: Annotated[str, Form(max_length=20)] = "import",
) -> Response:
    """导入, or 预览 the first rows with other columns; what is missing is said beside its field."""
    found = uploads.get(upload_id, principal)
    if found.report is not None:
        return redirect(f"{BASE}/{upload_id}")
    if action == "preview":
        return _mapping_page(request, database, found, choices, principal)
    try:
        source = choices.source(found)
        report = service.import_file(database, source, principal=principal, clock=clock)
    except (ColumnsUnknown, Invalid) as error:
        return _mapping_page(request, database, found, choices, principal, error)
    uploads.finish(found, report)
    kind = "warn" if report.refused else "ok"
    return redirect(f"{BASE}/{upload_id}", flash="导入完成，已写入审计记录", kind=kind)


def _mapping_page(
    request: Request,
    database: Database,
    upload: Upload,
    choices: Choices,
    principal: Principal,
    error: QingkaError | None = None,
) -> HTMLResponse:
    """The page of the columns; a file that cannot be read at all is said to be so."""
    try:
        preview = service.preview(database, choices.source(upload), principal=principal)
    except FileRefused as refused:
        start = ImportStartPage(errors=messages(refused))
        return render(request, "invoices/import_start.html", start, status_code=refused.status)
    except (ColumnsUnknown, Invalid) as wrong:
        error = error or wrong
        source = Source(upload.path, upload.name)
        preview = service.preview(database, source, principal=principal)
    page = _understood(upload, preview, choices, messages(error) if error else {})
    status = 200 if error is None else error.status
    return render(request, "invoices/import.html", page, status_code=status)


def _understood(
    upload: Upload, preview: Preview, choices: Choices, errors: dict[str, str]
) -> ImportPage:
    words = preview.header.words
    found = preview.header.places
    return ImportPage(
        id=str(upload.id),
        name=upload.name,
        header_line=preview.header.line,
        headers=words,
        columns=tuple(
            ColumnChoice(
                column,
                LABELS[column],
                words[found[column]] if column in found else "",
                column in REQUIRED,
            )
            for column in Column
        ),
        preview=tuple(ImportRow(row.line, row.cells, row.message) for row in preview.rows),
        device_number=choices.device_number,
        invoice_type=choices.invoice_type,
        assume_uploaded=choices.assume_uploaded,
        errors=errors,
    )


def _reported(upload: Upload) -> ImportPage:
    report = upload.report
    assert report is not None  # noqa: S101  (asked for above)
    return ImportPage(
        id=str(upload.id),
        name=upload.name,
        done=True,
        accepted=report.accepted,
        refused=report.refused,
        unchanged=report.unchanged,
        refused_rows=tuple(ImportRow(row.line, (), row.message) for row in report.rows),
    )
