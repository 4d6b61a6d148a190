"""REST API of handing over: a device goes by PATCH /devices/{id}; operators and enterprises here."""

from uuid import UUID

from pydantic import BaseModel

from app.accounts.confirmation import Confirm
from app.accounts.deps import Admin, DevicesWriter
from app.accounts.schemas import StepUpPassword
from app.core.routing import Router
from app.core.schemas import Input
from app.core.web import ClockDep, Writing
from app.enterprises import queries as enterprises_queries
from app.requests.service import handover

router = Router(tags=["移交"])


class OperatorHandover(Input):
    """POST /operators/{id}/hand-over."""

    to_operator_id: UUID
    password: StepUpPassword = None


class EnterpriseHandover(Input):
    """POST /enterprises/{id}/hand-over."""

    from_account_id: UUID
    to_account_id: UUID
    password: StepUpPassword = None


class HandedOver(BaseModel):
    """How many devices or open requests went along."""

    moved: int


@router.post("/operators/{operator_id}/hand-over")
def hand_over_operator(
    operator_id: UUID,
    data: OperatorHandover,
    session: Writing,
    confirm: Confirm,
    principal: DevicesWriter,
    clock: ClockDep,
) -> HandedOver:
    """Hand all devices of an operator over to another one of the same enterprise."""
    confirm(data.password)
    moved = handover.hand_over_operator(
        session, operator_id, data.to_operator_id, principal=principal, clock=clock
    )
    return HandedOver(moved=moved)


@router.post("/enterprises/{enterprise_id}/hand-over")
def hand_over_enterprise(
    enterprise_id: UUID,
    data: EnterpriseHandover,
    session: Writing,
    confirm: Confirm,
    principal: Admin,
    clock: ClockDep,
) -> HandedOver:
    """Hand an enterprise over from one accountant to another, with the open requests."""
    confirm(data.password)
    enterprises_queries.get_enterprise(session, enterprise_id, principal=principal)
    moved = handover.hand_over_enterprise(
        session,
        enterprise_id,
        from_account=data.from_account_id,
        to_account=data.to_account_id,
        principal=principal,
        clock=clock,
    )
    return HandedOver(moved=moved)
