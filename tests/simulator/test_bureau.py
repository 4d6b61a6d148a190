"""The rules of the bureau: what it takes, when it gives a ciphertext, and which lock date it gives."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from app.contracts.periods import Period
from app.simulator import seals
from app.simulator.bureau import (
    BureauRefusal,
    FilingState,
    Registered,
    VirtualBureau,
    next_lock_date,
)
from app.simulator.store import Store

NOW = datetime(2026, 11, 10, 2, tzinfo=UTC)
TAX_NO = "91350100M000100Y43"
DEVICE = Registered(number="661814461322", tax_no=TAX_NO, invoice_types=("004", "007"))


class Desk:
    """A bureau over a store in memory, with totals as a device would seal them."""

    def __init__(self) -> None:
        self.store = Store(Path(":memory:"))
        self.bureau = VirtualBureau(self.store)

    def sealed(self, kind: str, **changes: str) -> str:
        content = {
            "n": DEVICE.number,
            "x": TAX_NO,
            "t": kind,
            "p": "2026-10",
            "l": "2026-11-16",
            "c": "2026-11-10T10:00:00",
            "f": "0",
            "k": "1,0,0,0,0",
            "a": "100.00",
            "s": "13.00",
        } | changes
        return seals.seal("totals", content["n"], content, seals.TOTALS_BYTES)

    def take(self, *kinds: str, **changes: str) -> None:
        for kind in kinds:
            self.bureau.take_totals(DEVICE, kind, self.sealed(kind, **changes), NOW)

    def unlock(self, kind: str = "007") -> dict[str, str]:
        text = self.bureau.unlock(DEVICE, kind, NOW)
        return seals.unseal("clear", DEVICE.number, text, seals.CIPHERTEXT_BYTES)

    def confirm(self, kind: str = "007") -> None:
        self.bureau.confirm(DEVICE, kind, self.bureau.unlock(DEVICE, kind, NOW), NOW)


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.store.close()


def refused(action: Callable[[], object]) -> str:
    with pytest.raises(BureauRefusal) as caught:
        action()
    assert caught.value.text
    return caught.value.code


def test_a_ciphertext_once_all_types_are_reported(desk: Desk) -> None:
    assert refused(desk.unlock) == "not_reported"
    desk.take("007")
    assert refused(desk.unlock) == "not_reported"
    desk.take("004")
    content = desk.unlock()
    assert content | {"r": ""} == {
        "n": DEVICE.number,
        "t": "007",
        "p": "2026-10",
        "l": "2026-12-15",
        "r": "",
    }


def test_asked_again_the_ciphertext_is_the_same(desk: Desk) -> None:
    desk.take("004", "007")
    first = desk.unlock()
    desk.take("004", "007")
    assert desk.unlock() == first
    assert desk.unlock("004")["r"] != first["r"]


@pytest.mark.parametrize(
    "state", [FilingState.NOT_FILED, FilingState.MISMATCH, FilingState.PENDING]
)
def test_the_return_must_be_filed_and_match(desk: Desk, state: FilingState) -> None:
    desk.take("004", "007")
    desk.store.set_filing(TAX_NO, Period("2026-10"), state)
    assert refused(desk.unlock) == state.value
    desk.store.set_filing(TAX_NO, Period("2026-10"), FilingState.FILED)
    assert desk.unlock()["p"] == "2026-10"


def test_totals_sealed_with_a_wrong_clock_must_be_reported_again(desk: Desk) -> None:
    desk.take("004", "007", f=str(-86401))
    assert refused(desk.unlock) == "clock_factor"
    desk.take("004", "007", f="86400")
    assert desk.unlock()["p"] == "2026-10"


def test_totals_that_are_not_this_devices(desk: Desk) -> None:
    def take(blob: str) -> Callable[[], None]:
        return lambda: desk.bureau.take_totals(DEVICE, "007", blob, NOW)

    assert refused(take(desk.sealed("007", n="661800000000"))) == "-101"
    assert refused(take(desk.sealed("004"))) == "-101"
    assert refused(take(desk.sealed("007", x="91110000600037341L"))) == "-101"
    assert refused(take("")) == "-101"
    assert desk.store.reported(DEVICE.number) == []


def test_after_confirmation_the_period_is_closed(desk: Desk) -> None:
    desk.take("004", "007")
    desk.confirm()
    assert refused(desk.unlock) == "already_cleared"
    assert desk.unlock("004")["p"] == "2026-10"
    confirmed = {t.invoice_type: t.confirmed_at for t in desk.store.reported(DEVICE.number)}
    assert confirmed == {"004": None, "007": NOW}


def test_confirming_again_is_fine_and_keeps_the_first_time(desk: Desk) -> None:
    desk.take("004", "007")
    quoted = desk.bureau.unlock(DEVICE, "007", NOW)
    for later in range(2):
        desk.bureau.confirm(DEVICE, "007", quoted, NOW + timedelta(hours=later))
    (totals,) = [t for t in desk.store.reported(DEVICE.number) if t.invoice_type == "007"]
    assert totals.confirmed_at == NOW


def test_confirming_wants_a_ciphertext_of_that_period(desk: Desk) -> None:
    assert refused(lambda: desk.bureau.confirm(DEVICE, "007", "x", NOW)) == "-101"
    desk.take("004", "007")
    desk.unlock()
    assert refused(lambda: desk.bureau.confirm(DEVICE, "007", "x", NOW)) == "-101"


def test_one_quoted_ciphertext_confirms_every_type_of_the_message(desk: Desk) -> None:
    desk.take("004", "007")
    desk.bureau.unlock(DEVICE, "004", NOW)
    quoted = desk.bureau.unlock(DEVICE, "007", NOW)
    desk.bureau.confirm(DEVICE, "004", quoted, NOW)
    confirmed = {t.invoice_type for t in desk.store.reported(DEVICE.number) if t.confirmed_at}
    assert confirmed == {"004"}


def test_an_unconfirmed_period_does_not_block_the_next(desk: Desk) -> None:
    desk.take("004", "007")
    desk.unlock()
    desk.take("004", "007", p="2026-11", l="2026-12-15", c="2026-12-02T10:00:00")
    assert desk.unlock()["p"] == "2026-11"
    assert desk.unlock()["l"] == "2027-01-15"


@pytest.mark.parametrize(
    ("cleared", "lock_date", "today", "expected"),
    [
        ("2026-10", date(2026, 11, 16), date(2026, 11, 10), date(2026, 12, 15)),
        ("2026-12", date(2027, 1, 15), date(2027, 1, 4), date(2027, 2, 15)),
        ("2026-06", date(2026, 7, 15), date(2026, 7, 3), date(2026, 8, 17)),  # a Saturday
        ("2026-09", date(2026, 10, 26), date(2026, 10, 9), date(2026, 11, 16)),  # a Sunday
        ("2026-11", date(2026, 12, 15), date(2026, 12, 15), date(2027, 1, 15)),
    ],
)
def test_the_new_lock_date(cleared: str, lock_date: date, today: date, expected: date) -> None:
    assert next_lock_date(Period(cleared), lock_date, today) == expected


def test_with_older_periods_open_the_next_one_gets_its_own_month() -> None:
    early = next_lock_date(Period("2026-09"), date(2026, 10, 26), date(2026, 11, 10))
    late = next_lock_date(Period("2026-09"), date(2026, 10, 26), date(2026, 11, 20))
    assert (early, late) == (date(2026, 11, 16), date(2026, 11, 30))


def test_the_new_lock_date_is_always_in_a_later_month() -> None:
    day = date(2025, 1, 1)
    for _ in range(730):
        new = next_lock_date(Period.of(day).plus(-1), day, day)
        assert Period.of(new) > Period.of(day)
        assert new.weekday() < 5
        day += timedelta(days=1)
