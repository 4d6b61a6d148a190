"""Managing accounts and keys, on both databases."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from app.accounts import key_queries, queries, service
from app.accounts.errors import LastAdmin, NameTaken
from app.accounts.models import Account
from app.accounts.principal import SYSTEM, Permission, Role
from app.accounts.service.api_keys import authenticate_api_key
from app.core.db import Database
from app.core.pagination import PageRequest
from app.settings import Settings
from tests.accounts.conftest import MakeAccount, MovableClock, audited


def test_the_first_admin_is_made_once(
    any_database: Database, settings: Settings, clock: MovableClock
) -> None:
    def start(_: int) -> str | None:
        return service.ensure_first_admin(any_database, clock, settings=settings)

    with ThreadPoolExecutor(3) as pool:
        passwords = [one for one in pool.map(start, range(3)) if one]
    assert len(passwords) == 1
    assert start(0) is None
    with any_database.reading() as session:
        account = queries.account_by_name(session, "admin")
        assert account is not None
        assert account.must_change_password
        assert queries.roles_of(session, account.id) == {Role.ADMIN}


def test_a_taken_name_spoils_nothing(any_database: Database, make_on_any: MakeAccount) -> None:
    make_on_any("anna")
    with pytest.raises(NameTaken):
        make_on_any("ANNA")
    assert audited(any_database) == ["account.created"]


def test_two_admins_cannot_remove_each_other(
    any_database: Database, make_on_any: MakeAccount, settings: Settings, clock: MovableClock
) -> None:
    accounts = [make_on_any("one", Role.ADMIN), make_on_any("two", Role.ADMIN)]

    def demote(account: Account) -> bool:
        try:
            with any_database.transaction() as session:
                service.set_roles(
                    session,
                    account.id,
                    frozenset({Role.OPERATOR}),
                    by=SYSTEM,
                    settings=settings,
                    clock=clock,
                )
        except LastAdmin:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(demote, accounts)) == [False, True]


def test_the_same_roles_again_are_no_change(
    any_database: Database, make_on_any: MakeAccount, settings: Settings, clock: MovableClock
) -> None:
    account = make_on_any("anna", Role.AUDITOR)
    with any_database.transaction() as session:
        service.set_roles(
            session,
            account.id,
            frozenset({Role.AUDITOR}),
            by=SYSTEM,
            settings=settings,
            clock=clock,
        )
    assert audited(any_database) == ["account.created"]


def test_lists_show_roles_and_limits(
    any_database: Database, make_on_any: MakeAccount, clock: MovableClock
) -> None:
    make_on_any("a", Role.ADMIN, Role.REVIEWER)
    make_on_any("b", enterprise_ids=frozenset())
    with any_database.reading() as session:
        page = queries.list_accounts(session, page=PageRequest())
        views = queries.views(session, page.items, at=clock())
        assert queries.views(session, [], at=clock()) == []
    assert [view.roles for view in views] == [{Role.ADMIN, Role.REVIEWER}, {Role.OPERATOR}]
    assert [view.enterprise_ids for view in views] == [None, frozenset()]


def test_keys_live_until_revoked(
    any_database: Database, settings: Settings, clock: MovableClock
) -> None:
    with any_database.transaction() as session:
        new = service.create_api_key(
            session,
            by=SYSTEM,
            name="ERP",
            scopes=[Permission.READ],
            expires_at=clock() + timedelta(days=1),
            at=clock(),
        )
        key_id = new.row.id

    def found() -> bool:
        principal = authenticate_api_key(
            any_database, new.key, settings=settings, at=clock(), ip=""
        )
        return principal is not None

    assert found()
    with any_database.reading() as session:
        assert [
            row.name for row in key_queries.list_api_keys(session, page=PageRequest()).items
        ] == ["ERP"]
    for _ in range(2):
        with any_database.transaction() as session:
            service.revoke_api_key(session, key_id, by=SYSTEM, at=clock())
    assert not found()
    assert audited(any_database) == ["api_key.created", "api_key.revoked"]


def test_old_counts_are_purged(
    any_database: Database, make_on_any: MakeAccount, settings: Settings, clock: MovableClock
) -> None:
    make_on_any("anna")
    given = service.Credentials(name="anna", password="wrong password", ip="10.0.0.1")
    service.sign_in(any_database, given, settings=settings, clock=clock)
    clock.move(days=31)
    with any_database.transaction() as session:
        assert service.purge_attempts(session, before=clock() - timedelta(days=30)) == 2
