"""The runtime around the operations: watching, passwords, failures of the agent itself, restarts."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from app.agent import assembly, errors
from app.agent import turns as turns_module
from app.agent.config import load_config
from app.agent.drivers.base import DeviceRefused, DeviceUnavailable
from app.contracts.devices import LinkState
from app.contracts.operations import OperationState

if TYPE_CHECKING:
    from pathlib import Path

    from app.agent.runtime import Runtime
    from tests.agent.conftest import Lab

NUMBER = "661814461322"
PASSWORD = "71624935"
WRONG = {"code": "0963c7", "text": "证书口令错误"}


def _hold(begun: threading.Event, gate: threading.Event) -> None:
    begun.set()
    gate.wait(5)


def true(value: bool) -> bool | None:
    return True if value else None


# -- watching --------------------------------------------------------------------------------------


def test_plugging_and_unplugging_is_noticed(lab: Lab) -> None:
    lab.settings["probe_seconds"] = 0.02
    runtime = lab.start()
    for plugged in (True, False, True):
        lab.world.plugged = plugged
        wanted = LinkState.CONNECTED if plugged else LinkState.DISCONNECTED
        lab.eventually(lambda wanted=wanted: true(runtime.devices()[0].state is wanted))  # type: ignore[misc]
    kinds = [item.event.kind.value for item in runtime.events.since(0)]
    assert kinds == ["device.connected", "device.disconnected", "device.connected"]
    assert runtime.devices()[0].checked_at is not None


def test_a_late_answer_is_waited_for_once_more_before_a_device_is_away(lab: Lab) -> None:
    lab.settings["probe_seconds"] = 0.02
    runtime = lab.start()
    lab.eventually(lambda: true(runtime.devices()[0].state is LinkState.CONNECTED))
    seen = len(lab.world.sent("SKSBBH"))
    lab.world.will("SKSBBH", "lost_before", times=1)
    lab.eventually(lambda: true(len(lab.world.sent("SKSBBH")) > seen + 3))
    assert [item.event.kind.value for item in runtime.events.since(0)] == ["device.connected"]
    lab.world.will("SKSBBH", "lost_before", times=2)
    lab.eventually(lambda: true(len(runtime.events.since(0)) == 3))
    kinds = [item.event.kind.value for item in runtime.events.since(0)]
    assert kinds == ["device.connected", "device.disconnected", "device.connected"]


def test_a_probe_uses_no_password(lab: Lab) -> None:
    lab.settings["probe_seconds"] = 0.02
    lab.start()
    lab.eventually(lambda: true(len(lab.world.sent("SKSBBH")) > 3))
    assert {name for name, _ in lab.world.log} == {"SKSBBH"}


def test_a_port_in_use_is_not_probed(lab: Lab) -> None:
    lab.settings["probe_seconds"] = 0.02
    runtime = lab.start()
    lab.eventually(lambda: true(len(lab.world.sent("SKSBBH")) > 0))
    gate, begun = threading.Event(), threading.Event()
    runtime._devices[0].port.submit(lambda: _hold(begun, gate))
    assert begun.wait(5)
    seen = len(lab.world.sent("SKSBBH"))
    assert not gate.wait(0.15)
    assert len(lab.world.sent("SKSBBH")) == seen
    gate.set()
    lab.eventually(lambda: true(len(lab.world.sent("SKSBBH")) > seen))


def test_another_device_in_the_port_is_a_fault(lab: Lab) -> None:
    lab.settings["probe_seconds"] = 0.02
    lab.world.number = "661814469999"
    runtime = lab.start()
    lab.eventually(lambda: true(runtime.devices()[0].state is LinkState.FAULT))
    assert runtime.devices()[0].error_code == "device.number_mismatch"


def test_a_device_is_locked_when_it_says_so_until_it_no_longer_does(lab: Lab) -> None:
    lab.settings["probe_seconds"] = 0.02
    lab.world.remarks = "已锁死"
    runtime = lab.start()
    summary = runtime.read(NUMBER).summary
    assert (summary.state, summary.error_code) == (LinkState.LOCKED, "device.locked")
    seen = len(lab.world.sent("SKSBBH"))
    lab.eventually(lambda: true(len(lab.world.sent("SKSBBH")) > seen + 1))
    assert runtime.devices()[0].state is LinkState.LOCKED
    lab.world.remarks = ""
    assert runtime.read(NUMBER).summary.state is LinkState.CONNECTED


def test_a_lock_date_that_has_passed_does_not_make_a_device_say_it_is_locked(lab: Lab) -> None:
    lab.world.types["007"].lock = date(2026, 11, 9)
    assert lab.start().read(NUMBER).summary.state is LinkState.CONNECTED


def test_a_refusal_as_locked_is_remembered_until_the_device_is_read_again(lab: Lab) -> None:
    runtime = lab.start()
    lab.world.will("SJCB", "refuse", code="09d109", text="已到开票截止日期，禁止开票")
    assert lab.run("report").state is OperationState.FAILED
    assert runtime.devices()[0].state is LinkState.LOCKED
    assert runtime.read(NUMBER).summary.state is LinkState.CONNECTED


# -- passwords -------------------------------------------------------------------------------------


def test_a_missing_password_is_never_made_up(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembly, "device_password", lambda device, simulated: "")
    lab.settings["probe_seconds"] = 0.02
    runtime = lab.start()
    with pytest.raises(DeviceRefused, match=r"device\.password_missing"):
        runtime.read(NUMBER)
    assert lab.world.sent("SKPXXCX") == []
    lab.eventually(lambda: true(runtime.devices()[0].checked_at is not None))
    assert runtime.devices()[0].error_code == "device.password_missing"


def test_the_last_tries_are_left_to_people(lab: Lab) -> None:
    """Reads stop at two tries left; an operation somebody asked for may use one, and a success resets."""
    runtime = lab.start()
    lab.world.will("SKPXXCX", "refuse", code="0963c2", text="证书口令错误")
    for _ in range(5):
        with pytest.raises(DeviceRefused, match=r"device\.password_wrong"):
            runtime.read(NUMBER)
    assert len(lab.world.sent("SKPXXCX")) == 1
    assert runtime.devices()[0].state is LinkState.FAULT
    assert lab.run("report").state is OperationState.SUCCEEDED
    assert runtime.read(NUMBER).summary.state is LinkState.CONNECTED


def test_reads_stop_after_three_wrong_passwords_where_no_tries_are_told(lab: Lab) -> None:
    runtime = lab.start()
    lab.world.will("SKPXXCX", "refuse", code="236", text="管理员登录口令错误", times=99)
    for _ in range(5):
        with pytest.raises(DeviceRefused):
            runtime.read(NUMBER)
    assert len(lab.world.sent("SKPXXCX")) == 3


def _with_password_file(lab: Lab, password: str) -> Path:
    file = lab.folder / "device.password"
    file.write_text(password)
    device = lab.config().device[0].model_dump(exclude_unset=True)
    device["password_file"] = file
    del device["password"]
    lab.settings["device"] = [device]
    return file


def _refused_reads(runtime: Runtime, times: int) -> None:
    for _ in range(times):
        with pytest.raises(DeviceRefused, match=r"device\.password_"):
            runtime.read(NUMBER)


@pytest.mark.parametrize("tries_left", [8, 3])
def test_a_corrected_password_is_tried_once_without_a_restart(lab: Lab, tries_left: int) -> None:
    """Wrong ones stay spared: however often it is read, a password costs a try only when it is new."""
    lab.world.tries_left = tries_left
    file = _with_password_file(lab, "00000000")
    runtime = lab.start()
    _refused_reads(runtime, 6)
    used = len(lab.world.sent("SKPXXCX"))
    assert used == min(3, tries_left - 2)

    file.write_text("11111111")
    _refused_reads(runtime, 4)
    assert len(lab.world.sent("SKPXXCX")) == used + 1, "the new wrong one is tried once"

    file.write_text(PASSWORD)
    assert runtime.read(NUMBER).summary.state is LinkState.CONNECTED
    assert lab.run("report").state is OperationState.SUCCEEDED


def test_a_password_that_was_missing_is_taken_up_once_it_is_set(lab: Lab) -> None:
    file = _with_password_file(lab, "")
    runtime = lab.start()
    _refused_reads(runtime, 2)
    assert lab.world.sent("SKPXXCX") == []
    file.write_text(PASSWORD)
    assert runtime.read(NUMBER).summary.state is LinkState.CONNECTED


def test_a_password_corrected_in_the_configuration_file_is_taken_up(
    tmp_path: Path, lab: Lab
) -> None:
    path = tmp_path / "agent.toml"
    text = f"""[[device]]
