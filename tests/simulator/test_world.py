"""The demonstration world: on any day every state is there; the same day gives the same world."""

from collections import Counter
from datetime import date, datetime, timedelta

import pytest

from app.contracts.devices import DeviceKind, InvoiceStatus
from app.contracts.periods import Period, due_period, is_cleared
from app.contracts.tax_numbers import is_valid_tax_no
from app.simulator.device import VirtualDevice
from app.simulator.model import DemoState, DeviceState
from app.simulator.world import demo_state, seed_world

DAYS = [date(2027, 1, 1) + timedelta(days=n) for n in range(731)]  # 2028 is a leap year


def _shown(state: DeviceState, today: date) -> DemoState:
    """The state as it follows from what the device shows, not from how it was made."""
    lock_date = min(one.lock_date for one in state.types)
    if lock_date < today:
        return DemoState.LOCKED
    if is_cleared(Period.of(today).plus(-1), lock_date):
        return DemoState.CLEARED
    return DemoState.NEAR if lock_date <= today + timedelta(days=1) else DemoState.DUE


def test_on_any_day_each_state_is_among_the_first_ten() -> None:
    for today in DAYS:
        shown = [_shown(state, today) for state, _ in seed_world(10, today)]
        last = (Period.of(today).plus(1).first_day - today).days
        expected = set(DemoState) if last > 2 else set(DemoState) - {DemoState.DUE}
        assert expected <= set(shown), today
        assert {shown[0], shown[1]} <= {DemoState.DUE, DemoState.NEAR}, today


@pytest.mark.parametrize("today", [date(2026, 11, 1), date(2026, 11, 16), date(2026, 11, 30)])
def test_due_devices_owe_the_month_before_and_lock_in_this_month(today: date) -> None:
    world = [state for state, _ in seed_world(100, today)]
    for index, state in enumerate(world):
        for one in state.types:
            assert one.open_period == due_period(one.lock_date)
            if demo_state(index) in (DemoState.DUE, DemoState.NEAR):
                assert Period.of(one.lock_date) == Period.of(today)
                assert one.lock_date >= today
            if demo_state(index) is DemoState.CLEARED:
                assert one.open_period == Period.of(today)
            assert one.last_reported_at is not None
            assert one.last_reported_at.date() <= today
    last_day = Period.of(today).plus(1).first_day - timedelta(days=1)
    assert max(s.types[0].lock_date for s in world if s.types[0].lock_date <= last_day) == last_day


def test_shares_of_the_states() -> None:
    counted = Counter(demo_state(index) for index in range(1000))
    assert counted == {
        DemoState.DUE: 700,
        DemoState.NEAR: 100,
        DemoState.LOCKED: 50,
        DemoState.CLEARED: 150,
    }


def test_the_same_day_gives_the_same_world_and_sizes_share_their_beginning() -> None:
    today = date(2026, 11, 24)
    assert list(seed_world(30, today)) == list(seed_world(30, today))
    small = [state.number for state, _ in seed_world(5, today)]
    assert small == [state.number for state, _ in seed_world(3000, today)][:5]


def test_taxpayers_devices_and_kinds() -> None:
    world = [state for state, _ in seed_world(200, date(2026, 11, 24))]
    assert all(is_valid_tax_no(state.taxpayer.tax_no) for state in world)
    assert len({state.number for state in world}) == len({s.machine_code for s in world}) == 200
    assert {state.kind for state in world} == {
        DeviceKind.TAX_DISK,
        DeviceKind.GOLDEN_TAX_DISK,
        DeviceKind.UKEY,
    }
    machines: dict[str, list[int]] = {}
    for state in world:
        machines.setdefault(state.taxpayer.tax_no, []).append(state.machine_no)
    assert all(numbers == list(range(len(numbers))) for numbers in machines.values())
    assert {len(numbers) for numbers in machines.values()} == {1, 2, 3, 4}


def test_names_can_be_sent_as_gbk() -> None:
    for state, invoices in seed_world(50, date(2026, 11, 24)):
        names = state.taxpayer.name + state.taxpayer.authority_name
        assert (names + "".join(i.buyer_name + i.item for i in invoices)).encode("gbk")


@pytest.mark.parametrize("today", [date(2026, 11, 1), date(2026, 11, 2), date(2026, 11, 24)])
def test_invoices_of_the_period_and_of_the_current_month(today: date) -> None:
    statuses: set[InvoiceStatus] = set()
    for state, invoices in seed_world(12, today):
        months = Counter(Period.of(i.issued_at) for i in invoices)
        owed = Period.of(today).plus(-1)
        assert 20 <= months[owed] <= 80
        assert (months[Period.of(today)] > 0) == (today.day > 1)
        assert all(i.issued_at < datetime.combine(today, datetime.min.time()) for i in invoices)
        assert len({(i.code, i.number) for i in invoices}) == len(invoices)
        assert all(i.amount.as_tuple().exponent == -2 for i in invoices)
        assert all(i.tax.as_tuple().exponent == -2 for i in invoices)
        assert all((i.amount < 0) == (i.status is InvoiceStatus.RED) for i in invoices)
        statuses |= {i.status for i in invoices}
        assert VirtualDevice(state, invoices, lambda: datetime(2026, 11, 1)).not_uploaded() == []
    assert statuses == {InvoiceStatus.NORMAL, InvoiceStatus.RED, InvoiceStatus.VOID}
