"""`qingka import invoices`: take a ledger file into the ledger from a shell."""

from pathlib import Path
from typing import Annotated

import typer

from app.accounts.principal import at_the_shell
from app.contracts.devices import InvoiceType
from app.core.clock import utc_now
from app.core.installation import opened
from app.errors import QingkaError
from app.invoices.importing import service
from app.invoices.importing.columns import Column
from app.invoices.importing.rows import Defaults
from app.invoices.importing.service import Report, Source

app = typer.Typer(help="导入其他软件的数据", no_args_is_help=True)

EXIT_REFUSED_FILE = 1
EXIT_REFUSED_ROWS = 3


@app.callback()
def _import() -> None:
    """导入其他软件的数据。"""


@app.command()
def invoices(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Excel 或 CSV 文件")],
    device: Annotated[str, typer.Option(help="文件没有设备编号列时用的设备编号")] = "",
    kind: Annotated[
        InvoiceType | None, typer.Option("--type", help="文件没有发票类型列时用的类型代码")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(help="字段=表头，例如 number=票号；可重复"),
    ] = None,
    assume_uploaded: Annotated[
        bool, typer.Option("--assume-uploaded", help="没有上传标志的发票按已上传登记")
    ] = False,
) -> None:
    """导入发票台账；退出码：0 全部接受，1 文件不被接受，3 有行未接受。"""
    source = Source(
        file, file.name, Defaults(device, kind, assume_uploaded), _mapping(column or [])
    )
    try:
        with opened() as database:
            report = service.import_file(database, source, principal=at_the_shell(), clock=utc_now)
    except QingkaError as error:
        typer.echo(f"{error.code}: {error.detail}", err=True)
        for message in error.errors.values():
            typer.echo(f"  {message}", err=True)
        typer.echo(f"  → {error.remedy}", err=True)
        raise typer.Exit(EXIT_REFUSED_FILE) from error
    _tell(report)


def _mapping(pairs: list[str]) -> dict[Column, str]:
    try:
        split = [pair.split("=", 1) for pair in pairs]
        return {Column(name): words for name, words in split}
    except ValueError as error:
        raise typer.BadParameter(f"应为 字段=表头，字段为 {'、'.join(Column)}") from error


def _tell(report: Report) -> None:
    for row in report.rows:
        typer.echo(f"第 {row.line} 行：{row.message}", err=True)
    more = report.refused - len(report.rows)
    if more:
        typer.echo(f"另有 {more} 行未接受", err=True)
    typer.echo(
        f"写入 {report.accepted} 行，没有变化 {report.unchanged} 行，未接受 {report.refused} 行"
    )
    if report.refused:
        raise typer.Exit(EXIT_REFUSED_ROWS)
