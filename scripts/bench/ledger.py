"""Figures of the ledger: import, back up, verify, lose and restore; time that is linear, memory that is bounded."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from pathlib import Path

from sqlmodel import select

from app.contracts.periods import Period
from app.core import migrate
from app.core.clock import local_date, utc_now
from app.core.db import Database
from app.devices.models import Device
from app.enterprises.models import Enterprise
from scripts.bench.memory import Run, measured
from scripts.bench.options import Options
from scripts.bench.seed import count_invoices, drop_invoices, seed_operators
from scripts.bench.table import Figure, at_most, below
from scripts.rig_daemon import plain_environment

LIMIT = 3600.0
SMALL_PART = 4
"""Time is compared with that for a quarter of the invoices."""

DEVICES = 20
HEADER = (
    "设备编号",
    "发票类型",
    "发票代码",
    "发票号码",
    "开票日期",
    "金额",
    "税额",
    "上传标志",
    "购方名称",
)


@dataclass(frozen=True, slots=True)
class _Ledger:
    """What each command took for a ledger of one size, and what a command takes that does nothing."""

    invoices: int
    runs: dict[str, Run]
    idle: Run

    def microseconds(self, name: str) -> float:
        """The time a row costs, without the start of the program."""
        return (self.runs[name].seconds - self.idle.seconds) / self.invoices * 1e6


def figures(options: Options, folder: Path) -> Iterator[Figure]:
    """The commands of the command line, on a ledger of the size asked for and on a quarter of it."""
    if "ledger" not in options.only:
        return
    few = _measure(folder / "ledger-few", options.invoices // SMALL_PART)
    many = _measure(folder / "ledger-many", options.invoices)
    for name, run in many.runs.items():
        what = f"ledger: {name} of {many.invoices:,} invoices"
        yield below(f"{what}, memory", run.own, unit="MB", most=250, resident=run.resident)
        yield at_most(
            f"{what}, time a row against {few.invoices:,}",
            many.microseconds(name),
            few.microseconds(name),
            unit="µs",
            most=1.25,
            seconds=run.seconds,
        )


def _measure(folder: Path, invoices: int) -> _Ledger:
    folder.mkdir()
    environment = plain_environment(QINGKA_DATA_DIR=str(folder), QINGKA_LOG_LEVEL="WARNING")
    database = Database(f"sqlite:///{folder / 'qingka.db'}")
    try:
        migrate.upgrade(database)
        seed_operators(database, DEVICES)
        idle = measured(["app.cli", "backup", "list"], environment, limit=LIMIT)
        return _Ledger(invoices, _run_all(folder, database, environment, invoices), idle)
    finally:
        database.dispose()


def _run_all(
    folder: Path, database: Database, environment: dict[str, str], invoices: int
) -> dict[str, Run]:
    with database.reading() as session:
        numbers = list(session.exec(select(Device.number)))
        tax_no = session.exec(select(Enterprise.tax_no)).one()
    file = folder / "ledger.csv"
    _write_csv(file, numbers, invoices)

    def qingka(*arguments: str) -> Run:
        return measured(["app.cli", *arguments], environment, limit=LIMIT)

    runs = {"import": qingka("import", "invoices", str(file))}
    _expect(database, invoices)
    runs["backup"] = qingka("backup", "create", "--enterprise", tax_no)
    backup_id = runs["backup"].output.split()[0]
    runs["verify"] = qingka("backup", "verify", backup_id)
    drop_invoices(database)
    runs["restore"] = qingka("backup", "restore", backup_id, "--yes")
    _expect(database, invoices)
    return runs


def _expect(database: Database, invoices: int) -> None:
    found = count_invoices(database)
    if found != invoices:
        raise RuntimeError(f"{found} invoices in the ledger instead of {invoices}")


def _write_csv(path: Path, numbers: list[str], invoices: int) -> None:
    """The ledger as other software exports it, spread over devices and the days of last month."""
    first = Period.of(local_date(utc_now())).plus(-1).first_day
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(islice(_rows(numbers, first), invoices))


def _rows(numbers: list[str], first: date) -> Iterator[tuple[str, ...]]:
    index = 0
    while True:
        day = first + timedelta(days=index % 28)
        net = 100 + index % 9_000
        yield (
            numbers[index % len(numbers)],
            "007",
            "3100000130",
            f"{index:08d}",
            day.isoformat(),
            f"{net}.00",
            f"{net * 13 / 100:.2f}",
            "是",
            f"上海第{index % 500}商贸有限公司",
        )
        index += 1
