"""The filter of a list by enterprise: a select of few, or the name typed of one among many."""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from markupsafe import Markup

from app.accounts.principal import Principal
from app.core.db import Session, unchanged
from app.core.page_parts import Option
from app.core.templating import options
from app.enterprises import queries
from app.enterprises.contexts import EnterpriseChoice, EnterpriseFilter
from app.enterprises.queries import Named

MOST_TEXT = 200
"""As long as a name may be."""
_MOST_CHOICES = 20


class Chosen(NamedTuple):
    """The enterprise, if one is meant; what the page shows; all filters, for its other links."""

    enterprise_id: UUID | None
    shown: EnterpriseFilter
    filters: Mapping[str, object]


class Links:
    """Addresses of the list at `path` with its other filters and so many rows."""

    def __init__(self, path: str, filters: Mapping[str, object], limit: int) -> None:
        self.filters = filters
        self._path = path
        self._given = {name: value for name, value in filters.items() if value} | {"limit": limit}

    def to(self, **more: str) -> str:
        """The list with these and the other filters."""
        return f"{self._path}?{urlencode({**self._given, **more})}"


def chosen(
    session: Session, principal: Principal, text: str, enterprise_id: UUID | None, links: Links
) -> Chosen:
    """By the text typed, else by the id."""
    text = text.replace("\x00", " ").strip()
    if text:
        found = queries.names_like(session, text, principal=principal, limit=_MOST_CHOICES + 1)
        return _only(found[0], text, links) if len(found) == 1 else _unclear(found, text, links)
    offered = _options(session, principal, enterprise_id)
    if offered is not None:
        return _by_id(enterprise_id, EnterpriseFilter(offered), links)
    named = enterprise_id and queries.named(session, enterprise_id, principal=principal)
    if not named:
        return _by_id(enterprise_id, EnterpriseFilter(by_name=True), links)
    return _only(named, named.tax_no, links)


def _by_id(enterprise_id: UUID | None, shown: EnterpriseFilter, links: Links) -> Chosen:
    return Chosen(enterprise_id, shown, {**links.filters, "enterprise_id": enterprise_id or ""})


def _only(one: Named, text: str, links: Links) -> Chosen:
    shown = EnterpriseFilter(by_name=True, text=text, name=one.name, without=links.to())
    return Chosen(one.id, shown, {**links.filters, "enterprise": text})


def _unclear(found: list[Named], text: str, links: Links) -> Chosen:
    """None or several. A link names the tax number: names need not differ."""
    choices = tuple(
        EnterpriseChoice(one.name, one.tax_no, links.to(enterprise=one.tax_no))
        for one in found[:_MOST_CHOICES]
    )
    shown = EnterpriseFilter(
        by_name=True,
        text=text,
        unclear=True,
        choices=choices,
        more=len(found) > _MOST_CHOICES,
        without=links.to(),
    )
    return Chosen(None, shown, {**links.filters, "enterprise": text})


def _options(session: Session, principal: Principal, chosen_id: UUID | None) -> Markup | None:
    """The options of the select; None where they would be too many."""

    def make(reading: Session) -> tuple[Markup | None]:
        few = queries.few_names(reading, principal=principal)
        if few is None:
            return (None,)
        return (options((Option(str(one), name) for one, name in few), str(chosen_id or "")),)

    key = ("enterprise options", principal.enterprise_ids, chosen_id)
    return unchanged(session, key, make)[0]
