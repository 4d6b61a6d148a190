"""Roles and permissions."""

from uuid import UUID

import pytest

from app.accounts.principal import (
    PERMISSION_NAMES,
    ROLE_NAMES,
    ROLE_PERMISSIONS,
    SYSTEM,
    Permission,
    Principal,
    PrincipalKind,
    Role,
    role_permissions,
    scope_permissions,
)
from app.audit.actor import SYSTEM as SYSTEM_ACTOR
from app.audit.actor import Actor
from app.settings import Profile
from tests.acting import person_of

ONE, OTHER = UUID(int=1), UUID(int=2)


def person(enterprise_ids: frozenset[UUID] | None) -> Principal:
    return person_of(
        Role.ADMIN,
        id=ONE,
        name="anna",
        display_name="安娜",
        ip="10.0.0.1",
        enterprise_ids=enterprise_ids,
    )


def test_everything_has_a_chinese_name() -> None:
    assert set(ROLE_NAMES) == set(ROLE_PERMISSIONS) == set(Role)
    assert set(PERMISSION_NAMES) == set(Permission)


def test_an_auditor_changes_nothing() -> None:
    assert role_permissions([Role.AUDITOR]) == {Permission.READ, Permission.AUDIT_READ}


def test_an_admin_may_do_everything_under_the_standard_profile() -> None:
    assert role_permissions([Role.ADMIN]) == set(Permission)


def test_dengbao_keeps_duties_apart() -> None:
    granted = role_permissions([Role.ADMIN], Profile.DENGBAO)
    assert set(Permission) - granted == {Permission.CLEARING_REVIEW, Permission.AUDIT_READ}
    assert scope_permissions(["admin"], Profile.DENGBAO) == granted


def test_the_admin_scope_includes_the_others() -> None:
    assert scope_permissions(["admin"]) == set(Permission)
    assert scope_permissions(["read"]) == {Permission.READ}


@pytest.mark.parametrize(
    ("limit", "sees_one", "sees_other"),
    [(None, True, True), (frozenset({ONE}), True, False), (frozenset(), False, False)],
)
def test_limits(limit: frozenset[UUID] | None, sees_one: bool, sees_other: bool) -> None:
    assert (person(limit).sees(ONE), person(limit).sees(OTHER)) == (sees_one, sees_other)


def test_the_actor_of_the_trail() -> None:
    assert person(None).actor == Actor(PrincipalKind.ACCOUNT, str(ONE), "anna", "10.0.0.1")
    assert SYSTEM.actor == SYSTEM_ACTOR
