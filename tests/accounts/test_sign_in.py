"""Signing in, locking and step-up, on both databases."""

import time
from concurrent.futures import ThreadPoolExecutor

import pyotp
import pytest
from sqlmodel import select

from app.accounts import queries, service
from app.accounts.models import AccountSession, SignInAttempt
from app.accounts.principal import SYSTEM
from app.accounts.service import Credentials, Refusal, Refused, SignedIn, StepUpFailed
from app.accounts.service.attempts import SLOW_FACTOR, address_key
from app.core import security
from app.core.db import Database
from app.settings import Settings
from tests.accounts.conftest import PASSWORD, MakeAccount, MovableClock, as_person, audited

OWNER, ATTACKER = "10.0.0.1", "203.0.113.9"


class Door:
    """Signs in on one database."""

    def __init__(self, database: Database, settings: Settings, clock: MovableClock) -> None:
        self.database, self.settings, self.clock = database, settings, clock

    def knock(
        self, name: str, password: str = PASSWORD, *, ip: str = OWNER, code: str = ""
    ) -> SignedIn | Refused:
        given = Credentials(name=name, password=password, ip=ip, code=code, user_agent="t")
        return service.sign_in(self.database, given, settings=self.settings, clock=self.clock)

    def strict(self) -> "Door":
        """The same with a lock at the first failure, so that many failures are few tries."""
        strict = self.settings.model_copy(update={"login_attempts": 1})
        return Door(self.database, strict, self.clock)

    def fail(self, name: str, times: int, *, ip: str = OWNER) -> list[SignedIn | Refused]:
        return [self.knock(name, f"wrong {i}", ip=ip) for i in range(times)]


@pytest.fixture
def door(any_database: Database, settings: Settings, clock: MovableClock) -> Door:
    return Door(any_database, settings, clock)


def test_the_right_password_opens_a_session_and_is_audited(
    door: Door, make_on_any: MakeAccount
) -> None:
    account = make_on_any("王晓梅")
    result = door.knock("王晓梅")
    assert isinstance(result, SignedIn)
    found = service.authenticate_session(
        door.database, result.session.token, settings=door.settings, at=door.clock(), ip=OWNER
    )
    assert found is not None
    assert found.id == account.id
    assert audited(door.database) == ["account.created", "account.signed_in"]


def test_names_do_not_mind_case_and_width(door: Door, make_on_any: MakeAccount) -> None:
    make_on_any("Anna")
    assert isinstance(door.knock(" ＡＮＮＡ "), SignedIn)


def test_only_the_hash_of_a_token_is_stored(door: Door, make_on_any: MakeAccount) -> None:
    make_on_any("anna")
    result = door.knock("anna")
    assert isinstance(result, SignedIn)
    assert len(result.session.token) >= 22
    with door.database.reading() as session:
        stored = session.exec(select(AccountSession)).one()
    assert result.session.token not in str(stored.model_dump())


def test_unknown_name_wrong_password_and_disabled_account_look_the_same(
    door: Door, make_on_any: MakeAccount
) -> None:
    make_on_any("anna")
    gone = make_on_any("gone")
    with door.database.transaction() as session:
        service.disable_account(session, gone.id, by=SYSTEM, clock=door.clock)
    results = [door.knock("nobody"), door.knock("anna", "wrong password"), door.knock("gone")]
    assert results == [Refused(Refusal.INVALID)] * 3


def test_unknown_names_lock_like_known_ones(door: Door, make_on_any: MakeAccount) -> None:
    make_on_any("anna")
    assert door.fail("anna", 4) == door.fail("nobody", 4)


