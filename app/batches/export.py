"""The result of a batch as a file: one row for each operator and device, also of those left out."""

from collections.abc import Iterator
from uuid import UUID

from app.accounts.principal import Principal
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.batches import queries, result_queries
from app.batches.result_queries import BatchRequest
from app.clearing import outcomes, words
from app.clearing.models import ClearingBatch, ClearingRecord, ClearingTarget
from app.clearing.states import RequestState, Result
from app.core import tabular
from app.core.db import Database, Session
from app.core.tabular import Row, Table, TableFormat
from app.operators.models import Operator
from app.prechecks import queries as precheck_queries
from app.records.export import Export

RESULT_HEADER = (
    "工号",
    "操作员",
    "企业",
    "设备编号",
    "属期",
    "状态",
    "代码",
    "原因",
    "怎么办",
    "清卡前锁死日期",
    "清卡后锁死日期",
    "仍未清卡的票种",
    "已清卡发票（张）",
    "净额（元）",
    "净税额（元）",
    "申请编号",
    "清卡记录编号",
    "开始时间",
    "结束时间",
)
SKIPPED = "已跳过"

_RECORDED = frozenset({RequestState.FAILED, RequestState.NEEDS_ATTENTION})
"""In these states the newest record tells about a device; later the request's own state does."""


def export_result(database: Database, batch_id: UUID, export: Export) -> Iterator[bytes]:
    """Put the export on record, then give the file's bytes. Raises BatchNotFound."""
    with database.transaction() as session:
        batch = queries.visible_batch(session, batch_id, export.principal)
        audit.record(
            session,
            actor=export.principal.actor,
            action=AuditAction.BATCH_EXPORTED,
            object_type="clearing_batch",
            object_id=str(batch.id),
            at=export.clock(),
            details={"number": batch.number, "format": export.kind},
        )
    table = Table("批量清卡结果", RESULT_HEADER, _rows(database, batch_id, export.principal))
    if export.kind is TableFormat.XLSX:
        return tabular.xlsx_chunks(table)
    return tabular.csv_chunks(table)


def _rows(database: Database, batch_id: UUID, principal: Principal) -> Iterator[Row]:
    with database.reading() as session:
        batch = queries.visible_batch(session, batch_id, principal)
        skipped = list(_skipped_rows(session, batch, principal))
        for made in result_queries.requests_with_records(session, batch_id, principal):
            for target in made.targets:
                yield _target_row(made, target)
        yield from skipped


def _target_row(made: BatchRequest, target: ClearingTarget) -> Row:
    request = made.request
    record = _record_of(made, target)
    done = record is not None and record.result is Result.SUCCEEDED
    state = words.REQUEST_STATES[request.state]
    if record is not None:
        state = words.result_of(record.result, outcomes.of_record(record))
    return (
        *_who(made.operator, made.enterprise),
        target.device_number,
        request.period,
        state,
        *(
            ("", "", "")
            if done
            else (request.error_code, request.error_message, request.error_remedy)
        ),
        *_figures(record),
        request.number,
        str(record.id) if record else "",
        record.started_at if record else target.started_at,
        record.finished_at if record else None,
    )


def _record_of(made: BatchRequest, target: ClearingTarget) -> ClearingRecord | None:
    """The success, else the newest record as long as no later attempt is under way."""
    of_device = [one for one in made.records if one.device_id == target.device_id]
    succeeded = [one for one in of_device if one.result is Result.SUCCEEDED]
    if succeeded:
        return succeeded[-1]
    return of_device[-1] if of_device and made.request.state in _RECORDED else None


def _figures(record: ClearingRecord | None) -> Row:
    if record is None:
        return (None,) * 6
    left = outcomes.sentence((), outcomes.from_json(record.remaining) or ())
    if record.result is not Result.SUCCEEDED:
        return record.lock_date_before, record.lock_date_after, left, None, None, None
    return (
        record.lock_date_before,
        record.lock_date_after,
        left,
        record.invoices_cleared,
        record.amount,
        record.tax,
    )


def _who(operator: Operator, enterprise: str) -> Row:
    return operator.code, operator.name, enterprise


def _skipped_rows(session: Session, batch: ClearingBatch, principal: Principal) -> Iterator[Row]:
    """One row for each device of who was left out; one without a device for who has none."""
    ids = [UUID(one["operator_id"]) for one in batch.skipped]
    numbers: dict[UUID, list[str]] = {operator_id: [] for operator_id in ids}
    for owned in precheck_queries.devices_of_operators(session, ids, principal):
        numbers[owned.operator.id].append(owned.device.number)
    enterprises = precheck_queries.enterprise_names(session, ids)
    for operator_id, one in zip(ids, batch.skipped, strict=True):
        for number in numbers[operator_id] or [""]:
            yield (
                one["operator_code"],
                one["operator_name"],
                enterprises.get(operator_id, ""),
                number,
                None,
                SKIPPED,
                one["code"],
                one["message"],
                one.get("remedy", ""),
                *(None,) * (len(RESULT_HEADER) - 9),
            )
