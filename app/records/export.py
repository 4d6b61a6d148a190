"""Clearing records and operators as files: exactly what is filtered, with constant memory.

Each export goes on record before its first byte. Excel and CSV have Chinese columns for people; JSON
Lines has the records as the API shows them.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime

from app.accounts.principal import Principal
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.clearing import figure_lines, outcomes, queries, words
from app.clearing.models import ClearingRecord
from app.clearing.public import record_public
from app.clearing.queries import RecordFilter
from app.core import tabular
from app.core.clock import Clock, local_date
from app.core.db import Database, Session
from app.core.pagination import PageRequest
from app.core.tabular import Row, Table, TableFormat
from app.invoices.figures import Figures
from app.operators import queries as operators_queries
from app.operators.queries import OperatorFilter, OperatorRow

FIGURE_COLUMNS = tuple(
    (item, unit) for item in ("正数", "红字", "作废", "净额") for unit in ("张数", "金额", "税额")
)
RECORD_HEADER = (
    "完成时间",
    "结果",
    "操作员",
    "设备编号",
    "属期",
    "清卡方式",
    "清卡类型",
    "清卡范围",
    "发票类型",
    "清卡前锁死日期",
    "清卡后锁死日期",
    "台账记为已清卡（张）",
    "其净额（元）",
    "其净税额（元）",
    *(f"{side}{item}{unit}" for side in ("设备", "台账") for item, unit in FIGURE_COLUMNS),
    "仍未清卡的票种",
    "设备最近的锁死日期",
    "执行人",
    "审核人",
    "开始时间",
    "错误代码",
    "错误说明",
    "此前已清卡",
    "模拟设备",
    "记录编号",
    "备份编号",
)
OPERATOR_HEADER = (
    "工号",
    "姓名",
    "清卡状态",
    "企业",
    "部门",
    "税控设备（台）",
    "设备编号",
    "锁死日期",
    "剩余天数",
    "上次清卡",
    "电话",
    "邮箱",
)

_PAGE = 1000
"""Operators fetched at a time."""


@dataclass(frozen=True, slots=True)
class Export:
    """Who takes what, in which format."""

    kind: TableFormat
    principal: Principal
    clock: Clock


def export_records(database: Database, wanted: RecordFilter, export: Export) -> Iterator[bytes]:
    """Put the export on record, then give the file's bytes."""
    _audit(database, export, AuditAction.CLEARING_EXPORTED, "clearing_record", asdict(wanted))
    if export.kind is TableFormat.JSONL:
        return tabular.line_chunks(_record_lines(database, export.principal, wanted))
    rows = _record_rows(database, export.principal, wanted)
    return _chunks(Table("清卡记录", RECORD_HEADER, rows), export.kind)


def export_operators(database: Database, wanted: OperatorFilter, export: Export) -> Iterator[bytes]:
    """The list of operators as it is filtered, in its order: the most urgent first."""
    _audit(database, export, AuditAction.OPERATOR_EXPORTED, "operator", asdict(wanted))
    today = local_date(export.clock())
    rows = _operator_rows(database, export.principal, wanted, today)
    return _chunks(Table("操作员", OPERATOR_HEADER, rows), export.kind)


def _chunks(table: Table, kind: TableFormat) -> Iterator[bytes]:
    return tabular.xlsx_chunks(table) if kind is TableFormat.XLSX else tabular.csv_chunks(table)


def _record_lines(database: Database, principal: Principal, wanted: RecordFilter) -> Iterator[str]:
    with database.reading() as session:
        for record in queries.iterate_records(session, principal, wanted):
            yield record_public(record).model_dump_json()


def _record_rows(database: Database, principal: Principal, wanted: RecordFilter) -> Iterator[Row]:
    with database.reading() as session:
        for record in queries.iterate_records(session, principal, wanted):
            yield _record_row(record)


def _figures(found: Figures | None) -> Row:
    """Count, amount and tax of each item; empty where that side is not known."""
    if found is None:
        return (None,) * len(FIGURE_COLUMNS)
    items = (found.positive, found.red, found.void, found.net)
    return tuple(value for one in items for value in (one.count, one.amount, one.tax))


def _record_row(record: ClearingRecord) -> Row:
    sides = figure_lines.of_record(record)
    return (
        record.finished_at,
        words.result_of(record.result, outcomes.of_record(record)),
        record.operator_name,
        record.device_number,
        record.period,
        words.MODES[record.mode],
        words.KINDS[record.kind],
        words.SCOPES[record.scope],
        "、".join(record.invoice_types),
        record.lock_date_before,
        record.lock_date_after,
        record.invoices_cleared,
        record.amount,
        record.tax,
        *_figures(sides.total_device),
        *_figures(sides.total_ledger),
        outcomes.sentence((), outcomes.from_json(record.remaining) or ()),
        record.next_lock_date,
        record.executed_by_name,
        record.approved_by_name,
        record.started_at,
        record.error_code,
        record.error_message,
        "是" if record.already else "否",
        "是" if record.simulated else "否",
        str(record.id),
        str(record.backup_id or ""),
    )


def _operator_rows(
    database: Database, principal: Principal, wanted: OperatorFilter, today: date
) -> Iterator[Row]:
    with database.reading() as session:
        for row in _operators(session, principal, wanted, today):
            yield (
                row.code,
                row.name,
                words.CLEARING_STATES[row.clearing_state],
                row.enterprise_name,
                row.department,
                row.device_count,
                "、".join(row.device_numbers),
                row.lock_date,
                None if row.lock_date is None else (row.lock_date - today).days,
                row.last_cleared_at,
                row.phone,
                row.email,
            )


def _operators(
    session: Session, principal: Principal, wanted: OperatorFilter, today: date
) -> Iterator[OperatorRow]:
    """Page after page, each of the same cost."""
    cursor: str | None = None
    while True:
        page = operators_queries.list_operators(
            session,
            principal=principal,
            today=today,
            page=PageRequest(_PAGE, cursor),
            **asdict(wanted),
        )
        yield from page.items
        cursor = page.next_cursor
        if cursor is None:
            return


def _audit(
    database: Database,
    export: Export,
    action: AuditAction,
    object_type: str,
    filters: dict[str, object],
) -> None:
    with database.transaction() as session:
        audit.record(
            session,
            actor=export.principal.actor,
            action=action,
            object_type=object_type,
            object_id="",
            at=export.clock(),
            details={"format": export.kind, "filter": _plain(filters)},
        )


def _plain(filters: dict[str, object]) -> dict[str, str | bool]:
    """What is filtered by, as text."""
    return {
        name: value if isinstance(value, bool) else _text(value)
        for name, value in filters.items()
        if value not in (None, "")
    }


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime | date) else str(value)