driver = "tax_server"
url = "http://127.0.0.1:9"
bureau_url = "http://127.0.0.1:9/bureau"
number = "{NUMBER}"
password = "00000000"
"""
    path.write_text(text)
    runtime = assembly.build_runtime(load_config(path), lab.folder, path=path)
    lab.running.append(runtime)
    runtime.start()
    _refused_reads(runtime, 2)
    path.write_text(text.replace("00000000", PASSWORD))
    assert runtime.read(NUMBER).summary.state is LinkState.CONNECTED


def test_a_wrong_password_while_the_outcome_is_open_waits_for_a_person(reported_lab: Lab) -> None:
    lab = reported_lab
    lab.world.will("JKHC", "lost_after", kind="004")
    lab.world.will("JKSJCX", "none", times=2)
    lab.world.will("JKSJCX", "refuse", times=1, **WRONG)
    operation_id = lab.submit()
    lab.until(operation_id, OperationState.UNKNOWN)
    seen = len(lab.world.log)
    lab.running[-1].read(NUMBER)
    assert lab.done(operation_id).state is OperationState.SUCCEEDED
    assert len(lab.world.log) > seen
    assert lab.world.clears() == ["004", "007"]


# -- failures of the agent itself ------------------------------------------------------------------


@pytest.mark.parametrize("at_write", range(2, 9))
def test_nothing_is_sent_that_could_not_be_recorded(
    reported_lab: Lab, monkeypatch: pytest.MonkeyPatch, at_write: int
) -> None:
    """A full disk at each write in turn: the operation goes on once there is room again."""
    monkeypatch.setattr(turns_module, "_RETRY_PAUSE", 0.01)
    lab = reported_lab
    writer = lab.running[-1].journal._writer
    original, seen = writer.write, [0]

    def write(job: Callable[[sqlite3.Connection], Any]) -> Any:
        seen[0] += 1
        if seen[0] in (at_write, at_write + 1):
            raise sqlite3.OperationalError("database or disk is full")
        return original(job)

    writer.write = write  # type: ignore[method-assign]
    operation = lab.run()
    assert operation.state is OperationState.SUCCEEDED
    assert sorted(lab.world.clears()) == ["004", "007"]
    begun = [step for step in operation.steps if step.name == "JKHC"]
    assert len(begun) >= len(lab.world.sent("JKHC"))


def test_a_failure_that_can_not_be_recorded_at_once_is_recorded_later(
    reported_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake of ours, and the disk is full as it is to be kept: the operation's turns go on."""
    monkeypatch.setattr(turns_module, "_RETRY_PAUSE", 0.01)
    broken, full = [1], [1]
    original = turns_module.Turns._execute

    def execute(self: Any, *arguments: Any) -> None:
        if broken:
            broken.pop()
            raise LookupError("a mistake of ours")
        original(self, *arguments)

    def refuse(self: Any, *arguments: Any) -> None:
        if full:
            full.pop()
            raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(turns_module.Turns, "_execute", execute)
    monkeypatch.setattr(turns_module.Turns, "_broken", refuse)
    assert reported_lab.run().state is OperationState.SUCCEEDED


