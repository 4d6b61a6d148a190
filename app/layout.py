"""What stands around every page: who is signed in, the menu, the countdown."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from fastapi import Request

from app import __version__, features
from app.accounts.deps import principal_of
from app.accounts.principal import Permission, Principal
from app.calendar import service as calendar_service
from app.calendar.rules import Source
from app.contracts.periods import Period
from app.core.clock import local_date
from app.core.db import Session, unchanged
from app.core.web import clock_of, session_of
from app.feature import MenuItem
from app.notifications import queries as notifications_queries


@dataclass(frozen=True, slots=True)
class Me:
    """The signed-in person."""

    name: str
    display_name: str
    role_names: list[str]
    permissions: set[str]


@dataclass(frozen=True, slots=True)
class Deadline:
    """The filing deadline of this month; `published` False: 推算."""

    date: date
    days_left: int
    published: bool


def layout(request: Request) -> dict[str, Any]:
    """The names templates/layout.html uses; asks the database for the countdown and what is unread."""
    principal = principal_of(request)
    deadline, counts = _facts(request, principal)
    return {
        "me": _me(principal),
        "nav": _nav(principal, request.url.path, counts),
        "deadline": deadline,
        "simulated": request.app.state.simulated,
        "version": __version__,
    }


def _me(principal: Principal | None) -> Me | None:
    if principal is None:
        return None
    return Me(
        principal.name,
        principal.display_name,
        principal.role_names,
        {permission.value for permission in principal.permissions},
    )


def _nav(principal: Principal | None, path: str, counts: dict[str, int]) -> list[dict[str, Any]]:
    if principal is None or principal.must_change_password:
        return []
    here = _best_match(path)
    groups = []
    for title, items in features.menu():
        allowed = [item for item in items if principal.can(Permission(item.permission))]
        if allowed:
            groups.append(
                {"title": title, "items": [_entry(item, here, counts) for item in allowed]}
            )
    return groups


def _entry(item: MenuItem, here: str | None, counts: dict[str, int]) -> dict[str, Any]:
    return {
        "label": item.label,
        "href": item.href,
        "current": item.href == here,
        "count": counts.get(item.href),
        "bad": False,
    }


def _best_match(path: str) -> str | None:
    """The longest menu address this page lies under."""
    hrefs = [item.href for _, items in features.menu() for item in items]
    under = [href for href in hrefs if path == href or path.startswith(href.rstrip("/") + "/")]
    exact = [href for href in under if href != "/" or path == "/"]
    return max(exact, key=len, default=None)


def _facts(request: Request, principal: Principal | None) -> tuple[Deadline | None, dict[str, int]]:
    """The countdown, and the counts of the menu by address."""
    if principal is None:
        return None, {}
    with session_of(request) as session:
        deadline = _deadline(session, local_date(clock_of(request)()))
        if not principal.is_person:
            return deadline, {}
        unread = unchanged(
            session,
            ("unread notifications", principal.id),
            lambda reading: notifications_queries.count_unread(reading, principal.id),
        )
    return deadline, {"/notifications": unread}


def _deadline(session: Session, today: date) -> Deadline:
    found = unchanged(
        session,
        ("deadline", Period.of(today)),
        lambda reading: calendar_service.deadline_for(reading, Period.of(today)),
    )
    return Deadline(found.deadline, (found.deadline - today).days, found.source != Source.RULE)