def test_unknown_names_spend_the_time_of_a_check(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent: list[str] = []
    monkeypatch.setattr("app.core.security.waste_time_like_a_check", spent.append)
    door.knock("nobody", "some password")
    assert spent == ["some password"]


def test_failures_lock_the_pair_for_a_while(door: Door, make_on_any: MakeAccount) -> None:
    make_on_any("anna")
    first, second, third = door.fail("anna", 3)
    assert first == second == Refused(Refusal.INVALID)
    assert isinstance(third, Refused)
    assert third.reason is Refusal.LOCKED
    still = door.knock("anna")
    assert isinstance(still, Refused)
    assert still.until == third.until
    door.clock.move(minutes=15)
    assert isinstance(door.knock("anna"), SignedIn)
    assert audited(door.database)[1:] == [
        *["account.sign_in_failed"] * 3,
        "account.locked",
        "account.signed_in",
    ]


def test_an_attacker_elsewhere_does_not_lock_out_the_owner(
    door: Door, make_on_any: MakeAccount
) -> None:
    make_on_any("anna")
    assert isinstance(door.knock("anna"), SignedIn)
    door.fail("anna", 5, ip=ATTACKER)
    assert isinstance(door.knock("anna", ip=ATTACKER), Refused)
    assert isinstance(door.knock("anna", ip=OWNER), SignedIn)


def test_many_addresses_are_slowed_but_known_ones_are_not(
    door: Door, make_on_any: MakeAccount
) -> None:
    make_on_any("anna")
    assert isinstance(door.knock("anna"), SignedIn)
    door = door.strict()
    for i in range(SLOW_FACTOR):
        door.knock("anna", "wrong password", ip=f"203.0.{i}.1")
    unknown = door.knock("anna", ip="198.51.100.1")
    assert isinstance(unknown, Refused)
    assert unknown.reason is Refusal.LOCKED
    assert isinstance(door.knock("anna", ip=OWNER), SignedIn)


def test_the_slowing_passes(door: Door, make_on_any: MakeAccount) -> None:
    make_on_any("anna")
    door = door.strict()
    for i in range(SLOW_FACTOR):
        door.knock("anna", "wrong password", ip=f"203.0.{i}.1")
    door.clock.move(seconds=31)
    assert isinstance(door.knock("anna", ip="198.51.100.1"), SignedIn)


def test_tries_at_once_cannot_outrun_the_count(
    door: Door, make_on_any: MakeAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_on_any("anna")
    verify = security.verify_password

    def as_slowly_as_at_full_strength(password: str, hashed: str) -> bool:
        time.sleep(0.1)
        return verify(password, hashed)

    monkeypatch.setattr(security, "verify_password", as_slowly_as_at_full_strength)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda i: door.knock("anna", f"wrong {i}"), range(12)))
    actions = audited(door.database)
    assert actions.count("account.sign_in_failed") == door.settings.login_attempts
    assert all(isinstance(result, Refused) for result in results)


def test_success_forgets_the_failures(door: Door, make_on_any: MakeAccount) -> None:
    make_on_any("anna")
    door.fail("anna", 2)
    assert isinstance(door.knock("anna"), SignedIn)
    assert door.fail("anna", 2) == [Refused(Refusal.INVALID)] * 2
    with door.database.reading() as session:
        assert {row.attempts for row in session.exec(select(SignInAttempt))} == {2}


def test_an_admin_unlocks(door: Door, make_on_any: MakeAccount) -> None:
    account = make_on_any("anna")
    door.fail("anna", 3)
    with door.database.reading() as session:
        assert queries.views(session, [account], at=door.clock())[0].locked_until is not None
    with door.database.transaction() as session:
        service.unlock_account(session, account.id, by=SYSTEM, clock=door.clock)
    assert isinstance(door.knock("anna"), SignedIn)


@pytest.mark.parametrize("name", ["", " ", "a b", "a\x00b", "x" * 65, "'; --", "../x"])
def test_impossible_names_are_refused(name: str, door: Door) -> None:
    assert door.knock(name) == Refused(Refusal.INVALID)


@pytest.mark.parametrize("password", ["", "x" * 129, "\x00", "密码" * 4])
def test_any_password_is_safe(password: str, door: Door, make_on_any: MakeAccount) -> None:
    make_on_any("anna")
    assert door.knock("anna", password) == Refused(Refusal.INVALID)