# -- devices that come and go ----------------------------------------------------------------------


def numberless(lab: Lab) -> None:
    lab.settings["device"] = [
        {"driver": "serial_converter", "port": "/dev/ttyUSB0", "password": "71624935"}
    ]
    lab.settings["probe_seconds"] = 0.02


def test_a_device_without_configured_number_is_found_by_reading_it(lab: Lab) -> None:
    numberless(lab)
    lab.world.plugged = False
    runtime = lab.start()
    with pytest.raises(errors.DeviceNotFound):
        runtime.read(NUMBER)
    lab.world.plugged = True
    lab.eventually(lambda: true(runtime.devices()[0].number == NUMBER))
    assert lab.run("report").state is OperationState.SUCCEEDED


def test_another_device_put_into_the_port_is_not_touched(lab: Lab) -> None:
    """Without a configured number the port's device is whatever is plugged in."""
    numberless(lab)
    lab.settings["probe_seconds"] = 600
    runtime = lab.start()
    lab.eventually(lambda: true(runtime.devices()[0].number == NUMBER))
    lab.world.number = "661814469999"
    operation = lab.run("report")
    assert operation.fault is not None
    assert operation.fault.code == "device.number_mismatch"
    assert lab.world.names() == []


def test_its_operation_waits_for_it_after_a_restart(lab: Lab) -> None:
    numberless(lab)
    runtime = lab.start()
    lab.eventually(lambda: true(runtime.devices()[0].number == NUMBER))
    lab.run("report")
    lab.world.will("JKHC", "crash_after", kind="004")
    operation_id = lab.submit()
    lab.eventually(lambda: true(lab.world.sent("JKHC") == ["004"]))
    lab.restart()
    assert lab.done(operation_id).state is OperationState.SUCCEEDED
    assert lab.world.clears() == ["004", "007"]


