"""REST API of enterprises."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from app.accounts.deps import OperatorsWriter, Reader
from app.core.etags import IfMatch, set_etag
from app.core.pagination import Page
from app.core.routing import Router
from app.core.schemas import SearchText
from app.core.web import ClockDep, Paging, Reading, SettingsDep, Writing
from app.enterprises import queries, service
from app.enterprises.models import Enterprise, FilingCycle
from app.enterprises.schemas import EnterpriseCreate, EnterprisePublic, EnterpriseUpdate

router = Router(prefix="/enterprises", tags=["企业"])


@router.get("")
def list_enterprises(
    session: Reading,
    principal: Reader,
    page: Paging,
    q: SearchText = None,
    filing_cycle: Annotated[FilingCycle | None, Query()] = None,
) -> Page[EnterprisePublic]:
    """Enterprises by name."""
    found = queries.list_enterprises(
        session, principal=principal, page=page, q=q, filing_cycle=filing_cycle
    )
    return Page(items=[_public(item) for item in found.items], next_cursor=found.next_cursor)


@router.post("", status_code=201)
def create_enterprise(
    data: EnterpriseCreate,
    session: Writing,
    principal: OperatorsWriter,
    settings: SettingsDep,
    clock: ClockDep,
    response: Response,
) -> EnterprisePublic:
    """Register an enterprise."""
    enterprise = service.create_enterprise(
        session,
        data=data,
        principal=principal,
        at=clock(),
        review_by_default=settings.review_required_default,
    )
    response.headers["Location"] = f"/api/v1/enterprises/{enterprise.id}"
    return _answer(response, enterprise)


@router.get("/{enterprise_id}")
def get_enterprise(
    enterprise_id: UUID, session: Reading, principal: Reader, response: Response
) -> EnterprisePublic:
    """One enterprise."""
    return _answer(response, queries.get_enterprise(session, enterprise_id, principal=principal))


@router.patch("/{enterprise_id}")
def change_enterprise(
    enterprise_id: UUID,
    data: EnterpriseUpdate,
    session: Writing,
    principal: OperatorsWriter,
    clock: ClockDep,
    response: Response,
    if_match: IfMatch = None,
) -> EnterprisePublic:
    """Change an enterprise."""
    enterprise = service.change_enterprise(
        session, enterprise_id, data=data, principal=principal, at=clock(), if_match=if_match
    )
    return _answer(response, enterprise)


def _public(enterprise: Enterprise) -> EnterprisePublic:
    return EnterprisePublic.model_validate(enterprise)


def _answer(response: Response, enterprise: Enterprise) -> EnterprisePublic:
    set_etag(response, enterprise.revision)
    return _public(enterprise)