@pytest.mark.parametrize(
    ("ip", "key"),
    [
        ("10.1.2.3", "10.1.2.3"),
        ("::ffff:10.1.2.3", "10.1.2.3"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_address_key(ip: str, key: str) -> None:
    assert address_key(ip) == key


class TestCodes:
    """TOTP as the second factor."""

    @pytest.fixture
    def secret(self, door: Door, make_on_any: MakeAccount) -> str:
        principal = as_person(make_on_any("anna"))
        with door.database.transaction() as session:
            service.start_totp(session, principal, settings=door.settings)
            secret = service.pending_secret(session, principal, settings=door.settings)
            code = pyotp.TOTP(secret).at(door.clock())
            service.confirm_totp(session, principal, code, settings=door.settings, at=door.clock())
        door.clock.move(minutes=5)
        return secret

    def test_the_code_is_asked_for_and_not_counted(self, door: Door, secret: str) -> None:
        for _ in range(5):
            assert door.knock("anna") == Refused(Refusal.CODE_REQUIRED)
        assert isinstance(door.knock("anna", code=pyotp.TOTP(secret).at(door.clock())), SignedIn)

    def test_a_wrong_password_never_asks_for_a_code(self, door: Door, secret: str) -> None:
        assert door.knock("anna", "wrong password") == Refused(Refusal.INVALID)

    def test_a_code_works_once(self, door: Door, secret: str) -> None:
        code = pyotp.TOTP(secret).at(door.clock())
        assert isinstance(door.knock("anna", code=code), SignedIn)
        assert door.knock("anna", code=code) == Refused(Refusal.INVALID)

    def test_wrong_codes_lock(self, door: Door, secret: str) -> None:
        right = pyotp.TOTP(secret).at(door.clock())
        wrong = f"{(int(right) + 500_000) % 1_000_000:06d}"
        results = [door.knock("anna", code=wrong) for _ in range(3)]
        assert isinstance(results[-1], Refused)
        assert results[-1].reason is Refusal.LOCKED

    def test_the_secret_is_stored_encrypted(self, door: Door, secret: str) -> None:
        with door.database.reading() as session:
            account = queries.account_by_name(session, "anna")
        assert account is not None
        assert secret not in (account.totp_secret or secret)


class TestStepUp:
    """Asking for the password again."""

    def verify(self, door: Door, principal: object, password: str | None) -> None:
        service.verify_step_up(
            door.database,
            principal,  # type: ignore[arg-type]
            password,
            settings=door.settings,
            clock=door.clock,
        )

    def test_the_right_password_passes(self, door: Door, make_on_any: MakeAccount) -> None:
        self.verify(door, as_person(make_on_any("anna")), PASSWORD)
        assert "step_up.failed" not in audited(door.database)

    @pytest.mark.parametrize("password", [None, "", "wrong password", "x" * 1000])
    def test_others_fail(self, password: str | None, door: Door, make_on_any: MakeAccount) -> None:
        with pytest.raises(StepUpFailed) as caught:
            self.verify(door, as_person(make_on_any("anna")), password)
        assert (caught.value.status, caught.value.code) == (422, "step_up.failed")
        assert "password" in caught.value.errors

    def test_failures_count_towards_the_lock(self, door: Door, make_on_any: MakeAccount) -> None:
        principal = as_person(make_on_any("anna"))
        for _ in range(3):
            with pytest.raises(StepUpFailed):
                self.verify(door, principal, "wrong password")
        with pytest.raises(StepUpFailed, match="次数过多"):
            self.verify(door, principal, PASSWORD)
        assert isinstance(door.knock("anna"), Refused)
        assert audited(door.database)[1:] == [*["step_up.failed"] * 3, "account.locked"]

    def test_nothing_is_asked_of_the_system(self, door: Door) -> None:
        self.verify(door, SYSTEM, None)
        assert audited(door.database) == []
