"""Every pre-check: when it is ok, when it warns, when it blocks, and what a request then fails with."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from app import prechecks
from app.contracts.devices import DeviceReading, InvoiceType, LinkState
from app.contracts.faults import FAULTS
from app.invoices.unfinished import Waiting
from app.prechecks import DeviceFault, Facts, Severity

NUMBER = "661814461322"
NOW = datetime(2026, 11, 10, 2, 0, tzinfo=UTC)
CLOCK = datetime(2026, 11, 10, 10, 0)
OK, WARNING, BLOCKING = Severity.OK, Severity.WARNING, Severity.BLOCKING
UNKNOWN = Severity.UNKNOWN
SPECIAL, ORDINARY = InvoiceType.SPECIAL_PAPER, InvoiceType.ORDINARY_PAPER

Reading = Callable[..., DeviceReading]

DEVICE_CODES = [
    "agent.reachable",
    "device.connected",
    "device.identity",
    "device.register",
    "clearing.mode",
    "software.version",
    "device.locked",
    "device.fault",
    "device.types",
    "period.duplicate",
    "period.order",
    "period.reported",
    "machines.order",
    "device.clock",
    "bureau.reachable",
    "bureau.filed",
    "invoices.drafts",
    "invoices.uploaded",
    "ledger.statistics",
    "clearing.recent",
]
UNASKED = {"bureau.reachable", "bureau.filed", "ledger.statistics"}
"""What the facts of a device that is well leave open: this one talks to the bureau by itself."""
SYSTEM_CODES = ["system.health", "taxpayer.complete", "peak_window", "backup.space"]


@pytest.fixture
def well(reading: Reading, well_facts: Callable[..., Facts]) -> Facts:
    """Nothing to object to."""
    return well_facts(reading(NUMBER))


def test_a_device_that_is_well_passes_every_check(well: Facts) -> None:
    checks = prechecks.run(well)
    assert [check.code for check in checks] == DEVICE_CODES + SYSTEM_CODES
    assert {check.code for check in checks if check.severity is UNKNOWN} == UNASKED
    assert {check.severity for check in checks} == {OK, UNKNOWN}
    assert prechecks.is_ok(checks)
    assert prechecks.first_blocking(checks) is None


def test_the_checks_of_every_device_are_run(well: Facts) -> None:
    two = replace(well, devices=(well.devices[0], replace(well.devices[0], number="2" * 12)))
    assert [check.code for check in prechecks.run(two)] == DEVICE_CODES * 2 + SYSTEM_CODES


def test_a_device_that_cannot_be_read_is_all_that_is_said_about_it(well: Facts) -> None:
    fault = DeviceFault("device.disconnected", "设备未连接", "重新插接", "09c000", "设备不存在")
    device = replace(well.devices[0], reading=None, fault=fault)
    checks = prechecks.run(replace(well, devices=(device,)))
    assert [check.code for check in checks] == [
        "agent.reachable",
        "device.connected",
        *SYSTEM_CODES,
    ]
    first = prechecks.first_blocking(checks)
    assert first is not None
    assert (first.error_code, first.remedy) == ("device.disconnected", "重新插接")
    assert (first.device_code, first.device_message) == ("09c000", "设备不存在")


def test_an_agent_that_cannot_be_reached_is_no_fault_of_the_device(well: Facts) -> None:
    fault = DeviceFault("agent.unreachable", "设备代理无法访问", "检查代理电脑")
    device = replace(well.devices[0], reading=None, fault=fault)
    first = prechecks.first_blocking(prechecks.run(replace(well, devices=(device,))))
    assert first is not None
    assert (first.code, first.error_code) == ("agent.reachable", "agent.unreachable")


Case = tuple[str, dict[str, Any], Severity, str]

READINGS: dict[str, Case] = {
    # what is read: (check, what differs in the reading, severity, error code)
    "another number": (
        "device.identity",
        {"info": {"number": "9" * 12}},
        BLOCKING,
        "device.number_mismatch",
    ),
    "another taxpayer": (
        "device.identity",
        {"info": {"tax_no": "91310115000000001X"}},
        BLOCKING,
        "device.taxpayer_mismatch",
    ),
    "tax number in lower case": (
        "device.identity",
        {"info": {"tax_no": "91420111lqhq3ulka4"}},
        OK,
        "",
    ),
    "lock date today": ("device.locked", {"monitor": {"lock_date": CLOCK.date()}}, OK, ""),
    "lock date yesterday": (
        "device.locked",
        {"monitor": {"lock_date": date(2026, 11, 9)}},
        WARNING,
        "",
    ),
    "locked by hand": (
        "device.locked",
        {"summary": {"state": LinkState.LOCKED}},
        BLOCKING,
        "device.locked",
    ),
    "fault": ("device.fault", {"summary": {"state": LinkState.FAULT}}, BLOCKING, "device.fault"),
    "reported 90 days ago": (
        "device.fault",
        {"monitor": {"last_reported_at": CLOCK - timedelta(days=90)}},
        OK,
        "",
    ),
    "zombie": (
        "device.fault",
        {"monitor": {"last_reported_at": CLOCK - timedelta(days=91)}},
        WARNING,
        "",
    ),
    "cleared elsewhere": (
        "period.duplicate",
        {"monitor": {"lock_date": date(2026, 12, 15)}},
        WARNING,
        "",
    ),
    "an older period is open (rule 5)": (
        "period.order",
        {"monitor": {"report_from": datetime(2026, 9, 1)}},
        BLOCKING,
        "device.several_periods",
    ),
    "clock 5 minutes off": (
        "device.clock",
        {"info": {"clock_at": CLOCK - timedelta(minutes=5)}},
        OK,
        "",
    ),
    "clock more than 5 minutes fast": (
        "device.clock",
        {"info": {"clock_at": CLOCK + timedelta(minutes=5, seconds=1)}},
        WARNING,
        "",
    ),
    "clock 24 hours off": (
        "device.clock",
        {"info": {"clock_at": CLOCK - timedelta(hours=24)}},
        WARNING,
        "",
    ),
    "clock more than 24 hours off": (
        "device.clock",
        {"info": {"clock_at": CLOCK - timedelta(hours=24, seconds=1)}},
        BLOCKING,
        "device.clock_wrong",
    ),
    "bureau away": (
        "bureau.reachable",
        {"bureau_reachable": False},
        BLOCKING,
        "bureau.unreachable",
    ),
    "bureau there": ("bureau.reachable", {"bureau_reachable": True}, OK, ""),
}


@pytest.mark.parametrize("name", READINGS)
def test_what_the_device_shows(well: Facts, reading: Reading, name: str) -> None:
    code, changes, severity, error_code = READINGS[name]
    device = replace(well.devices[0], reading=reading(NUMBER, **changes))
    _assert_only(replace(well, devices=(device,)), code, severity, error_code)


DEVICES: dict[str, Case] = {
    # what is registered: (check, what differs, severity, error code)
    "a type not authorised": (
        "device.types",
        {"invoice_types": (SPECIAL, InvoiceType.ROLL)},
        BLOCKING,
        "device.type_not_authorized",
    ),
    "one of the types": ("device.types", {"invoice_types": (SPECIAL,)}, OK, ""),
    "cleared before": (
        "period.duplicate",
        {"cleared_types": frozenset({SPECIAL, ORDINARY})},
        BLOCKING,
        "clearing.duplicate",
    ),
    "one type cleared before": (
        "period.duplicate",
        {"cleared_types": frozenset({SPECIAL})},
        OK,
        "",
    ),
    "the wanted type cleared before": (
        "period.duplicate",
        {"cleared_types": frozenset({SPECIAL}), "invoice_types": (SPECIAL,)},
        BLOCKING,
        "clearing.duplicate",
    ),
    "drafts": ("invoices.drafts", {"drafts": 1}, BLOCKING, "clearing.drafts"),
    "drafts of later months": ("invoices.drafts", {"later_drafts": 2}, WARNING, ""),
    "not uploaded": (
        "invoices.uploaded",
        {"not_uploaded": Waiting(offline=3)},
        BLOCKING,
        "device.offline_not_uploaded",
    ),
    "red ones not uploaded": (
        "invoices.uploaded",
        {"not_uploaded": Waiting(red=1)},
        BLOCKING,
        "device.red_not_uploaded",
    ),
    "void ones not uploaded": (
        "invoices.uploaded",
        {"not_uploaded": Waiting(void=2), "uploads_read": False},
        BLOCKING,
        "device.void_not_uploaded",
    ),
    "the device was not asked what is not uploaded": (
        "invoices.uploaded",
        {"uploads_read": False},
        UNKNOWN,
        "",
    ),
    "cleared 19 days ago": (
        "clearing.recent",
        {"last_cleared_at": NOW - timedelta(days=19)},
        WARNING,
        "",
    ),
    "cleared 20 days ago": (
        "clearing.recent",
        {"last_cleared_at": NOW - timedelta(days=20)},
        OK,
        "",
    ),
}


@pytest.mark.parametrize("name", DEVICES)
def test_what_is_registered(well: Facts, name: str) -> None:
    code, changes, severity, error_code = DEVICES[name]
    device = replace(well.devices[0], **changes)
    _assert_only(replace(well, devices=(device,)), code, severity, error_code)


PEAK = (time(9, 0), time(11, 30))

SYSTEM: dict[str, Case] = {
    "taxpayer incomplete": (
        "taxpayer.complete",
        {"taxpayer_name": ""},
        BLOCKING,
        "clearing.taxpayer_incomplete",
    ),
    "in the peak hours": (
        "peak_window",
        {"peak_window": PEAK},
        BLOCKING,
        "clearing.peak_window",
    ),
    "in the peak hours all the same": (
        "peak_window",
        {"peak_window": PEAK, "override_window": True},
        WARNING,
        "",
    ),
    "the first moment of the peak hours": (
        "peak_window",
        {"peak_window": PEAK, "now": datetime(2026, 11, 10, 1, 0, tzinfo=UTC)},
        BLOCKING,
        "clearing.peak_window",
    ),
    "the end of the peak hours": (
        "peak_window",
        {"peak_window": PEAK, "now": datetime(2026, 11, 10, 3, 30, tzinfo=UTC)},
        OK,
        "",
    ),
    "just enough space": ("backup.space", {"free_bytes": 1 << 30}, OK, ""),
    "too little space": (
        "backup.space",
        {"free_bytes": (1 << 30) - 1},
        BLOCKING,
        "backup.disk_full",
    ),
    "no place for backups": (
        "backup.space",
        {"free_bytes": None, "target_problem": "Not a directory"},
        BLOCKING,
        "backup.target_unwritable",
    ),
}


@pytest.mark.parametrize("name", SYSTEM)
def test_what_the_system_says(well: Facts, name: str) -> None:
    code, changes, severity, error_code = SYSTEM[name]
    _assert_only(replace(well, **changes), code, severity, error_code)


def test_an_exceptional_request_may_clear_a_locked_device(well: Facts, reading: Reading) -> None:
    device = replace(
        well.devices[0], reading=reading(NUMBER, monitor={"lock_date": date(2026, 11, 9)})
    )
    _assert_only(replace(well, devices=(device,), exceptional=True), "device.locked", WARNING, "")


def test_what_blocks_has_a_remedy_and_a_code_people_can_look_up(
    well: Facts, reading: Reading
) -> None:
    for code, changes, severity, error_code in READINGS.values():
        device = replace(well.devices[0], reading=reading(NUMBER, **changes))
        found = _check(replace(well, devices=(device,)), code)
        if severity is not OK:
            assert found.remedy
        if error_code in FAULTS:
            assert found.remedy == FAULTS[error_code].remedy


def _check(facts: Facts, code: str) -> prechecks.Check:
    return next(check for check in prechecks.run(facts) if check.code == code)


def _assert_only(facts: Facts, code: str, severity: Severity, error_code: str) -> None:
    """This check says so, every other one is ok or was not asked, and the verdict follows."""
    checks = prechecks.run(facts)
    expected = {one.code: UNKNOWN if one.code in UNASKED else OK for one in checks}
    expected |= {code: severity}
    assert {one.code: one.severity for one in checks} == expected
    assert _check(facts, code).error_code == error_code
    assert prechecks.is_ok(checks) is (severity is not BLOCKING)


def test_every_check_is_counted_once_and_none_that_was_not_made_as_passed(well: Facts) -> None:
    checks = prechecks.run(well)
    total = len(DEVICE_CODES) + len(SYSTEM_CODES)
    assert prechecks.counted(checks) == f"{total - 3} 项检查通过，3 项未核对"
    late = replace(well.devices[0], drafts=1, last_cleared_at=NOW - timedelta(days=19))
    said = prechecks.counted(prechecks.run(replace(well, devices=(late,))))
    assert said == f"{total - 5} 项检查通过，1 项未通过，1 项需留意，3 项未核对"
