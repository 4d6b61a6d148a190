"""The demonstration world: enterprises, devices and invoices, the same for the same day and size.

Lock dates are relative to the day of seeding, so that on any day of any month some devices are due, some
near their lock date, some locked and some cleared.
"""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from random import Random

from app.contracts.devices import DeviceKind, InvoiceStatus
from app.contracts.periods import Period
from app.simulator.bureau import next_lock_date
from app.simulator.control_schemas import invoice_code
from app.simulator.model import DemoState, DeviceState, Invoice, Taxpayer, TypeState
from app.simulator.names import BUYERS_ITEMS, REGIONS, company_name, tax_no, taxpayers

INVOICE_BUDGET = 60_000
"""Invoices of a whole world; large worlds have fewer invoices on each device."""

_PATTERN = [
    "due",
    "due",
    "near",
    "locked",
    "cleared",
    "due",
    "due",
    "due",
    "due",
    "near",
    "due",
    "cleared",
    "due",
    "due",
    "due",
    "due",
    "due",
    "cleared",
    "due",
    "due",
]
_KINDS = (
    DeviceKind.TAX_DISK,
    DeviceKind.GOLDEN_TAX_DISK,
    DeviceKind.TAX_DISK,
    DeviceKind.UKEY,
    DeviceKind.GOLDEN_TAX_DISK,
)
_VERSIONS = {
    DeviceKind.TAX_DISK: "V2.0.1",
    DeviceKind.GOLDEN_TAX_DISK: "K4.07.11",
    DeviceKind.UKEY: "U1.0.22",
}
_TYPES = (("004", "007"), ("004", "007", "026"), ("007", "026"), ("004", "007", "026"))
_DEVICES_OF_ENTERPRISE = (1, 2, 1, 3, 1, 1, 4, 2)
_RATES = ("0.13", "0.06", "0.03", "0.09")
_STATUSES = (
    *[InvoiceStatus.NORMAL] * 22,
    InvoiceStatus.VOID,
    InvoiceStatus.RED,
    InvoiceStatus.NORMAL,
)
_CENT = Decimal("0.01")

SeededDevice = tuple[DeviceState, list[Invoice]]


def seed_world(devices: int, today: date) -> Iterator[SeededDevice]:
    """`devices` devices as they stand on the device clock's day `today`, with their invoices."""
    random = Random(20240115)  # noqa: S311 - a demonstration, not a secret
    for index, (taxpayer, machine_no) in zip(range(devices), _places(random), strict=False):
        yield _device(random, index, taxpayer, machine_no, today, _share(devices))


def demo_state(index: int) -> DemoState:
    """The state of device `index` (from 0): of twenty, 14 due, 2 near, 1 locked, 3 cleared."""
    return DemoState(_PATTERN[index % len(_PATTERN)])


def device_number(index: int) -> str:
    """Twelve digits, unique for the first hundred million devices; the prefix tells no kind."""
    return f"6618{(14461322 + index * 7919) % 10**8:08d}"


def lock_date_of(state: DemoState, index: int, today: date) -> date:
    """The lock date that puts a device into `state` on `today`."""
    last = Period.of(today).plus(1).first_day - timedelta(days=1)
    left = (last - today).days
    if state is DemoState.LOCKED:
        return today - timedelta(days=1 + index % 3)
    if state is DemoState.CLEARED:
        return next_lock_date(Period.of(today).plus(-1), today.replace(day=1), today)
    return today + timedelta(
        days=min(left, index % 2 if state is DemoState.NEAR else _spread(index, left))
    )


def _spread(index: int, left: int) -> int:
    """Days until the lock date: the first due device has until the end of the month."""
    return left - (index * 5) % (left + 1)


