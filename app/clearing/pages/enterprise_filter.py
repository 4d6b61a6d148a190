"""The filter of the operator list by enterprise: a select of few, or the name typed of one among many."""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from markupsafe import Markup

from app.accounts.principal import Principal
from app.clearing.contexts import EnterpriseFilter
from app.core.db import Session, unchanged
from app.core.page_parts import Option
from app.core.templating import options
from app.enterprises import queries

_MOST_CHOICES = 20


class Chosen(NamedTuple):
    """The enterprise, if one is meant; what the page shows; what its links carry on."""

    enterprise_id: UUID | None
    shown: EnterpriseFilter
    kept: Mapping[str, object]


def chosen(
    session: Session,
    principal: Principal,
    text: str,
    enterprise_id: UUID | None,
    others: Mapping[str, object],
) -> Chosen:
    """By the text typed, else by the id. `others` are the other filters, for links to what may be meant."""
    text = text.replace("\x00", " ").strip()
    if text:
        return _by_text(session, principal, text, others)
    offered = _options(session, principal, enterprise_id)
    if offered is not None:
        return Chosen(
            enterprise_id, EnterpriseFilter(offered), {"enterprise_id": enterprise_id or ""}
        )
    if enterprise_id is None:
        return Chosen(None, EnterpriseFilter(by_name=True), {})
    tax_no = queries.tax_no_of(session, enterprise_id, principal=principal)
    kept = {"enterprise": tax_no} if tax_no else {"enterprise_id": enterprise_id}
    return Chosen(enterprise_id, EnterpriseFilter(by_name=True, text=tax_no), kept)


def _by_text(
    session: Session, principal: Principal, text: str, others: Mapping[str, object]
) -> Chosen:
    found = queries.names_like(session, text, principal=principal, limit=_MOST_CHOICES + 1)
    kept = {"enterprise": text}
    if len(found) == 1:
        return Chosen(found[0].id, EnterpriseFilter(by_name=True, text=text), kept)
    given = {name: value for name, value in others.items() if value}
    shown = EnterpriseFilter(
        by_name=True,
        text=text,
        unclear=True,
        choices=tuple(
            (one.name, f"/clearing?{urlencode({**given, 'enterprise': one.tax_no})}")
            for one in found[:_MOST_CHOICES]
        ),
        more=len(found) > _MOST_CHOICES,
    )
    return Chosen(None, shown, kept)


def _options(session: Session, principal: Principal, chosen_id: UUID | None) -> Markup | None:
    """The options of the select; None where they would be too many."""

    def make(reading: Session) -> tuple[Markup | None]:
        few = queries.few_names(reading, principal=principal)
        if few is None:
            return (None,)
        return (options((Option(str(one), name) for one, name in few), str(chosen_id or "")),)

    key = ("enterprise options", principal.enterprise_ids, chosen_id)
    return unchanged(session, key, make)[0]
