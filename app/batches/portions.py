"""Carries out the orders of batches in portions: each a short transaction, so that nobody waits long.

A portion takes its ids off the order in the transaction that makes what was ordered of them: a process that
dies leaves either both or neither, and two processes never have the same portion.
"""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy.exc import InterfaceError, OperationalError

from app.accounts import queries as accounts_queries
from app.accounts.principal import Principal
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.batches import members, order_queries, queries
from app.batches.schemas import BatchCreate
from app.clearing import queries as clearing_queries
from app.clearing.errors import AskerGone
from app.clearing.models import ClearingBatch, ClearingBatchOrder
from app.clearing.states import BatchTask
from app.core.clock import Clock
from app.core.db import Database, Session
from app.core.logging import get_logger
from app.errors import QingkaError
from app.operators.models import Operator
from app.requests.service import approval
from app.settings import Settings

log = get_logger(__name__)

PORTION = 5
"""Members of a batch dealt with in one transaction: well below a tenth of a second for everybody else to wait."""

_principals = TypeAdapter(Principal)


@dataclass(frozen=True, slots=True)
class _Work:
    """An order at work in one transaction."""

    session: Session
    batch: ClearingBatch
    order: ClearingBatchOrder
    asker: Principal
    settings: Settings
    clock: Clock


def asked_by(principal: Principal) -> dict[str, object]:
    """A principal as an order keeps it."""
    kept: dict[str, object] = _principals.dump_python(principal, mode="json")
    return kept


def next_portion(database: Database, settings: Settings, clock: Clock) -> bool:
    """Carry out a portion of the oldest order nobody else is at; give whether there was one."""
    with database.reading() as session:
        order_ids = order_queries.open_orders(session)
    for order_id in order_ids:
        with database.transaction() as session:
            order = order_queries.order_to_work(session, order_id)
            if order is not None:
                _carry_out(session, order, settings, clock)
                return True
    return False


def _carry_out(
    session: Session, order: ClearingBatchOrder, settings: Settings, clock: Clock
) -> None:
    work = _Work(
        session,
        queries.batch(session, order.batch_id),
        order,
        _principals.validate_python(order.asked_by),
        settings,
        clock,
    )
    act = {BatchTask.CREATE: _make, BatchTask.RETRY: _retry}[order.task]
    gone = accounts_queries.is_barred(session, work.asker, at=clock())
    for identity in order.waiting[:PORTION]:
        act(work, UUID(identity), gone)
    order.waiting = order.waiting[PORTION:]
    if not order.waiting:
        _finish(work)
    session.add(order)


def _make(work: _Work, operator_id: UUID, gone: bool) -> None:
    """Make the request of an operator, or note in the batch why there is none."""
    data = BatchCreate.model_validate(work.order.wanted["batch"])

    def make() -> None:
        members.make(
            work.session,
            work.batch,
            operator_id,
            principal=work.asker,
            settings=work.settings,
            clock=work.clock,
            data=data,
            proven=work.order.wanted["proven"],
        )

    error = AskerGone() if gone else _attempt(work.session, make)
    if error is not None:
        operator = work.session.get_one(Operator, operator_id)
        named = {
            "operator_id": str(operator_id),
            "operator_code": operator.code,
            "operator_name": operator.name,
        }
        work.batch.skipped = [*work.batch.skipped, named | _reason(error)]
        work.session.add(work.batch)


def _retry(work: _Work, request_id: UUID, gone: bool) -> None:
    """Try a request again, or note in the order why that is not possible."""
    request = clearing_queries.locked_request(work.session, request_id)

    def retry() -> None:
        approval.retry(
            work.session,
            request,
            principal=work.asker,
            accepted_warnings=work.order.wanted["accepted_warnings"],
            clock=work.clock,
        )

    error = AskerGone() if gone else _attempt(work.session, retry)
    if error is not None:
        operator = work.session.get_one(Operator, request.operator_id)
        named = {
            "request_id": str(request_id),
            "number": request.number,
            "operator_name": operator.name,
        }
        work.order.refused = [*work.order.refused, named | _reason(error)]


def _attempt(session: Session, act: Callable[[], None]) -> QingkaError | None:
    """Do it, or give why it is not possible; one member stops no other."""
    try:
        with session.begin_nested():
            act()
    except QingkaError as error:
        return error
    except (OperationalError, InterfaceError):
        raise  # the database is away: the whole portion comes again
    except Exception as error:
        log.error("a member of a batch broke", exc_info=error)
        return QingkaError(f"系统内部错误：{type(error).__name__}")
    return None


def _reason(error: QingkaError) -> dict[str, str]:
    return {"code": error.code, "message": error.detail, "remedy": error.remedy}


def _finish(work: _Work) -> None:
    work.order.finished_at = work.clock()
    if work.order.task is not BatchTask.CREATE:
        return
    skipped = len(work.batch.skipped)
    audit.record(
        work.session,
        actor=work.asker.actor,
        action=AuditAction.BATCH_PREPARED,
        object_type="clearing_batch",
        object_id=str(work.batch.id),
        at=work.clock(),
        details={
            "number": work.batch.number,
            "requests": work.order.total - skipped,
            "skipped": skipped,
        },
    )