def _share(devices: int) -> tuple[int, int]:
    """Fewest and most invoices on a device in the period to clear."""
    most = max(4, min(80, INVOICE_BUDGET // max(devices, 1) - 4))
    return max(3, most // 4), most


def _places(random: Random) -> Iterator[tuple[Taxpayer, int]]:
    """Taxpayer and machine number (0 main, 1.. sub) of one device after the other."""
    for place, taxpayer in enumerate(taxpayers(random)):
        for machine_no in range(_DEVICES_OF_ENTERPRISE[place % len(_DEVICES_OF_ENTERPRISE)]):
            yield taxpayer, machine_no


def _device(
    random: Random,
    index: int,
    taxpayer: Taxpayer,
    machine_no: int,
    today: date,
    share: tuple[int, int],
) -> SeededDevice:
    kind = _KINDS[index % len(_KINDS)]
    lock_date = lock_date_of(demo_state(index), index, today)
    report_from = Period.of(lock_date).plus(-1)
    state = DeviceState(
        number=device_number(index),
        kind=kind,
        taxpayer=taxpayer,
        machine_code=f"{499900000000 + index}",
        machine_no=machine_no,
        version=_VERSIONS[kind],
        enabled_at=datetime(2021, 1 + index % 12, 1 + index % 28, 9),
        lock_override=True if demo_state(index) is DemoState.LOCKED else None,
        types=[
            _type_state(name, index * 4 + place, report_from, lock_date, today)
            for place, name in enumerate(_TYPES[index % len(_TYPES)])
        ],
    )
    periods = sorted({report_from, Period.of(today).plus(-1), Period.of(today)})
    invoices = [
        invoice for period in periods for invoice in _month(random, state, period, today, share)
    ]
    return state, invoices


def _type_state(
    name: str, place: int, report_from: Period, lock_date: date, today: date
) -> TypeState:
    """Last reported in the month of the open period, for the one before it; never after `today`."""
    reported = min(report_from.first_day + timedelta(days=place % 9), today)
    return TypeState(
        invoice_type=name,
        report_from=report_from.first_day,
        lock_date=lock_date,
        last_reported_at=datetime.combine(reported, time(0, 0)),
        next_number=10_000_001 + place * 1000 % 80_000_000,
        code=invoice_code(name, place % 10_000),
        single_limit=Decimal("999999.99") if name == "004" else Decimal("99999.99"),
    )


def _month(
    random: Random, state: DeviceState, period: Period, today: date, share: tuple[int, int]
) -> list[Invoice]:
    """Invoices of one month, in the order of issue; a few in the current month, none after yesterday."""
    current = period == Period.of(today)
    days = today.day - 1 if current else (period.plus(1).first_day - period.first_day).days
    count = random.randint(2, 4) if current else random.randint(*share)
    if days == 0:
        return []
    start = datetime.combine(period.first_day, time())
    moments = sorted(
        start + timedelta(days=random.randrange(days), seconds=random.randrange(32400, 64800))
        for _ in range(count)
    )
    return [_invoice(random, random.choice(state.types), at) for at in moments]


def _invoice(random: Random, state: TypeState, at: datetime) -> Invoice:
    number = state.next_number
    state.next_number += 1
    status = random.choice(_STATUSES)
    rate = random.choice(_RATES)
    amount = Decimal(random.randint(5_000, 3_000_000)) / 100
    signed = -amount if status is InvoiceStatus.RED else amount
    region = random.choice(REGIONS)
    red = status is InvoiceStatus.RED
    return Invoice(
        invoice_type=state.invoice_type,
        code=state.code,
        number=f"{number:08d}",
        status=status,
        uploaded=True,
        issued_at=at,
        amount=signed.quantize(_CENT),
        tax=(signed * Decimal(rate)).quantize(_CENT, ROUND_HALF_UP),
        buyer_tax_no=tax_no(random, region),
        buyer_name=company_name(random, region.city),
        item=random.choice(BUYERS_ITEMS),
        rate=rate,
        original_code=state.code if red else "",
        original_number=f"{number - 1:08d}" if red else "",
    )
