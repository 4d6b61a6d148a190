"""Clearing requests: what they are about, how far they are, lists of them."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import defer, load_only
from sqlmodel import col, select

from app.accounts.principal import Principal
from app.clearing.errors import (
    AttachmentNotFound,
    RequestNotFound,
)
from app.clearing.models import (
    ClearingAttachment,
    ClearingRequest,
    ClearingStage,
    ClearingTarget,
)
from app.clearing.states import OPEN_STATES, STAGES, RequestState, TargetState
from app.core.db import Session
from app.core.pagination import PageRequest, newest_first
from app.devices.models import Device
from app.enterprises.models import Enterprise
from app.enterprises.queries import within
from app.operators.models import Operator


def request(session: Session, request_id: UUID) -> ClearingRequest:
    """The request, or RequestNotFound."""
    found = session.get(ClearingRequest, request_id)
    if found is None:
        raise RequestNotFound
    return found


def locked_request(session: Session, request_id: UUID) -> ClearingRequest:
    """The request, with its row locked until the transaction ends (PostgreSQL; SQLite has one writer)."""
    statement = (
        select(ClearingRequest)
        .where(ClearingRequest.id == request_id)
        .with_for_update()
        # What was loaded before the lock was had may be out of date by now.
        .execution_options(populate_existing=True)
    )
    found = session.exec(statement).first()
    if found is None:
        raise RequestNotFound
    return found


def request_for_change(session: Session, request_id: UUID, principal: Principal) -> ClearingRequest:
    """The same if this person may see it."""
    found = locked_request(session, request_id)
    if not principal.sees(found.enterprise_id):
        raise RequestNotFound
    return found


def visible_request(session: Session, request_id: UUID, principal: Principal) -> ClearingRequest:
    """The request if this person may see it."""
    found = request(session, request_id)
    if not principal.sees(found.enterprise_id):
        raise RequestNotFound
    return found


def targets(session: Session, request_id: UUID) -> list[ClearingTarget]:
    """The devices of a request, sub machines first."""
    statement = (
        select(ClearingTarget)
        .where(ClearingTarget.request_id == request_id)
        .order_by(col(ClearingTarget.position))
    )
    return list(session.exec(statement))


def targets_of(session: Session, request_ids: Sequence[UUID]) -> dict[UUID, list[ClearingTarget]]:
    """The devices of several requests in one select."""
    statement = (
        select(ClearingTarget)
        .where(col(ClearingTarget.request_id).in_(request_ids))
        .order_by(col(ClearingTarget.position))
    )
    found: dict[UUID, list[ClearingTarget]] = {request_id: [] for request_id in request_ids}
    for target in session.exec(statement):
        found[target.request_id].append(target)
    return found


def unreviewed(session: Session, *, before: datetime) -> list[ClearingRequest]:
    """Requests that were submitted before then and nobody has reviewed, the oldest first."""
    statement = (
        select(ClearingRequest)
        .where(ClearingRequest.state == RequestState.SUBMITTED, ClearingRequest.created_at < before)
        .order_by(col(ClearingRequest.id))
    )
    return list(session.exec(statement))


def has_unknown_outcome(session: Session, request_id: UUID) -> bool:
    """Whether an earlier attempt sent a device its clearing and never learned what came of it."""
    return any(
        target.state is TargetState.RUNNING and target.clear_operation_id is not None
        for target in targets(session, request_id)
    )


def stages(session: Session, request_id: UUID) -> list[ClearingStage]:
    """The four stages in order."""
    statement = select(ClearingStage).where(ClearingStage.request_id == request_id)
    return sorted(session.exec(statement), key=lambda stage: STAGES.index(stage.name))


def stages_of(session: Session, request_ids: Sequence[UUID]) -> dict[UUID, list[ClearingStage]]:
    """The stages of several requests in one select."""
    statement = select(ClearingStage).where(col(ClearingStage.request_id).in_(request_ids))
    found: dict[UUID, list[ClearingStage]] = {request_id: [] for request_id in request_ids}
    for stage in sorted(session.exec(statement), key=lambda stage: STAGES.index(stage.name)):
        found[stage.request_id].append(stage)
    return found


def open_request_of(session: Session, operator_id: UUID) -> ClearingRequest | None:
    """The newest request of the operator that is not at its end."""
    statement = (
        select(ClearingRequest)
        .where(
            ClearingRequest.operator_id == operator_id,
            col(ClearingRequest.state).in_(OPEN_STATES),
        )
        .order_by(col(ClearingRequest.id).desc())
        .limit(1)
    )
    return session.exec(statement).first()


def open_requests_of_device(session: Session, device_id: UUID) -> list[ClearingRequest]:
    """Requests that hold the device; there is one at most."""
    statement = (
        select(ClearingRequest)
        .join(ClearingTarget, col(ClearingTarget.request_id) == ClearingRequest.id)
        .where(ClearingTarget.device_id == device_id, col(ClearingTarget.open))
        .with_for_update(of=ClearingRequest)
    )
    return list(session.exec(statement))


def open_requests_by(
    session: Session, enterprise_id: UUID, requested_by: str
) -> list[ClearingRequest]:
    """Requests of an enterprise somebody asked for that are not at their end."""
    statement = select(ClearingRequest).where(
        ClearingRequest.enterprise_id == enterprise_id,
        ClearingRequest.requested_by == requested_by,
        col(ClearingRequest.state).in_(OPEN_STATES),
    )
    return list(session.exec(statement.order_by(col(ClearingRequest.id))))


def newest_request_of(session: Session, operator_id: UUID) -> ClearingRequest | None:
    """The newest request of the operator."""
    statement = (
        select(ClearingRequest)
        .where(ClearingRequest.operator_id == operator_id)
        .order_by(col(ClearingRequest.id).desc())
        .limit(1)
    )
    return session.exec(statement).first()


def attachments(session: Session, request_id: UUID) -> list[ClearingAttachment]:
    """The documents of a request, without their contents being loaded."""
    statement = (
        select(ClearingAttachment)
        .where(ClearingAttachment.request_id == request_id)
        .order_by(col(ClearingAttachment.id))
        .options(defer(ClearingAttachment.content))  # type: ignore[arg-type]
    )
    return list(session.exec(statement))


def attachment(session: Session, request_id: UUID, attachment_id: UUID) -> ClearingAttachment:
    """One document of the request, or AttachmentNotFound."""
    found = session.get(ClearingAttachment, attachment_id)
    if found is None or found.request_id != request_id:
        raise AttachmentNotFound
    return found


def page_of_requests(
    session: Session,
    principal: Principal,
    page: PageRequest,
    *,
    state: RequestState | None = None,
    operator_id: UUID | None = None,
) -> tuple[list[ClearingRequest], str | None]:
    """Newest first."""
    statement = select(ClearingRequest).where(within(principal, col(ClearingRequest.enterprise_id)))
    if state is not None:
        statement = statement.where(ClearingRequest.state == state)
    if operator_id is not None:
        statement = statement.where(ClearingRequest.operator_id == operator_id)
    return newest_first(session, statement, ClearingRequest.id, page)


def page_of_request_rows(
    session: Session,
    principal: Principal,
    page: PageRequest,
    *,
    state: RequestState | None = None,
    q: str = "",
) -> tuple[list[tuple[ClearingRequest, str, str]], str | None]:
    """Requests with the names of operator and enterprise, newest first: three selects."""
    conditions = [within(principal, col(ClearingRequest.enterprise_id))]
    if state is not None:
        conditions.append(col(ClearingRequest.state) == state)
    if q.strip():
        named = select(Operator.id).where(col(Operator.name).contains(q.strip(), autoescape=True))
        conditions.append(
            sa.or_(
                col(ClearingRequest.number).startswith(q.strip(), autoescape=True),
                col(ClearingRequest.operator_id).in_(named),
            )
        )
    rows, cursor = newest_first(
        session, select(ClearingRequest).where(*conditions), ClearingRequest.id, page
    )
    operators = names_of(session, Operator, {row.operator_id for row in rows})
    enterprises = names_of(session, Enterprise, {row.enterprise_id for row in rows})
    named_rows = [(row, operators[row.operator_id], enterprises[row.enterprise_id]) for row in rows]
    return named_rows, cursor


def count_by_review(session: Session, operator_ids: Sequence[UUID]) -> dict[bool, int]:
    """How many of these operators belong to an enterprise that wants a review, and how many do not."""
    statement = (
        select(Enterprise.review_required, sa.func.count())
        .join(Operator, col(Operator.enterprise_id) == Enterprise.id)
        .where(col(Operator.id).in_(operator_ids))
        .group_by(col(Enterprise.review_required))
    )
    return {bool(required): int(count) for required, count in session.exec(statement)}


def waiting_for_review(session: Session, principal: Principal) -> list[tuple[ClearingRequest, str]]:
    """All requests that wait for a review, newest first, with their operators' names; few are at any time."""
    request = ClearingRequest
    statement = (
        select(request, Operator.name)
        .join(Operator, col(Operator.id) == request.operator_id)
        .where(
            col(request.state) == RequestState.SUBMITTED,
            within(principal, col(request.enterprise_id)),
        )
        .order_by(col(request.id).desc())
        .options(
            load_only(
                request.period,  # type: ignore[arg-type]
                request.requested_by,  # type: ignore[arg-type]
                request.requested_by_name,  # type: ignore[arg-type]
                request.asked_by,  # type: ignore[arg-type]
                request.asked_for,  # type: ignore[arg-type]
            )
        )
    )
    return [(found, name) for found, name in session.exec(statement)]


def devices_of_request(session: Session, request_id: UUID) -> list[tuple[ClearingTarget, Device]]:
    """The targets with their devices, sub machines first."""
    statement = (
        select(ClearingTarget, Device)
        .where(ClearingTarget.device_id == Device.id, ClearingTarget.request_id == request_id)
        .order_by(col(ClearingTarget.position))
    )
    return [(target, device) for target, device in session.exec(statement)]


def next_number(session: Session, day: date, *, prefix: str = "QK") -> str:
    """The next number of the month's series, e.g. QK202611-000128. Held until the commit."""
    name = f"{prefix}{day:%Y%m}"
    statement = sa.text(
        "INSERT INTO number_series (name, value) VALUES (:name, 1) "
        "ON CONFLICT (name) DO UPDATE SET value = number_series.value + 1 RETURNING value"
    )
    value = session.connection().execute(statement, {"name": name}).scalar_one()
    return f"{name}-{value:06d}"


def names_of(
    session: Session, table: type[Operator] | type[Enterprise], ids: set[UUID]
) -> dict[UUID, str]:
    """The name of each of these."""
    rows = session.exec(select(table.id, table.name).where(col(table.id).in_(ids)))
    return {row[0]: row[1] for row in rows}