def test_an_operation_whose_device_was_removed_ends(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns_module, "_ABSENT_PATIENCE", 0.0)
    lab.settings["device"] = []
    runtime = lab.start()
    runtime.journal.create(request := lab.request(), NUMBER, simulated=False)
    lab.restart()
    operation = lab.done(request.id)
    assert operation.fault is not None
    assert operation.fault.code == "device.not_found"


def test_devices_and_operations_of_a_simulation_are_marked(lab: Lab) -> None:
    lab.settings["simulated"] = True
    runtime = lab.start()
    assert runtime.status().simulated
    assert runtime.devices()[0].simulated
    assert lab.run("report").simulated


def test_stopped_in_the_settling_time_it_goes_on_at_the_next_start(reported_lab: Lab) -> None:
    lab = reported_lab
    lab.running.pop().stop()
    lab.settings["settle_seconds"] = 30
    lab.start()
    lab.world.will("JKHC", "lost_before", kind="004")
    operation_id = lab.submit()
    lab.eventually(lambda: true(lab.world.sent("JKHC") == ["004"]))
    lab.settings["settle_seconds"] = 0.05
    lab.restart()
    assert lab.done(operation_id).state is OperationState.SUCCEEDED
    assert lab.world.sent("JKHC") == ["004", "004", "007"]
    assert lab.world.clears() == ["004", "007"]


def test_what_the_device_cannot_do(lab: Lab) -> None:
    runtime = lab.start()
    runtime._devices[0].driver.capabilities = frozenset()
    with pytest.raises(DeviceRefused, match=r"device\.operation_unsupported"):
        runtime.statistics(NUMBER, date(2026, 10, 1), date(2026, 10, 31))
    operation = lab.run("set_clock", period=None)
    assert operation.fault is not None
    assert operation.fault.code == "device.operation_unsupported"


def test_a_stopped_runtime_answers_nothing_from_devices(lab: Lab) -> None:
    runtime = lab.start()
    runtime.stop()
    lab.running.clear()
    runtime._read_wait = 0.05
    with pytest.raises(DeviceUnavailable, match=r"device\.busy"):
        runtime.read(NUMBER)


def test_the_oldest_version_to_work_with_is_told_with_every_reading(lab: Lab) -> None:
    lab.settings["device"] = [
        {
            "driver": "tax_server",
            "url": "http://127.0.0.1:9",
            "bureau_url": "http://127.0.0.1:9/bureau",
            "number": NUMBER,
            "password": "71624935",
            "minimum_version": "V2.0.0",
        }
    ]
    reading = lab.start().read(NUMBER)
    assert (reading.info.version, reading.summary.minimum_version) == ("V2.0.1", "V2.0.0")
