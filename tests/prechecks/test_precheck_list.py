"""The pre-checks of docs/domain.md: each condition has its check, and each check says what it looked at."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from app import prechecks
from app.clearing import errors
from app.contracts.devices import (
    AgentStatus,
    BureauState,
    BureauTypeView,
    BureauView,
    DeviceReading,
    InvoiceType,
)
from app.contracts.faults import FAULTS
from app.contracts.periods import Period
from app.prechecks import Check, DeviceFault, Facts, Severity
from app.prechecks.facts import Reported, SubMachine, SubState, SystemFacts, sub_state
from app.settings import ROOT

NUMBER = "661814461322"
NOW = datetime(2026, 11, 10, 2, 0, tzinfo=UTC)
CLOCK = datetime(2026, 11, 10, 10, 0)
DUE = Period("2026-10")
OK, WARNING, BLOCKING = Severity.OK, Severity.WARNING, Severity.BLOCKING
UNKNOWN = Severity.UNKNOWN
SPECIAL, ORDINARY = InvoiceType.SPECIAL_PAPER, InvoiceType.ORDINARY_PAPER
REPORTED = {"last_reported_at": datetime(2026, 11, 9, 9, 0)}

Reading = Callable[..., DeviceReading]

_SECTION = (
    (ROOT / "docs/domain.md").read_text("utf-8").split("\n## Pre-checks\n")[1].split("\n## ")[0]
)
CONDITIONS = {
    condition: set(re.findall(r"`([a-z._]+)`", codes))
    for condition, codes in re.findall(r"^\| ([^|`]+) \| (`[^|]+) \|$", _SECTION, re.MULTILINE)
}
"""The conditions of the document, and the codes that stand for them."""


@pytest.fixture
def well(reading: Reading, well_facts: Callable[..., Facts]) -> Callable[..., Facts]:
    """Facts of one device that is well; what is read, the device and the whole can be changed."""

    def make(read: dict[str, Any] | None = None, **changes: Any) -> Facts:
        agent = AgentStatus(
            version="1.0", contract_version=1, drivers=(), uptime_seconds=90.0, devices=3
        )
        device = {"version": "V2.0.1", "agent": agent} | changes.pop("device", {})
        return well_facts(reading(NUMBER, **(read or {})), device=device, **changes)

    return make


Well = Callable[..., Facts]


def _check(facts: Facts, code: str) -> Check:
    (found,) = (check for check in prechecks.run(facts) if check.code == code)
    return found


def _evidence(check: Check) -> dict[str, str]:
    return {one.label: one.value for one in check.evidence}


def test_every_condition_of_the_document_has_its_check_and_every_check_its_condition(
    well: Well,
) -> None:
    codes = {check.code for check in prechecks.run(well())}
    assert len(CONDITIONS) >= 18
    assert set().union(*CONDITIONS.values()) == codes


def test_every_check_says_what_it_looked_at(well: Well) -> None:
    fault = DeviceFault("device.disconnected", "设备未连接", "重新插接", "09c000", "设备不存在")
    unread = replace(well().devices[0], reading=None, fault=fault)
    for facts in (well(), well(devices=(unread,))):
        for check in prechecks.run(facts):
            assert check.evidence, check.code
            assert all(one.label and one.value for one in check.evidence), check.code


def test_the_checks_of_a_device_name_it_and_the_others_none(well: Well) -> None:
    named = {check.code: check.device_number for check in prechecks.run(well())}
    system = {"system.health", "taxpayer.complete", "peak_window", "backup.space"}
    assert {code for code, number in named.items() if not number} == system
    assert {number for number in named.values() if number} == {NUMBER}


def test_what_blocks_names_a_code_people_can_look_up(well: Well) -> None:
    """Of the checks of this file; the code is in the catalogue of faults or of errors."""
    known = set(FAULTS) | {
        error.code
        for error in vars(errors).values()
        if isinstance(error, type) and hasattr(error, "code")
    }
    blocked = [
        _check(well(device={"subs": (_sub(SubState.WAITING),)}), "machines.order"),
        _check(well(system=SystemFacts("1.0", "0012", "0013")), "system.health"),
        _check(well(read={"summary": {"minimum_version": "V3"}}), "software.version"),
        _check(_asked(well, BureauState.NOT_FILED, "bureau.not_filed"), "bureau.filed"),
    ]
    for check in blocked:
        assert check.severity is BLOCKING
        assert check.error_code in known
        assert check.remedy


# -- 软件版本 ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "least", "severity"),
    [
        ("V2.0.1", "", OK),
        ("V2.0.1", "V2.0.1", OK),
        ("V2.0", "V2.0.0", OK),
        ("V2.10", "V2.9", OK),
        ("V2.0.1", "V2.0.2", BLOCKING),
        ("K4.07.11", "K4.7.12", BLOCKING),
        ("K4.07.11", "V2.0", WARNING),
        ("", "V2.0", WARNING),
    ],
)
def test_the_device_is_not_older_than_the_agent_works_with(
    well: Well, version: str, least: str, severity: Severity
) -> None:
    facts = well(read={"info": {"version": version}, "summary": {"minimum_version": least}})
    check = _check(facts, "software.version")
    assert check.severity is severity
    assert _evidence(check)["设备版本"] == (version or "—")
    assert check.error_code == ("device.version_too_old" if severity is BLOCKING else "")


def test_an_agent_of_another_version_is_a_warning(well: Well) -> None:
    check = _check(well(system=SystemFacts("1.1", "0013", "0013")), "software.version")
    assert check.severity is WARNING
    assert (_evidence(check)["本系统版本"], _evidence(check)["设备代理版本"]) == ("1.1", "1.0")


def test_an_agent_with_other_messages_is_not_used(well: Well) -> None:
    fault = DeviceFault("agent.version", "设备代理版本不兼容", "升级")
    facts = well(device={"reading": None, "fault": fault})
    checks = prechecks.run(facts)
    assert checks[0].code == "software.version"
    assert (checks[0].severity, checks[0].error_code) == (BLOCKING, "agent.version")


# -- 系统 ----------------------------------------------------------------------------------------


def test_an_alarm_of_the_system_is_a_warning(well: Well) -> None:
    alarms = (("审计链验证失败", NOW), ("最近一次备份失败", NOW))
    check = _check(well(system=SystemFacts("1.0", "0013", "0013", alarms)), "system.health")
    assert (check.severity, check.message) == (
        WARNING,
        "系统有告警：审计链验证失败、最近一次备份失败",
    )
    assert "审计链验证失败（2026-11-10 10:00:00）" in _evidence(check)["告警"]


# -- 税务端 --------------------------------------------------------------------------------------


def _asked(well: Well, state: BureauState, code: str = "", **changes: Any) -> Facts:
    types = tuple(
        BureauTypeView(
            invoice_type=kind,
            state=state if kind is SPECIAL else BureauState.READY,
            period=DUE,
            code=code if kind is SPECIAL else "",
            bureau_code="E1" if code and kind is SPECIAL else "",
            message="税务端这样说" if code and kind is SPECIAL else "",
        )
        for kind in (SPECIAL, ORDINARY)
    )
    view = BureauView(number=NUMBER, asked_at=NOW, types=types)
    read = {"monitor": REPORTED, "bureau_reachable": True}
    return well(read=read, device={"bureau": view} | changes.pop("device", {}), **changes)


@pytest.mark.parametrize(
    ("state", "code", "severity", "exceptional"),
    [
        (BureauState.READY, "", OK, OK),
        (BureauState.NOT_REPORTED, "device.not_reported", UNKNOWN, UNKNOWN),
        (BureauState.NOT_FILED, "bureau.not_filed", BLOCKING, BLOCKING),
        (BureauState.MISMATCH, "bureau.mismatch", BLOCKING, WARNING),
        (BureauState.PENDING, "bureau.pending", BLOCKING, WARNING),
        (BureauState.UNKNOWN, "bureau.clock_factor", BLOCKING, WARNING),
        (BureauState.CLEARED, "", WARNING, WARNING),
    ],
)
def test_the_return_is_filed_and_matches(
    well: Well, state: BureauState, code: str, severity: Severity, exceptional: Severity
) -> None:
    """Rule 8: not filed is refused whatever is asked; what does not match only as an exception."""
    check = _check(_asked(well, state, code), "bureau.filed")
    assert check.severity is severity
    if severity is BLOCKING:
        assert (check.error_code, check.remedy) == (code, FAULTS[code].remedy)
        assert (check.device_code, check.device_message) == ("E1", "税务端这样说")
        assert "004" in check.message
    assert _evidence(check)["票种 007"] == "已申报，比对相符"
    assert (
        _check(_asked(well, state, code, exceptional=True), "bureau.filed").severity is exceptional
    )


def test_only_the_types_to_clear_count(well: Well) -> None:
    facts = _asked(
        well, BureauState.MISMATCH, "bureau.mismatch", device={"invoice_types": (ORDINARY,)}
    )
    check = _check(facts, "bureau.filed")
    assert check.severity is OK
    assert "票种 004" not in _evidence(check)


@pytest.mark.parametrize(
    ("read", "message", "severity"),
    [
        ({}, "申报与比对由设备自行核对", UNKNOWN),
        ({"bureau_reachable": True}, "抄报后由税务端核对申报与比对", UNKNOWN),
        (
            {"bureau_reachable": True, "monitor": {"lock_date": date(2026, 12, 15)}},
            "本期已清卡，不再核对申报",
            OK,
        ),
        ({"bureau_reachable": False, "monitor": REPORTED}, "税务端无法访问，没有核对", UNKNOWN),
    ],
)
def test_why_the_bureau_was_not_asked(
    well: Well, read: dict[str, Any], message: str, severity: Severity
) -> None:
    """What nobody checked is no pass; a device that is cleared was let through by the bureau."""
    check = _check(well(read=read), "bureau.filed")
    assert (check.severity, check.message) == (severity, message)


def test_a_question_the_bureau_left_open(well: Well) -> None:
    """Its own failure is the bureau's; anything else leaves it to the clearing to ask."""
    read = {"monitor": REPORTED, "bureau_reachable": True}
    gone = DeviceFault("bureau.answer_invalid", "税务端返回的内容无法识别", "稍后重试")
    facts = well(read=read, device={"bureau_fault": gone})
    reachable = _check(facts, "bureau.reachable")
    assert (reachable.severity, reachable.error_code) == (BLOCKING, "bureau.answer_invalid")
    busy = DeviceFault("device.busy", "设备忙", "等待")
    facts = well(read=read, device={"bureau_fault": busy})
    assert _check(facts, "bureau.reachable").severity is OK
    filed = _check(facts, "bureau.filed")
    assert (filed.severity, filed.message) == (
        UNKNOWN,
        "没有问到税务端（设备忙），清卡时由税务端核对",
    )


