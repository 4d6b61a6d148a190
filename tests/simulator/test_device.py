"""The rules of one device, on the model alone."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from app.contracts.devices import DeviceKind, InvoiceStatus
from app.contracts.periods import Period
from app.simulator import seals
from app.simulator.codes import DeviceRefusal
from app.simulator.device import VirtualDevice
from app.simulator.model import (
    OPENING_STOCK,
    PASSWORD_TRIES,
    DeviceState,
    Invoice,
    Taxpayer,
    TypeState,
)

NUMBER = "661814461322"
NOW = datetime(2026, 11, 10, 10, 0, 0)


GOLDEN, DISK = DeviceKind.GOLDEN_TAX_DISK, DeviceKind.TAX_DISK


def invoice(
    number: int,
    at: datetime = datetime(2026, 10, 5, 9),
    status: InvoiceStatus = InvoiceStatus.NORMAL,
    **changes: object,
) -> Invoice:
    sign = -1 if status is InvoiceStatus.RED else 1
    values: dict[str, object] = {
        "invoice_type": "007",
        "code": "3100000130",
        "number": f"{number:08d}",
        "status": status,
        "uploaded": True,
        "issued_at": at,
        "amount": sign * Decimal("100.00"),
        "tax": sign * Decimal("13.00"),
    }
    return Invoice(**(values | changes))  # type: ignore[arg-type]


def make_device(
    kind: DeviceKind = GOLDEN,
    *,
    report_from: date = date(2026, 10, 1),
    lock_date: date = date(2026, 11, 16),
    invoices: tuple[Invoice, ...] = (),
    now: Callable[[], datetime] = lambda: NOW,
) -> VirtualDevice:
    state = DeviceState(
        number=NUMBER,
        kind=kind,
        taxpayer=Taxpayer(tax_no="91350100M000100Y43", name="测试"),
        enabled_at=datetime(2020, 1, 1),
        types=[
            TypeState(invoice_type=name, report_from=report_from, lock_date=lock_date)
            for name in ("004", "007")
        ],
    )
    return VirtualDevice(state, list(invoices), now)


def ciphertext(device: VirtualDevice, **changes: str) -> str:
    content = {"n": NUMBER, "t": "007", "p": "2026-10", "l": "2026-12-15", "r": "a1"} | changes
    return seals.seal("clear", content["n"], content, seals.CIPHERTEXT_BYTES)


def refused(action: Callable[[], object]) -> str:
    with pytest.raises(DeviceRefusal) as caught:
        action()
    assert caught.value.text
    return caught.value.code


# -- reporting ---------------------------------------------------------------------------------------


def test_report_seals_the_oldest_open_period() -> None:
    device = make_device(invoices=(invoice(1), invoice(2, datetime(2026, 11, 2))))
    seal = device.report("007")
    content = seals.unseal("totals", NUMBER, seal.blob, seals.TOTALS_BYTES)
    assert (content["p"], content["a"], content["s"]) == ("2026-10", "100.00", "13.00")
    state = device.authorised("007")
    assert state.last_reported_at == NOW
    assert state.report_from == date(2026, 10, 1)
    assert state.report_to == datetime(2026, 10, 31, 23, 59, 59)


@pytest.mark.parametrize(("kind", "code"), [(GOLDEN, "195"), (DISK, "09d11b")])
def test_a_cleared_device_has_nothing_to_report(kind: DeviceKind, code: str) -> None:
    device = make_device(kind)
    device.report("007")
    device.clear("007", ciphertext(device))
    assert refused(lambda: device.report("007")) == code


def test_reported_today_is_refused_once_the_bureau_has_the_totals() -> None:
    device = make_device()
    first = device.report("007")
    assert device.report("007").blob == first.blob
    device.delivered("007", first.blob)
    with pytest.raises(DeviceRefusal, match="当天不能再次抄报"):
        device.report("007")


def test_the_next_day_reports_again() -> None:
    times = [NOW]
    device = make_device(now=lambda: times[-1])
    first = device.report("007")
    device.delivered("007", first.blob)
    times.append(NOW + timedelta(days=1))
    again = device.report("007")
    assert again.sealed_at == times[-1]
    assert not again.delivered


@pytest.mark.parametrize(
    ("kind", "status", "code", "word"),
    [
        (GOLDEN, InvoiceStatus.NORMAL, "250", "离线"),
        (DISK, InvoiceStatus.NORMAL, "-101", "离线"),
        (GOLDEN, InvoiceStatus.RED, "-101", "红字"),
        (DISK, InvoiceStatus.VOID, "-101", "作废"),
        (GOLDEN, InvoiceStatus.VOID_BLANK, "-101", "作废"),
    ],
)
def test_what_is_not_uploaded_blocks_its_type(
    kind: DeviceKind, status: InvoiceStatus, code: str, word: str
) -> None:
    device = make_device(kind, invoices=(invoice(1, status=status, uploaded=False),))
    with pytest.raises(DeviceRefusal, match=word) as caught:
        device.report("007")
    assert caught.value.code == code
    assert device.report("004").period == "2026-10"


def test_several_open_periods_are_refused() -> None:
    golden = make_device(report_from=date(2026, 9, 1))
    assert refused(lambda: golden.report("007")) == "245"
    golden.authorised("004").report_from = date(2026, 10, 1)
    assert refused(lambda: golden.report("007")) == "202"
    disk = make_device(DISK, report_from=date(2026, 9, 1))
    with pytest.raises(DeviceRefusal, match="多个属期"):
        disk.report("007")


def test_after_the_tax_office_unlocked_the_oldest_period_goes_first() -> None:
    device = make_device(report_from=date(2026, 8, 1), lock_date=date(2026, 9, 15))
    assert refused(lambda: device.report("007")) == "21"
    device.state.lock_override = False
    assert device.report("007").period == "2026-08"


def test_a_type_that_is_not_authorised() -> None:
    assert refused(lambda: make_device(GOLDEN).report("026")) == "210"
    assert refused(lambda: make_device(DISK).report("026")) == "09d110"


# -- clearing ----------------------------------------------------------------------------------------


def test_clearing_moves_the_period_and_the_lock_date() -> None:
    device = make_device()
    device.report("007")
    mark = device.clear("007", ciphertext(device))
    state = device.authorised("007")
    assert (state.report_from, state.lock_date) == (date(2026, 11, 1), date(2026, 12, 15))
    assert state.seal is None
    assert (mark.period, mark.lock_date_before) == ("2026-10", date(2026, 11, 16))
    assert device.authorised("004").lock_date == date(2026, 11, 16)


@pytest.mark.parametrize(("kind", "code"), [(GOLDEN, "158"), (DISK, "09d118")])
def test_a_ciphertext_works_once(kind: DeviceKind, code: str) -> None:
    device = make_device(kind)
    device.report("007")
    device.clear("007", ciphertext(device))
    assert refused(lambda: device.clear("007", ciphertext(device))) == code
    assert len(device.authorised("007").cleared) == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"n": "661800000000"}, "156"),
        ({"t": "004"}, "159"),
        ({"p": "2026-09"}, "157"),
        ({"l": "2026-11-30"}, "148"),
        ({"l": "2026-10-15"}, "148"),
    ],
)
def test_a_ciphertext_made_for_something_else(changes: dict[str, str], code: str) -> None:
    device = make_device()
    device.report("007")
    before = device.state.model_dump()
    assert refused(lambda: device.clear("007", ciphertext(device, **changes))) == code
    assert device.state.model_dump() == before


@pytest.mark.parametrize("text", ["", "5aWl", "not base64!", "A" * 172])
def test_a_ciphertext_that_is_none(text: str) -> None:
    device = make_device()
    device.report("007")
    assert refused(lambda: device.clear("007", text)) == "155"


def test_clearing_wants_a_report_first() -> None:
    device = make_device()
    assert refused(lambda: device.clear("007", ciphertext(device))) == "149"


# -- lock, password, clock ---------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "code"), [(GOLDEN, "21"), (DISK, "09d109")])
def test_an_overdue_device_with_several_periods_open_is_locked(kind: DeviceKind, code: str) -> None:
    device = make_device(kind, lock_date=date(2026, 11, 9), report_from=date(2026, 9, 1))
    assert device.overdue
    assert device.locked
    assert refused(lambda: device.report("007")) == code
    assert refused(lambda: device.clear("007", ciphertext(device))) == code


def test_past_its_lock_date_it_is_still_reported_and_cleared_which_unlocks_it() -> None:
    device = make_device(lock_date=date(2026, 11, 9))
    assert (device.overdue, device.locked) == (True, False)
    for name in ("004", "007"):
        device.report(name)
        device.clear(name, ciphertext(device, t=name))
    assert not device.overdue


def test_on_the_lock_date_itself_it_can_still_be_cleared() -> None:
    device = make_device(lock_date=NOW.date())
    assert not device.overdue
    device.report("007")
    assert device.clear("007", ciphertext(device)).lock_date_after == date(2026, 12, 15)


def test_the_drift_of_its_clock_decides() -> None:
    device = make_device(lock_date=NOW.date())
    device.state.clock_offset_seconds = 86400
    assert device.overdue


def test_an_unlocked_device_follows_its_lock_dates_again_once_cleared() -> None:
    device = make_device(lock_date=date(2026, 11, 9))
    device.state.lock_override = False
    for name in ("004", "007"):
        device.report(name)
        device.clear(name, ciphertext(device, t=name))
    assert device.state.lock_override is None


def test_wrong_passwords_count_down_and_lock() -> None:
    device = make_device(DISK)
    codes = [refused(lambda: device.check_password("x")) for _ in range(PASSWORD_TRIES)]
    assert codes == [f"0963c{left}" for left in reversed(range(PASSWORD_TRIES))]
    assert refused(lambda: device.check_password("88888888")) == "0963c0"


def test_the_right_password_restores_the_tries() -> None:
    device = make_device(DISK)
    assert refused(lambda: device.check_password("x")) == f"0963c{PASSWORD_TRIES - 1}"
    device.check_password("88888888")
    assert device.state.tries_left == PASSWORD_TRIES


def test_a_golden_tax_disk_does_not_tell_the_tries() -> None:
    device = make_device(GOLDEN)
    codes = [refused(lambda: device.check_password("x")) for _ in range(PASSWORD_TRIES)]
    assert codes == ["236"] * (PASSWORD_TRIES - 1) + ["238"]


@pytest.mark.parametrize(("kind", "code"), [(GOLDEN, "4001"), (DISK, "09c000")])
def test_an_unplugged_device_is_not_found(kind: DeviceKind, code: str) -> None:
    device = make_device(kind)
    device.state.plugged = False
    assert refused(device.number) == code
    assert refused(lambda: device.check_password("88888888")) == code


def test_the_clock_can_be_set_but_not_behind_what_is_stored() -> None:
    device = make_device(invoices=(invoice(1, datetime(2026, 11, 9, 12)),))
    device.set_clock(NOW + timedelta(minutes=7))
    assert device.now == NOW + timedelta(minutes=7)
    assert refused(lambda: device.set_clock(datetime(2026, 11, 9, 11))) == "100"


def test_setting_the_clock_makes_a_report_of_the_same_day_possible() -> None:
    device = make_device()
    device.state.clock_offset_seconds = 100_000
    seal = device.report("007")
    device.delivered("007", seal.blob)
    device.state.types[1].last_reported_at = NOW
    device.set_clock(NOW)
    content = seals.unseal("totals", NUMBER, device.report("007").blob, seals.TOTALS_BYTES)
    assert content["f"] == "0"


# -- reading -----------------------------------------------------------------------------------------


def test_statistics_count_each_invoice_under_its_status() -> None:
    device = make_device(
        invoices=(
            invoice(1, datetime(2026, 9, 30, 23, 59)),
            invoice(2),
            invoice(3, status=InvoiceStatus.VOID),
            invoice(4, status=InvoiceStatus.RED),
            invoice(5, datetime(2026, 10, 31, 23, 59)),
            invoice(6, invoice_type="004"),
        )
    )
    (october,) = device.statistics("007", date(2026, 10, 1), date(2026, 10, 31))
    counts = {status.value: bucket.count for status, bucket in october.by_status.items()}
    assert counts == {"normal": 2, "red": 1, "void_blank": 0, "void": 1, "void_red": 0}
    assert october.by_status[InvoiceStatus.NORMAL].amount == Decimal("200.00")
    assert october.by_status[InvoiceStatus.RED].tax == Decimal("-13.00")
    assert (october.opening_stock, october.closing_stock) == (OPENING_STOCK - 1, OPENING_STOCK - 5)


def test_statistics_are_given_by_month_and_empty_months_count() -> None:
    device = make_device(invoices=(invoice(1),))
    periods = device.statistics("007", date(2026, 9, 15), date(2026, 11, 10))
    assert [(p.first, p.last) for p in periods] == [
        (date(2026, 9, 15), date(2026, 9, 30)),
        (date(2026, 10, 1), date(2026, 10, 31)),
        (date(2026, 11, 1), date(2026, 11, 10)),
    ]
    assert [p.used for p in periods] == [0, 1, 0]


def test_statistics_refuse_a_range_that_makes_no_sense() -> None:
    device = make_device()
    assert refused(lambda: device.statistics("007", date(2026, 2, 1), date(2026, 1, 1))) == "-101"
    assert refused(lambda: device.statistics("007", date(1, 1, 1), date(9999, 1, 1))) == "-101"


def test_invoices_by_month_and_by_number() -> None:
    device = make_device(invoices=(invoice(1), invoice(2), invoice(3, datetime(2026, 11, 2))))
    month = device.invoices_of_month("007", Period("2026-10"))
    assert [i.number for i in month] == ["00000001", "00000002"]
    found = device.invoices_by_number("007", "3100000130", "00000002", "00000009")
    assert [i.number for i in found] == ["00000002", "00000003"]
    assert device.invoices_by_number("007", "999", "00000001", "00000009") == []
