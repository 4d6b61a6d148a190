"""What mode and kind ask of a device before anything is touched."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from app import prechecks
from app.clearing import queries
from app.clearing.models import ClearingRequest
from app.clearing.states import Kind, Mode
from app.contracts.devices import DeviceReading, InvoiceType
from app.core.db import Session
from app.devices import queries as devices_queries
from app.devices import service as devices_service
from app.devices.models import Device
from app.devices.service import Change
from app.prechecks import Check, Facts, Severity
from app.prechecks.readings import Read
from app.requests.run import register

if TYPE_CHECKING:
    from tests.office import Office

Reading = Callable[..., DeviceReading]

NUMBER = "661814461322"
CHANGES = (
    Change("version", "设备版本", "V2.0.1", "V3.0.0"),
    Change("machine_no", "开票机号", "", "2", saved=False),
)
REPORTED = {"last_reported_at": datetime(2026, 11, 3, 9)}


@pytest.fixture
def well(reading: Reading, well_facts: Callable[..., Facts]) -> Facts:
    """A device that owes October and has not reported it."""
    return well_facts(reading(NUMBER))


def _check(facts: Facts, code: str, **device: object) -> Check:
    changed = replace(facts.devices[0], **device)  # type: ignore[arg-type]
    found = prechecks.run(replace(facts, devices=(changed,)))
    return next(check for check in found if check.code == code)


def test_a_difference_is_a_warning_that_names_it(well: Facts) -> None:
    check = _check(well, "device.register", changes=CHANGES)
    assert check.severity is Severity.WARNING
    assert "设备版本 V2.0.1 → V3.0.0" in check.message
    assert "更新清卡" in check.remedy
    assert [(one.label, one.value) for one in check.evidence] == [
        ("设备版本", "V2.0.1 → V3.0.0"),
        ("开票机号", "— → 2"),
    ]


@pytest.mark.parametrize("mode", [Mode.FIRST, Mode.UPDATE])
def test_where_it_is_saved_anyway_it_is_no_warning(well: Facts, mode: Mode) -> None:
    check = _check(replace(well, mode=mode), "device.register", changes=CHANGES)
    assert check.severity is Severity.OK
    assert "设备版本 V2.0.1 → V3.0.0" in check.message


@pytest.mark.parametrize("mode", list(Mode))
def test_another_number_blocks_in_every_mode(well: Facts, reading: Reading, mode: Mode) -> None:
    wrong = reading(NUMBER, info={"number": "1" * 12})
    check = _check(replace(well, mode=mode), "device.identity", reading=wrong)
    assert check.severity is Severity.BLOCKING


@pytest.mark.parametrize(
    ("mode", "before", "severity"),
    [
        (Mode.FIRST, True, Severity.BLOCKING),
        (Mode.FIRST, False, Severity.OK),
        (Mode.REGULAR, True, Severity.OK),
        (Mode.UPDATE, True, Severity.OK),
    ],
)
def test_a_first_clearing_has_none_before_it(
    well: Facts, mode: Mode, before: bool, severity: Severity
) -> None:
    check = _check(replace(well, mode=mode), "clearing.mode", cleared_before=before)
    assert check.severity is severity
    assert check.error_code == ("clearing.mode" if severity is Severity.BLOCKING else "")


def test_a_tax_clearing_wants_every_type_reported(well: Facts, reading: Reading) -> None:
    tax = replace(well, kind=Kind.TAX)
    chosen = (InvoiceType.ORDINARY_PAPER,)
    check = _check(tax, "period.reported", invoice_types=chosen)
    assert (check.severity, check.error_code) == (Severity.BLOCKING, "clearing.not_reported")
    assert check.message.startswith("004、007 ")
    assert "先在开票软件" in check.remedy
    done = _check(tax, "period.reported", reading=reading(NUMBER, monitor=REPORTED))
    assert done.severity is Severity.OK


def test_a_device_clearing_reports_by_itself(well: Facts) -> None:
    check = _check(well, "period.reported")
    assert check.severity is Severity.OK
    assert "清卡时先抄报" in check.message


# -- the register ----------------------------------------------------------------------------------


def _changed(office: "Office", mode: Mode, reading: Reading) -> tuple[UUID, UUID, DeviceReading]:
    """A request of this mode for a device that has got another version and another type."""
    subject = office.operator()
    request_id = office.submit(subject, mode=mode)
    with office.database.reading() as session:
        number = session.get_one(Device, subject.device_ids[0]).number
    types = (InvoiceType.SPECIAL_PAPER, InvoiceType.ROLL)
    return request_id, subject.device_ids[0], reading(number, types, info={"version": "V3.0.0"})


def _register(session: Session, device_id: UUID) -> tuple[str, list[str]]:
    monitors = devices_queries.monitors_of(session, [device_id])[device_id]
    version = session.get_one(Device, device_id).version
    return version, [one.invoice_type.value for one in monitors]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (Mode.REGULAR, ("V2.0.1", ["004", "007"])),
        (Mode.FIRST, ("V3.0.0", ["004", "025"])),
        (Mode.UPDATE, ("V3.0.0", ["004", "025"])),
    ],
)
def test_the_mode_decides_what_becomes_of_the_register(
    any_office: "Office", reading: Reading, mode: Mode, expected: tuple[str, list[str]]
) -> None:
    request_id, device_id, read = _changed(any_office, mode, reading)

    def prepare(session: Session, request: ClearingRequest) -> None:
        device = session.get_one(Device, device_id)
        devices_service.observe(session, device, read, at=any_office.clock())
        assert _register(session, device_id) == ("V2.0.1", ["004", "007"])
        reads = {device_id: Read(read)}
        register.prepare(session, request, reads, at=any_office.clock())

    any_office.change(request_id, prepare)
    with any_office.database.reading() as session:
        assert _register(session, device_id) == expected
        said = [event.text for event in queries.events(session, request_id)]
    assert any("设备版本 V2.0.1 → V3.0.0" in text for text in said) is (mode is not Mode.REGULAR)


def test_after_the_clearing_the_register_is_what_the_device_shows(
    office: "Office", reading: Reading
) -> None:
    request_id, device_id, read = _changed(office, Mode.REGULAR, reading)

    def settle(session: Session, request: ClearingRequest) -> None:
        device = session.get_one(Device, device_id)
        register.settle(session, request, device, read, at=office.clock())

    office.change(request_id, settle)
    with office.database.reading() as session:
        assert _register(session, device_id) == ("V3.0.0", ["004", "025"])
        device = session.get_one(Device, device_id)
        assert devices_service.differences(session, device, read) == []


def test_looking_at_a_device_tells_the_differences_and_keeps_how_it_is(
    office: "Office", reading: Reading
) -> None:
    _, device_id, read = _changed(office, Mode.REGULAR, reading)
    with office.database.transaction() as session:
        device = session.get_one(Device, device_id)
        told = devices_service.differences(session, device, read)
        devices_service.observe(session, device, read, at=office.clock())
        assert devices_service.differences(session, device, read) == told
    assert [str(change) for change in told] == [
        "设备版本 V2.0.1 → V3.0.0",
        "授权票种 004、007 → 004、025",
    ]