# -- 分机与主机 ----------------------------------------------------------------------------------


def _sub(state: SubState, number: str = "2" * 12, *, live: bool = True) -> SubMachine:
    return SubMachine(number, 1, state, live)


@pytest.mark.parametrize(
    ("states", "severity", "exceptional"),
    [
        ((), OK, OK),
        ((SubState.REPORTED,), OK, OK),
        ((SubState.WAITING,), BLOCKING, WARNING),
        ((SubState.REPORTED, SubState.WAITING, SubState.UNKNOWN), BLOCKING, WARNING),
        ((SubState.OFFICE,), WARNING, WARNING),
        ((SubState.UNKNOWN, SubState.REPORTED), WARNING, WARNING),
    ],
)
def test_sub_machines_before_the_main_machine(
    well: Well, states: tuple[SubState, ...], severity: Severity, exceptional: Severity
) -> None:
    subs = tuple(_sub(state, f"{place:012d}") for place, state in enumerate(states))
    check = _check(well(device={"subs": subs}), "machines.order")
    assert check.severity is severity
    named = [sub.number for sub in subs if sub.state is not SubState.REPORTED]
    if severity is BLOCKING:
        assert check.error_code == "clearing.sub_machines_first"
        named = [sub.number for sub in subs if sub.state is SubState.WAITING]
    assert all(number in check.message for number in named)
    assert len(check.evidence) == 1 + len(subs)
    facts = well(device={"subs": subs}, exceptional=True)
    assert _check(facts, "machines.order").severity is exceptional


def test_a_sub_machine_goes_first_itself(well: Well) -> None:
    facts = well(read={"info": {"machine_no": 2}}, device={"subs": (_sub(SubState.WAITING),)})
    assert _check(facts, "machines.order").severity is OK


def test_evidence_tells_what_was_read_now_from_what_is_known(well: Well) -> None:
    subs = (_sub(SubState.REPORTED), _sub(SubState.REPORTED, "3" * 12, live=False))
    found = _evidence(_check(well(device={"subs": subs}), "machines.order"))
    assert found[f"分机 1 {'2' * 12}"] == "已抄报"
    assert found[f"分机 1 {'3' * 12}"] == "已抄报（按上次读取）"


LOCK, PAST = date(2026, 11, 16), date(2026, 11, 9)
BEFORE, NOVEMBER = datetime(2026, 10, 9), datetime(2026, 11, 9)


@pytest.mark.parametrize(
    ("types", "locked", "state"),
    [
        ([], False, SubState.UNKNOWN),
        ([Reported(LOCK, NOVEMBER)], False, SubState.REPORTED),
        ([Reported(date(2026, 12, 15), BEFORE)], False, SubState.REPORTED),
        ([Reported(LOCK, BEFORE)], False, SubState.WAITING),
        ([Reported(LOCK, None)], False, SubState.WAITING),
        ([Reported(LOCK, NOVEMBER), Reported(LOCK, BEFORE)], False, SubState.WAITING),
        ([Reported(LOCK, BEFORE)], True, SubState.OFFICE),
        ([Reported(PAST, BEFORE)], False, SubState.WAITING),
        ([Reported(date(2026, 10, 31), BEFORE)], False, SubState.OFFICE),
        ([Reported(PAST, NOVEMBER)], False, SubState.REPORTED),
        ([Reported(LOCK, CLOCK - timedelta(days=91))], False, SubState.OFFICE),
    ],
)
def test_how_far_a_sub_machine_is(types: list[Reported], locked: bool, state: SubState) -> None:
    assert sub_state(types, DUE, CLOCK, locked=locked) is state


# -- 票种 ----------------------------------------------------------------------------------------


def test_a_type_without_monitors_cannot_be_reported(well: Well, reading: Reading) -> None:
    """The device names a type it gives no monitor of."""
    read = reading(NUMBER)
    short = read.model_copy(update={"monitors": read.monitors[:1]})
    check = _check(well(device={"reading": short}), "device.types")
    assert (check.severity, check.error_code) == (BLOCKING, "device.answer_invalid")
    assert "007" in check.message


def test_a_type_enabled_after_the_period_has_nothing_to_report(
    well: Well, reading: Reading
) -> None:
    read = reading(NUMBER)
    later = read.monitors[1].model_copy(
        update={"report_from": datetime(2026, 11, 1), "lock_date": date(2026, 12, 15)}
    )
    changed = read.model_copy(update={"monitors": (read.monitors[0], later)})
    check = _check(well(device={"reading": changed}), "device.types")
    assert (check.severity, check.message) == (
        OK,
        "007 没有 2026-10 的数据，其余票种均可抄报",
    )
